"""`export_onnx`: a torch or scikit-learn model as a checked ONNX folder.

    from cloudai.training import export_onnx, model_dir

    export_onnx(model, model_dir(), example=images[:4], inputs=("image",), outputs=("logits",))

Ships with each job, as all that a script may use. It needs `onnx` and `onnxruntime`, and for torch `onnxscript`, for
scikit-learn `skl2onnx`: `pip install 'cloudai[export]'`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudai.training.export_model import Exported, ExportError, as_array, difference, manifest, session_of, signature
from cloudai.training.export_strip import places_in, strip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

OPSET = 18
TOLERANCE = 1e-4


class _Made(NamedTuple):
    """A graph, and the model it was made from as a function of the same inputs."""

    graph: Any
    reference: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]
    maker: str
    examples: dict[str, NDArray[Any]]


def export_onnx(
    model: Any,
    folder: str | Path,
    *,
    example: Any,
    inputs: Sequence[str] = ("input",),
    outputs: Sequence[str] = ("output",),
    opset: int = OPSET,
    tolerance: float = TOLERANCE,
    task: str = "tensors",
    labels: Sequence[str] = (),
    image: Mapping[str, object] | None = None,
    output: Mapping[str, object] | None = None,
    version: str = "1",
) -> Exported:
    """Writes `model.onnx`, `model.toml` and, with `labels`, `labels.txt` into `folder`.

    `example` is an array with the batch first, or a tuple of them in the order of `inputs`. The batch is left open.
    The graph is asked with the example, with one row of it and with all its rows twice, beside the model itself:
    the largest absolute difference is in the answer. `task`, `image` and `output` are those of `model.toml`: `image`
    its `[input]`, `output` its `[output]`. For scikit-learn `outputs` are the graph's own: `label` and
    `probabilities` of a classifier, `variable` of a regression.

    Raises `ExportError` above `tolerance`, before anything is written.
    """
    import onnx

    examples = example if isinstance(example, tuple) else (example,)
    made = (
        _torch(model, examples, inputs, outputs, opset)
        if _is_torch(model)
        else _sklearn(model, examples, inputs, opset)
    )
    strip(made.graph)
    onnx.checker.check_model(made.graph, full_check=True)
    data = made.graph.SerializeToString(deterministic=True)
    places = places_in(data)
    if places:
        raise ExportError(f"the graph still names a place of this machine: {places[0]}")
    session = session_of(data)
    worst = parity(session, made.reference, made.examples)
    if not worst <= tolerance:
        raise ExportError(f"the graph differs from the model by {worst:g}, more than the tolerance of {tolerance:g}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if labels:
        (target / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    text = manifest(
        task=task,
        version=version,
        description=f"exported from {made.maker}, opset {opset}; largest difference {worst:.3g}",
        labels=labels,
        image=image or {},
        output=output or {},
        inputs=signature(session.get_inputs()),
        outputs=signature(session.get_outputs()),
    )
    (target / "model.onnx").write_bytes(data)
    (target / "model.toml").write_text(text, encoding="utf-8")
    return Exported(
        folder=target,
        max_difference=worst,
        opset=opset,
        inputs=tuple(value.name for value in session.get_inputs()),
        outputs=tuple(value.name for value in session.get_outputs()),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def parity(
    session: Any, reference: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]], examples: dict[str, Any]
) -> float:
    """The largest difference between a graph and its model, on the example, one row of it, and its rows twice."""
    import numpy as np

    worst = 0.0
    for asked in (
        examples,
        {name: array[:1] for name, array in examples.items()},
        {name: np.concatenate([array, array]) for name, array in examples.items()},
    ):
        expected = reference(asked)
        names = [value.name for value in session.get_outputs()]
        answered = dict(zip(names, session.run(names, asked)))  # noqa: B905  # Python 3.8
        for name, array in expected.items():
            worst = max(worst, difference(array, np.asarray(answered[name]), name))
    return worst


def _is_torch(model: Any) -> bool:
    return any(kind.__module__.startswith("torch.nn") for kind in type(model).__mro__)


def _torch(model: Any, examples: tuple[Any, ...], inputs: Sequence[str], outputs: Sequence[str], opset: int) -> _Made:
    import copy
    import logging
    import warnings

    import torch

    still = copy.deepcopy(model).cpu().eval()
    tensors = tuple(torch.as_tensor(as_array(one)) for one in examples)
    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)  # says what it lacks
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            still,
            tensors,
            None,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in tensors),
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    assert program is not None

    def reference(asked: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with torch.no_grad():
            answer = still(*(torch.as_tensor(asked[name]) for name in inputs))
        several = answer if isinstance(answer, (tuple, list)) else (answer,)
        return {name: as_array(value) for name, value in zip(outputs, several)}  # noqa: B905  # Python 3.8

    arrays = {name: as_array(tensor) for name, tensor in zip(inputs, tensors)}  # noqa: B905  # Python 3.8
    return _Made(program.model_proto, reference, f"torch {torch.__version__}", arrays)


def _sklearn(model: Any, examples: tuple[Any, ...], inputs: Sequence[str], opset: int) -> _Made:
    import numpy as np
    import skl2onnx  # type: ignore[import-untyped]
    import sklearn  # type: ignore[import-untyped]
    from skl2onnx.common.data_types import FloatTensorType  # type: ignore[import-untyped]

    rows = as_array(examples[0]).astype(np.float32)
    classifies = hasattr(model, "predict_proba")
    to_onnx: Any = skl2onnx.to_onnx
    graph = to_onnx(
        model,
        initial_types=[(inputs[0], FloatTensorType([None, rows.shape[1]]))],
        options={id(model): {"zipmap": False}} if classifies else None,
        target_opset=opset,
    )
    names = [value.name for value in graph.graph.output]

    def reference(asked: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        given = asked[inputs[0]]
        if classifies:
            return {names[0]: model.predict(given), names[1]: np.asarray(model.predict_proba(given))}
        predicted = np.asarray(model.predict(given))
        return {names[0]: predicted.reshape(len(given), -1)}

    return _Made(graph, reference, f"scikit-learn {sklearn.__version__}", {inputs[0]: rows})
