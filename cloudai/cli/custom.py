"""`cloudai custom`: ask, train and deploy models of the user's own."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudai.cli.terminal import Grid, Shown, listed, number
from cloudai.cli.verbs import Flag, Source, Value, Verb, at_least_one, configure_service
from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.calls.run import CallOptions
    from cloudai.client import Client
    from cloudai.types import custom as c
    from cloudai.types.tensor import Tensor

MODEL = Flag("model", "MODEL", "name of a model folder of the backend, or of an endpoint")
ACCELERATOR = (
    Flag("accelerator", "--accelerator", "such as L4, A100-80GB, T4", metavar="NAME"),
    Flag("accelerators", "--count", "how many of them", at_least_one, metavar="N"),
    Flag("instance", "--instance", "the provider's own machine type instead", metavar="TYPE"),
)

Values = Mapping[str, Value]


# --- predict -------------------------------------------------------------------------------------


def _predict(client: Client, source: Any, values: Values, options: CallOptions) -> c.PredictResult:
    tensors = _tensors(Path(str(values["tensors"]))) if "tensors" in values else {}
    if source is None and not tensors:
        raise InvalidInput("give images, or --tensors FILE")
    outputs, version = values.get("outputs", []), values.get("version")
    return client.custom.predict(
        str(values["model"]),
        images=() if source is None else (source,),
        tensors=tensors,
        outputs=outputs if isinstance(outputs, list) else (),
        version=None if version is None else str(version),
        manifest=None if "manifest" not in values else str(values["manifest"]),
        **options,
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    """Named tensors of an `.npz`, or of the `inputs` of an Open Inference Protocol request in JSON."""
    try:
        return _from_npz(path) if path.suffix == ".npz" else _from_json(path)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise InvalidInput(
            f'{path}: not tensors ({error}); write {{"inputs": [{{"name", "shape", "datatype", "data"}}]}} or an .npz'
        ) from error


def _from_npz(path: Path) -> dict[str, Tensor]:
    import zipfile
    import zlib

    import numpy as np

    from cloudai.types.tensor import Tensor

    if path.is_file() and not zipfile.is_zipfile(path):
        raise ValueError("it is no .npz, which is a zip file of arrays")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: Tensor(arrays[name]) for name in arrays.files}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:  # zipfile's for a compression it lacks
        raise ValueError(str(error)) from error


def _from_json(path: Path) -> dict[str, Tensor]:
    import json

    from cloudai.types.tensor import Tensor

    found = {}
    for given in json.loads(path.read_text(encoding="utf-8"))["inputs"]:
        found[str(given["name"])] = Tensor.from_json({key: given[key] for key in ("datatype", "shape", "data")})
    return found


def _predictions(result: c.PredictResult) -> Iterable[Shown]:
    for row in result.predictions:
        if row.labels:
            yield Grid(
                ("label", "confidence"), tuple((label.name, number(label.confidence, 4)) for label in row.labels)
            )
        if row.objects:
            cells = tuple(
                (o.name, number(o.confidence), *(number(side, 3) for side in (o.box.x, o.box.y, o.box.w, o.box.h)))
                for o in row.objects
            )
            yield Grid(("object", "confidence", "x", "y", "w", "h"), cells)
        if row.embedding:
            yield " ".join(f"{value:.6g}" for value in row.embedding)
    if not any(row.labels or row.objects or row.embedding for row in result.predictions):
        rows = tuple((name, t.datatype, str(list(t.shape)), _start(t)) for name, t in result.outputs.items())
        yield Grid(("output", "type", "shape", "values"), rows, empty="nothing found")


def _start(tensor: Tensor) -> str:
    """The first few values."""
    flat = tensor.array.reshape(-1)
    return ", ".join(str(value) for value in flat[:6].tolist()) + (", ..." if flat.size > 6 else "")


# --- jobs and endpoints --------------------------------------------------------------------------


def _train(client: Client, source: Any, values: Values, options: CallOptions) -> c.TrainResult:
    from cloudai.training.job_file import read_job

    return client.custom.train(read_job(Path(str(values["job"]))).job, **options)


def _deploy(client: Client, source: Any, values: Values, options: CallOptions) -> c.DeployResult:
    from cloudai.calls.run import checked
    from cloudai.types.custom import DeployRequest

    request = checked(lambda: DeployRequest.model_validate(_with_accelerator(values)))
    return client.custom.deploy(request, **options)


def _batch_predict(client: Client, source: Any, values: Values, options: CallOptions) -> c.BatchPredictResult:
    return client.custom.batch_predict(batch_request(values), **options)


def batch_request(values: Values) -> c.BatchPredictRequest:
    """The flags of `BATCH` as a request. Raises `InvalidInput`."""
    from cloudai.calls.run import checked
    from cloudai.types.custom import BatchPredictRequest

    given = _with_accelerator(values, {"inputs_at": "inputs", "output_at": "output"})
    if given.pop("images", False):
        given["content"] = "images"
    return checked(lambda: BatchPredictRequest.model_validate(given))


def _with_accelerator(values: Values, renamed: Mapping[str, str] | None = None) -> dict[str, object]:
    """The flags as a request: those of the accelerator become one."""
    given = {(renamed or {}).get(key, key): value for key, value in values.items()}
    name, count, instance = (given.pop(key, None) for key in ("accelerator", "accelerators", "instance"))
    if count is not None and name is None:
        raise InvalidInput("--count needs --accelerator")
    if name is None and instance is None:
        return dict(given)
    accelerator = {"name": name or "none", "count": count or (1 if name else 0), "instance": instance}
    return {**given, "accelerator": accelerator}


def _trained(result: c.TrainResult) -> Iterable[Shown]:
    rows = (("run", result.run.id if result.run else "-"), ("state", str(result.state)))
    yield Grid(("", ""), rows)


def _deployed(result: c.DeployResult) -> Iterable[Shown]:
    endpoint = result.endpoint
    rows = (
        ("endpoint", endpoint.name if endpoint else "-"),
        ("url", (endpoint.url if endpoint else None) or "-"),
        ("state", str(result.state)),
    )
    yield Grid(("", ""), rows)


def _batch(result: c.BatchPredictResult) -> Iterable[Shown]:
    rows = (
        ("job", result.batch.name if result.batch else "-"),
        ("state", str(result.state)),
        ("output", result.output or "-"),
        ("lines", counted(result)),
        ("cost", "unknown" if result.cost is None else str(result.cost)),
    )
    yield Grid(("", ""), rows)
    failures = tuple((one.file, str(one.line), one.message) for one in result.failures)
    if failures:
        yield Grid(("file", "line", "why it failed"), failures)


def counted(found: c.BatchPredictResult | c.BatchStatus) -> str:
    """`98 of 100, 2 failed`, or what of it is known."""
    done = (
        [] if found.succeeded is None else [f"{found.succeeded}{'' if found.total is None else f' of {found.total}'}"]
    )
    return listed([*done, *([] if found.failed is None else [f"{found.failed} failed"])])


BATCH = (
    Flag("model", "MODEL", "a model folder, a packaged model's address, an endpoint's name, or a registered model's"),
    Flag("inputs_at", "INPUTS", "a folder, a file or an object-store prefix: JSON lines, one inference request each"),
    Flag("output_at", "RESULTS", "where the results go: a folder, or a prefix of the platform's store"),
    *ACCELERATOR,
    Flag("instances", "--instances", "machines", at_least_one, metavar="N"),
    Flag("batch_size", "--batch-size", "requests at a time, where the backend can", at_least_one, metavar="N"),
    Flag("name", "--name", "what the job's name begins with; else the model's", metavar="NAME"),
    Flag("version", "--model-version", "a version of the endpoint or registered model", metavar="V"),
    Flag("images", "--images", "the inputs are images, read as the manifest says", switch=True),
    Flag("manifest", "--manifest", "the model folder that says how images are read", metavar="DIR", file=True),
    Flag("image", "--image", "a container of your own", metavar="ADDRESS"),
    Flag("max_failed", "--max-failed", "lines that may fail; one more ends the job", int, metavar="N"),
    Flag("max_seconds", "--max-seconds", "longest time (default: a day)", int, metavar="S"),
)
"""Of a batch job: here, and for `cloudai batches submit`."""

VERBS = (
    Verb(
        operation="custom.predict",
        source=Source.IMAGES,
        show=_predictions,
        call=_predict,
        flags=(
            MODEL,
            Flag("tensors", "--tensors", ".npz, or Open Inference Protocol JSON", metavar="FILE", file=True),
            Flag("outputs", "--output-name", "only this output", many=True, metavar="NAME"),
            Flag("version", "--model-version", "a version of the model", metavar="V"),
            Flag("manifest", "--manifest", "read images as this model folder says, before an endpoint", metavar="DIR"),
        ),
    ),
    Verb(
        operation="custom.train",
        source=Source.NOTHING,
        show=_trained,
        call=_train,
        flags=(Flag("job", "JOB.toml", "the training job: name, script, inputs, hyperparameters ..."),),
    ),
    Verb(
        operation="custom.deploy",
        source=Source.NOTHING,
        show=_deployed,
        call=_deploy,
        flags=(
            Flag("model", "MODEL", "a folder with model.onnx and model.toml, or an artefact's address"),
            Flag("name", "--name", "name of the endpoint", required=True, metavar="NAME"),
            *ACCELERATOR,
            Flag("version", "--version", "its name; else the first of its package's hash", metavar="V"),
            Flag("min_replicas", "--min-replicas", "at least this many", int, metavar="N"),
            Flag("max_replicas", "--max-replicas", "at most this many", int, metavar="N"),
            Flag("serverless", "--serverless", "no machine is kept running", switch=True),
            Flag("image", "--image", "a container of your own", metavar="ADDRESS"),
        ),
    ),
    Verb(
        operation="custom.batch_predict",
        source=Source.NOTHING,
        show=_batch,
        call=_batch_predict,
        flags=BATCH,
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per operation."""
    configure_service(parser, VERBS)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen one."""
    from cloudai.cli import calls

    return calls.run(args)
