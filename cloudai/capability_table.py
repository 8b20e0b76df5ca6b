"""Tables for people, made from the capability declarations: README's, and those of docs/capabilities.md.

    python -m cloudai.capability_table            # which of the two files is out of date (exit 1)
    python -m cloudai.capability_table --write    # bring them up to date

A file marks where a table goes: `<!-- table: NAME -->` ... `<!-- /table -->`; the names are those of `TABLES`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cloudai.capabilities import (
    EVENTS,
    EVIDENCE,
    FEATURES,
    SEMANTICS,
    SUPPORT,
    Capabilities,
    Feature,
    Limits,
    Operation,
    builtin_capabilities,
)
from cloudai_pricing.operations import operations

Declared = Mapping[str, Capabilities]
"""Provider name -> declaration, in the order of the columns."""

SYMBOLS = {"yes": "●", "partial": "◐", "preview": "◇", "gated": "◈", "retiring": "◔", "no": "○"}
LIMIT_WORDS = {
    "max_characters": "{:,} characters",
    "max_text_bytes": "{:,} bytes of text",
    "max_seconds": "{:,} s",
    "max_pages": "pages: {:,}",
    "max_batch": "{:,} in one request",
    "requests_per_minute": "{:,} requests a minute by default",
}
FILES = ("README.md", "docs/capabilities.md")


def rows(caps: Declared) -> Iterator[tuple[str, ...]]:
    """One row an operation: its name, then `yes`, `partial`, ... of each provider."""
    for name in operations():
        yield (name, *(_support_of(declared.operation(name)) for declared in caps.values()))


def operations_table(caps: Declared) -> str:
    """Operations x providers, a symbol and the word in each cell."""
    body = ([f"`{name}`", *(_shown(support) for support in cells)] for name, *cells in rows(caps))
    return _table(["operation", *(declared.title for declared in caps.values())], body)


def differences(caps: Declared) -> str:
    """A section for each operation: who offers it how, in which form it answers, what is missing and why."""
    return "\n\n".join(_section(name, caps) for name in operations())


def lifecycle_table(caps: Declared) -> str:
    """Announced ends and closings, the latest first; notices looked for and not found are listed below."""
    changes = [(name, change) for name, declared in caps.items() for change in declared.lifecycle]
    dated = [(name, change) for name, change in changes if change.event != "none_found"]
    dated.sort(key=lambda entry: entry[1].ends or entry[1].closed_to_new, reverse=True)
    table = _table(
        ["ends", "provider", "service", "what", "event", "announced", "closed to new", "instead", "source"],
        (
            [
                change.ends,
                name,
                change.service,
                _said(change.feature, change.notes),
                EVENTS[change.event],
                change.announced,
                change.closed_to_new,
                change.replacement,
                _source(change.source, change.as_of, change.evidence),
            ]
            for name, change in dated
        ),
    )
    quiet = [
        f"- {name}, {change.service}, {change.feature}: {_lower(change.notes) or 'no notice'} "
        f"({_source(change.source, change.as_of, change.evidence)})"
        for name, change in changes
        if change.event == "none_found"
    ]
    return f"{table}\n\nLooked for, and no notice found:\n\n" + "\n".join(quiet) if quiet else table


def exports_table(caps: Declared) -> str:
    """Whether trained models can leave."""
    return _table(
        ["provider", "service", "model", "can leave", "formats", "conditions", "stays yours", "source"],
        (
            [
                name,
                export.service,
                export.model_kind,
                export.exportable.replace("-", " "),
                ", ".join(export.formats),
                _said(export.conditions, export.notes),
                export.keeps,
                _source(export.source, export.as_of, export.evidence),
            ]
            for name, declared in caps.items()
            for export in declared.model_exports
        ),
    )


def words_table(caps: Declared) -> str:
    """The closed lists of words of the file format. (`caps` is not used: they are the same for all.)"""
    answers = (
        [f"`semantics.{key}`", f"`{word}`", said] for key, known in SEMANTICS.items() for word, said in known.items()
    )
    listed = (
        *(["`support`", f"{SYMBOLS[word]} `{word}`", said] for word, said in SUPPORT.items()),
        *(["`evidence`", f"`{word}`", said] for word, said in EVIDENCE.items()),
        *answers,
        ["`event`", ", ".join(f"`{word}`" for word in EVENTS), "what has been announced, or `none_found`"],
    )
    features = "\n".join(
        f"- `{name}`: {', '.join(f'`{feature}`' for feature in known)}" for name, known in FEATURES.items()
    )
    return f"{_table(['key', 'word', 'meaning'], listed)}\n\nFeatures, by operation:\n\n{features}"


TABLES: Mapping[str, Callable[[Declared], str]] = {
    "operations": operations_table,
    "differences": differences,
    "lifecycle": lifecycle_table,
    "exports": exports_table,
    "words": words_table,
}
_MARK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def refreshed(text: str, caps: Declared) -> str:
    """A document with all its marked tables made anew. Raises `KeyError` for a mark that names no table."""
    return _MARK.sub(lambda mark: f"{mark[1]}{TABLES[mark[2]](caps)}\n{mark[3]}", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: up to date, or written; 1: out of date, or a file is missing."""
    parser = argparse.ArgumentParser(prog="python -m cloudai.capability_table", description=__doc__)
    parser.add_argument("--write", action="store_true", help="bring the files up to date")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the checkout")
    parsed = parser.parse_args(arguments)
    stale = [path for name in FILES if _stale(path := parsed.root / name, write=parsed.write)]
    for path in stale:
        sys.stderr.write(f"{path}: {'is written anew' if parsed.write else 'is out of date: run this with --write'}\n")
    return 1 if stale and not parsed.write else 0


