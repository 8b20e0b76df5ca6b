"""What a run was made of, and what differs between two: `cloudai runs diff A B`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudai.training import environment_of, outcome_of
from cloudai.training.package import digest_of_hyperparameters
from cloudai.types.custom import TrainingJob

_FIELDS = ("script", "framework", "image", "accelerator", "nodes", "spot", "max_seconds")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that can be told of a run without running it again."""

    name: str
    hashes: Mapping[str, str]
    """Of source, requirements, data, environment and hyperparameters as submitted."""
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    job: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    """Of the place it ran in; empty until it has started."""
    python: str = ""
    model: Mapping[str, str] = field(default_factory=dict)
    """The model's files -> SHA-256; empty until it has ended well."""
    from_log: bool = False
    """Submitted elsewhere: data, environment and machine are not known, and not compared."""


def record_of(name: str, job: TrainingJob, hashes: Mapping[str, str], lines: Iterable[str]) -> RunRecord:
    """From what was submitted and what the runner said in the log."""
    kept = list(lines)
    around, outcome = environment_of(kept), outcome_of(kept)
    described = job.model_dump(mode="json")
    return RunRecord(
        name=name,
        hashes={key: value for key, value in hashes.items() if key != "job"},
        hyperparameters={key: repr(value) for key, value in job.hyperparameters.items()},
        job={key: str(described[key]) for key in _FIELDS} | {f"input {k}": v for k, v in job.inputs.items()},
        packages=around.packages if around is not None else {},
        python=around.python if around is not None else "",
        model=outcome.model if outcome is not None else {},
    )


def record_in(name: str, lines: Iterable[str]) -> RunRecord | None:
    """From the log alone, of a run that was submitted elsewhere; `None`: it does not say what the run was made of."""
    kept = list(lines)
    around, outcome = environment_of(kept), outcome_of(kept)
    if around is None or not around.submission:
        return None
    hashes, values = around.submission.get("hashes"), around.submission.get("hyperparameters")
    given = dict(values) if isinstance(values, dict) else {}
    known = {str(key): str(value) for key, value in hashes.items()} if isinstance(hashes, dict) else {}
    return RunRecord(
        name=name,
        hashes={**known, "hyperparameters": digest_of_hyperparameters(given)},
        hyperparameters={str(key): repr(value) for key, value in given.items()},
        job={"script": str(around.submission.get("script"))},
        packages=around.packages,
        python=around.python,
        model=outcome.model if outcome is not None else {},
        from_log=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that is not the same; `-` where one of them lacks it."""

    part: str
    name: str
    before: str
    after: str


def differences(one: RunRecord, other: RunRecord) -> tuple[Difference, ...]:
    """Empty: the same source, data, parameters, environment and model, as far as both are known."""
    partly = one.from_log or other.from_log
    parts = (
        ("hash", *(_both(one.hashes, other.hashes) if partly else (one.hashes, other.hashes))),
        ("hyperparameter", one.hyperparameters, other.hyperparameters),
        ("job", *(_both(one.job, other.job) if partly else (one.job, other.job))),
        ("package", one.packages, other.packages),
        ("python", {"version": one.python}, {"version": other.python}),
        ("model", one.model, other.model),
    )
    return tuple(
        Difference(part=part, name=name, before=_short(before.get(name)), after=_short(after.get(name)))
        for part, before, after in parts
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _both(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What is known of either."""
    names = one.keys() & other.keys()
    return {name: one[name] for name in names}, {name: other[name] for name in names}


def _short(value: str | None) -> str:
    if value is None or value == "":
        return "-"
    return value[:12] if len(value) == 64 and value.isalnum() else value