def _stale(path: Path, *, write: bool) -> bool:
    before = path.read_text(encoding="utf-8")
    after = refreshed(before, builtin_capabilities())
    if write and after != before:
        path.write_text(after, encoding="utf-8", newline="\n")
    return after != before


def _section(name: str, caps: Declared) -> str:
    vocabulary = operations()[name]
    declared = {provider: operation for provider, c in caps.items() if (operation := c.operation(name)) is not None}
    parts = [
        f"### {name}",
        f"{vocabulary.title}. Planned by the {vocabulary.unit}.",
        _table(
            ["provider", "support", "how", "takes", "limits", "billed by", "source"],
            ([provider, *_offer(operation)] for provider, operation in declared.items()),
        ),
    ]
    if any(operation.features for operation in declared.values()):
        parts.append(_features_table(name, declared))
    parts.append("\n".join(_remarks(declared)))
    return "\n\n".join(part for part in parts if part)


def _offer(operation: Operation) -> list[str]:
    return [
        _shown(operation.support) + (f" {operation.retires}" if operation.retires else ""),
        "" if operation.support == "no" else _how(operation),
        ", ".join((*operation.sources, *(mode for mode in operation.mode if mode != "sync"))),
        "; ".join(part for part in (_limits(operation.limits), _limits(operation.job_limits, "jobs: ")) if part),
        operation.meter,
        _source(operation.source, operation.as_of, operation.evidence),
    ]


def _how(operation: Operation) -> str:
    service, api = operation.service, operation.api
    return api if api.startswith(service) else f"{service}: {api}"


def _limits(limits: Limits, prefix: str = "") -> str:
    said = ", ".join(part for part in (*_sizes(limits), *_counts(limits)) if part)
    quota = f", [quota]({limits.quota_source})" if limits.quota_source else ""
    return f"{prefix}{said} ([source]({limits.source}){quota})" if said else ""


def _sizes(limits: Limits) -> Iterator[str]:
    inline, stored = limits.max_bytes, limits.max_object_bytes
    if inline is not None:
        yield _size(inline)
    if stored is not None and stored != inline:
        yield f"{_size(stored)} as a stored object"
    if limits.min_width is not None:
        yield f"{limits.min_width:,} x {limits.min_height or limits.min_width:,} px or more"
    if limits.max_width is not None:
        yield f"{limits.max_width:,} x {limits.max_height or limits.max_width:,} px at most"
    if limits.max_pixels is not None:
        yield f"{limits.max_pixels:,} px in all"


def _size(count: int) -> str:
    """`5 MiB`, `7.5 MiB`, `under 20 MiB` for one byte less, else plain bytes."""
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size // 2 and count % (size // 2) == 0:
            return f"{count / size:g} {unit}"
        if count > size and (count + 1) % size == 0:
            return f"under {(count + 1) // size} {unit}"
    return f"{count:,} bytes"


def _counts(limits: Limits) -> Iterator[str]:
    for name, words in LIMIT_WORDS.items():
        value = limits.known.get(name)
        if value is not None:
            yield words.format(value)


def _features_table(name: str, declared: Mapping[str, Operation]) -> str:
    def cell(operation: Operation, feature: str) -> str:
        found = operation.features.get(feature)
        return _shown(found.support) if found is not None else ""

    body = (
        [f"`{feature}`", *(cell(operation, feature) for operation in declared.values())] for feature in FEATURES[name]
    )
    return _table(["feature", *declared], body)


def _remarks(declared: Mapping[str, Operation]) -> Iterator[str]:
    """What differs, as a list: the form of the answers, reasons, notes, then the features'."""
    for key, known in SEMANTICS.items():
        forms = {provider: getattr(operation.semantics, key) for provider, operation in declared.items()}
        said = [f"{provider} {known[form]}" for provider, form in forms.items() if form != "none"]
        if said:
            yield f"- The vendor's {key}: {'; '.join(said)}."
    for provider, operation in declared.items():
        if operation.reason:
            yield f"- {provider}, {operation.support}: {_sentence(operation.reason)}"
        if operation.notes:
            yield f"- {provider}: {_sentence(operation.notes)}"
        if operation.replacement:
            yield f"- {provider}, instead: {_sentence(operation.replacement)}"
        if operation.support != "no":
            yield from _feature_remarks(provider, operation)


def _feature_remarks(provider: str, operation: Operation) -> Iterator[str]:
    for feature in operation.features.values():
        said = _said(feature.reason, feature.notes)
        if said:
            yield f"- {provider}, `{feature.name}`, {feature.support}: {said}{_own_source(feature, operation)}"


def _own_source(feature: Feature, operation: Operation) -> str:
    """A feature's source where it is not that of its operation, or is weak."""
    own = (feature.source, feature.as_of) != (operation.source, operation.as_of)
    return f" ({_source(feature.source, feature.as_of, feature.evidence)})" if own or feature.evidence == "C" else ""


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _support_of(operation: Operation | None) -> str:
    return operation.support if operation is not None else "no"


def _shown(support: str) -> str:
    return f"{SYMBOLS[support]} {support}"


def _source(url: str, as_of: str, evidence: str) -> str:
    return f"[{as_of}]({url})" + (f" {evidence}" if evidence != "A" else "")


def _said(*texts: str) -> str:
    return " ".join(_sentence(text) for text in texts if text)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


if __name__ == "__main__":
    raise SystemExit(main())
