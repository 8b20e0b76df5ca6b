"""Tensors in and out, embeddings, refusals with both sides shown, and one session for many threads."""

from __future__ import annotations

import io
import math
import re
import threading
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from cloudai.calls.media import InputGuard, load
from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, MissingDependency, ServiceError, Unsupported
from cloudai.types.custom import PredictRequest, PredictResult
from cloudai.types.media import Media, MediaKind
from cloudai.types.tensor import Tensor
from cloudai.types.vision import DetectLabelsRequest, DetectObjectsRequest
from cloudai_local.driver import LocalDriver
from cloudai_local.onnx import execution
from cloudai_local.onnx.manifest import Detect, Embed, ImageInput, Manifest, Output
from cloudai_local.onnx.session import run_bound
from cloudai_local.settings import LocalOptions, LocalSettings

CALL = Call(timeout=60)
FLOAT, INT64, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING

Shape = list[int | str]
Ports = Mapping[str, tuple[int, Shape]]


def write(models: Path, name: str, manifest: str, inputs: Ports, outputs: Ports, *nodes: onnx.NodeProto) -> None:
    folder = models / name
    folder.mkdir(parents=True)
    ports = [
        [helper.make_tensor_value_info(key, kind, shape) for key, (kind, shape) in side.items()]
        for side in (inputs, outputs)
    ]
    graph = helper.make_graph(list(nodes), name, *ports)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), folder / "model.onnx")
    (folder / "model.toml").write_text(manifest)


def adder(models: Path, manifest: str = 'task = "tensors"\n', name: str = "adder") -> None:
    """total = left + right, product = left * right, both [n, 2]."""
    sides: Ports = {"left": (FLOAT, ["n", 2]), "right": (FLOAT, ["n", 2])}
    results: Ports = {"total": (FLOAT, ["n", 2]), "product": (FLOAT, ["n", 2])}
    nodes = [helper.make_node(kind, ["left", "right"], [name]) for kind, name in (("Add", "total"), ("Mul", "product"))]
    write(models, name, manifest, sides, results, *nodes)


def flattener(models: Path, manifest: str, *, name: str = "flat", batch: int | str = "n", kind: int = FLOAT) -> None:
    """scores = the pixels of a 1 x 2 grey image."""
    write(
        models,
        name,
        manifest,
        {"pixels": (kind, [batch, 1, 1, 2])},
        {"scores": (kind, [batch, 2])},
        helper.make_node("Flatten", ["pixels"], ["scores"]),
    )


CLASSIFY = 'task = "classify"\nlabels = ["dark", "light"]\n[input]\nsize = [1, 2]\ncolor = "L"\n'


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def driver(models: Path, **settings: object) -> LocalDriver:
    return LocalDriver(LocalSettings.model_validate({"provider": "local", "models": models, **settings}), backend="x")


def pixels(*values: int) -> Media:
    file = io.BytesIO()
    Image.fromarray(np.array([values], dtype=np.uint8)).save(file, "PNG")
    return load(file.getvalue(), MediaKind.IMAGE, guard=InputGuard())


def floats(*rows: list[float]) -> Tensor:
    return Tensor(np.array(rows, dtype=np.float32))


def predict(models: Path, name: str, /, **request: object) -> PredictResult:
    return driver(models).predict(PredictRequest.model_validate({"model": name, **request}), CALL)


# --- tensors ----------------------------------------------------------------------------------------


def test_tensors_go_in_and_come_out_by_name(models: Path) -> None:
    adder(models)
    result = predict(models, "adder", tensors={"left": floats([1, 2]), "right": floats([3, 4])})
    assert {name: tensor.array.tolist() for name, tensor in result.outputs.items()} == {
        "total": [[4, 6]],
        "product": [[3, 8]],
    }
    assert (result.predictions, result.device, result.model) == ((), "cpu", "adder 1")


def test_only_the_outputs_asked_for_come_back(models: Path) -> None:
    adder(models)
    sides = {"left": floats([1, 2]), "right": floats([3, 4])}
    assert list(predict(models, "adder", tensors=sides, outputs=["product"]).outputs) == ["product"]
    with pytest.raises(InvalidInput, match=r"no output 'sum'; the model has total FP32\[-1, 2\], product"):
        predict(models, "adder", tensors=sides, outputs=["sum"])


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (np.zeros((1, 3), np.float32), r"input right: the model takes FP32\[-1, 2\], given was FP32\[1, 3\]"),
        (np.zeros((1, 2), np.float64), r"takes FP32\[-1, 2\], given was FP64\[1, 2\]"),
        (np.zeros((2,), np.float32), r"given was FP32\[2\]"),
        (np.zeros((1, 2), ">f4"), r"given was FP32\[1, 2\]"),
        (np.array([["a", "b"]]), r"given was BYTES\[1, 2\]"),
    ],
)
def test_nothing_is_cast_silently(models: Path, right: np.ndarray, words: str) -> None:
    adder(models)
    with pytest.raises(InvalidInput, match=words):
        predict(models, "adder", tensors={"left": floats([1, 2]), "right": Tensor(right)})


@pytest.mark.parametrize("names", [[], ["left"], ["left", "right", "more"], ["left", "wrong"]])
def test_inputs_must_be_those_of_the_graph(models: Path, names: list[str]) -> None:
    adder(models)
    with pytest.raises(InvalidInput, match=r"takes the inputs left FP32\[-1, 2\], right FP32\[-1, 2\]; given were: "):
        predict(models, "adder", tensors={name: floats([1, 2]) for name in names})


def test_lengths_that_the_graph_only_finds_out_by_running_are_the_callers_fault(models: Path) -> None:
    adder(models)
    here = driver(models)
    request = PredictRequest(model="adder", tensors={"left": floats([1, 2], [1, 2]), "right": floats(*[[1, 2]] * 3)})
    with pytest.raises(Exception, match="broadcast") as caught:
        here.predict(request, CALL)
    fault = here.classify(caught.value)
    assert fault is not None
    assert fault.code in (ErrorCode.INVALID_INPUT, ErrorCode.INTERNAL)


def test_text_goes_through(models: Path) -> None:
    write(
        models,
        "echo",
        'task = "tensors"\n',
        {"words": (TEXT, ["n"])},
        {"same": (TEXT, ["n"])},
        helper.make_node("Identity", ["words"], ["same"]),
    )
    for words in (np.array(["grüezi", ""], dtype=object), np.array(["grüezi", ""])):
        assert predict(models, "echo", tensors={"words": Tensor(words)}).outputs["same"].array.tolist() == [
            "grüezi",
            "",
        ]


def test_a_declared_signature_is_held_against_the_graph(models: Path) -> None:
    port = '[[tensors.input]]\nname = "{0}"\ndatatype = "{1}"\nshape = {2}\n'
    head = 'task = "tensors"\n'
    good = port.format("left", "FP32", "[3, 2]") + port.format("right", "FP32", "[-1, 2]")
    adder(models, head + good, name="good")
    adder(models, head + port.format("left", "FP32", "[-1, 2]"), name="one")
    adder(models, head + good.replace("FP32", "FP64", 1), name="type")
    adder(models, head + good.replace("[-1, 2]", "[-1, -1]"), name="open")
    with pytest.raises(InvalidInput, match=r"takes FP32\[3, 2\], given was FP32\[1, 2\]"):
        predict(models, "good", tensors={"left": floats([1, 2]), "right": floats([1, 2])})
    with pytest.raises(InvalidInput, match=r"declares the inputs left FP32\[-1, 2\]; the graph has left .* right"):
        predict(models, "one")
    with pytest.raises(InvalidInput, match=r"left FP64\[3, 2\]; the graph has left FP32\[-1, 2\]"):
        predict(models, "type")
    with pytest.raises(InvalidInput, match=r"right FP32\[-1, -1\]; the graph has right FP32\[-1, 2\]"):
        predict(models, "open")


def test_a_graph_of_sequences_is_refused(models: Path) -> None:
    folder = models / "list"
    folder.mkdir(parents=True)
    x = helper.make_tensor_value_info("x", FLOAT, [2])
    y = helper.make_tensor_sequence_value_info("y", FLOAT, None)
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["x"], ["y"])], "g", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    (folder / "model.toml").write_text('task = "tensors"\n')
    with pytest.raises(Unsupported, match=r"y is a seq\(tensor\(float\)\); only tensors"):
        predict(models, "list")


def test_raw_is_the_protocol_s_json(models: Path) -> None:
    adder(models)
    request = PredictRequest(model="adder", tensors={"left": floats([1, 2]), "right": floats([3, 4])})
    result = driver(models).predict(request, Call(timeout=5, raw=True))
    assert isinstance(result.raw, dict)
    assert result.raw["total"] == {"datatype": "FP32", "shape": [1, 2], "data": [4.0, 6.0]}


# --- embeddings and probabilities --------------------------------------------------------------------


def test_embeddings_have_length_one_unless_told_otherwise(models: Path) -> None:
    embed = 'task = "embed"\n[input]\nsize = [1, 2]\ncolor = "L"\nscale = 1.0\n'
    flattener(models, embed, name="unit")
    flattener(models, embed + "[embed]\nnormalize = false\n", name="plain")
    images = [pixels(3, 4), pixels(0, 0)]
    assert [row.embedding for row in predict(models, "unit", images=images).predictions] == [
        pytest.approx((0.6, 0.8)),
        (0.0, 0.0),
    ]
    assert predict(models, "plain", images=images).predictions[0].embedding == (3.0, 4.0)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("softmax", [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))]),
        ("sigmoid", [1 / (1 + math.exp(-1)), 0.5]),
        ("none", [1.0, 0.0]),
    ],
)
def test_activations_are_the_textbook_s(models: Path, activation: str, expected: list[float]) -> None:
    flattener(models, CLASSIFY + f'[output]\nactivation = "{activation}"\n')
    (row,) = predict(models, "flat", images=[pixels(255, 0)]).predictions
    assert [label.confidence for label in row.labels] == pytest.approx(expected)
    assert [label.name for label in row.labels] == ["dark", "light"]


def test_top_k_and_threshold_bound_the_labels(models: Path) -> None:
    flattener(models, CLASSIFY + "[output]\ntop_k = 1\n", name="top")
    flattener(models, CLASSIFY + "[output]\nthreshold = 0.5\n", name="sure")
    assert [label.name for label in predict(models, "top", images=[pixels(9, 200)]).predictions[0].labels] == ["light"]
    assert predict(models, "sure", images=[pixels(9, 20)]).predictions[0].labels == ()


def test_numbers_that_are_not_finite_are_the_model_s_fault(models: Path) -> None:
    flattener(models, CLASSIFY)
    with pytest.raises(ServiceError, match="not finite") as caught:
        predict(models, "flat", tensors={"pixels": Tensor(np.full((1, 1, 1, 2), np.nan, dtype=np.float32))})
    assert caught.value.code is ErrorCode.INTERNAL


def test_a_graph_that_divides_by_what_it_sees_is_served(models: Path) -> None:
    """The first run, on zeros, answers 0/0; that is no reason to refuse it."""
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("ReduceSum", ["flat"], ["sum"]),
        helper.make_node("Div", ["flat", "sum"], ["scores"]),
    ]
    write(models, "share", CLASSIFY, {"pixels": (FLOAT, ["n", 1, 1, 2])}, {"scores": (FLOAT, ["n", 2])}, *nodes)
    (row,) = predict(models, "share", images=[pixels(50, 150)]).predictions
    assert [(label.name, label.confidence) for label in row.labels] == [
        ("light", pytest.approx(0.75)),
        ("dark", pytest.approx(0.25)),
    ]


def test_a_graph_with_a_fixed_batch_takes_any_number_of_images(models: Path) -> None:
    flattener(models, CLASSIFY, batch=4)
    images = [pixels(value, 255 - value) for value in range(0, 250, 25)]
    result = predict(models, "flat", images=images, outputs=["scores"])
    assert [row.labels[0].name for row in result.predictions] == ["light"] * 6 + ["dark"] * 4
    assert result.outputs["scores"].shape == (10, 2)


def test_many_images_go_through_an_open_batch_in_parts(models: Path) -> None:
    flattener(models, CLASSIFY)
    images = [pixels(value, 255 - value) for value in range(40)]
    rows = predict(models, "flat", images=images).predictions
    assert [round((row.labels[0].confidence or 0) * 255) for row in rows] == [255 - value for value in range(40)]


def test_time_is_looked_at_between_parts(models: Path) -> None:
    flattener(models, CLASSIFY)
    request = PredictRequest(model="flat", images=(pixels(1, 2),) * 20)
    with pytest.raises(ServiceError, match="16 of 20 images") as caught:
        driver(models).predict(request, Call(timeout=0))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


# --- refused, with both sides shown -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (CLASSIFY.replace("[1, 2]", "[2, 2]"), r"makes images pixels FP32\[-1, 1, 2, 2\]; the graph takes pixels FP32"),
        (CLASSIFY.replace('"L"', '"RGB"'), r"FP32\[-1, 3, 1, 2\]; the graph takes pixels FP32\[-1, 1, 1, 2\]"),
        (CLASSIFY + 'dtype = "uint8"\n', r"images pixels UINT8\[.*; the graph takes pixels FP32"),
        (CLASSIFY + 'name = "image"\n', r"\[input\] name = 'image', but the graph has the inputs pixels FP32"),
        (CLASSIFY + '[output]\nname = "logits"\n', r"\[output\] name = 'logits', but the graph has the outputs scores"),
        (CLASSIFY.replace('"dark", ', ""), "names 1 labels; the graph answers 2 classes"),
    ],
)  # fmt: skip
def test_a_graph_that_is_not_what_the_manifest_says_is_refused_at_load(models: Path, manifest: str, words: str) -> None:
    flattener(models, manifest)
    with pytest.raises(InvalidInput, match=words):
        predict(models, "flat", images=[pixels(1, 2)])


def test_a_graph_that_needs_more_than_an_image_is_refused(models: Path) -> None:
    adder(models, CLASSIFY.replace("size", 'name = "left"\nsize'))
    with pytest.raises(InvalidInput, match=r'also needs right FP32\[-1, 2\]: serve it with task = "tensors"'):
        predict(models, "adder", images=[pixels(1, 2)])


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ('task = "tensors"\ncolour = 1\n', r"flat/model\.toml: colour: unknown key"),
        (CLASSIFY + "[output]\ntop = 3\n", r"output\.top: unknown key"),
        ('task = "classify"\n', r"needs \[input\]"),
        (CLASSIFY.replace("size = [1, 2]\n", ""), r"input\.size: is missing"),
        (CLASSIFY + 'resize = "squash"\n', r"input\.resize: Input should be 'stretch', 'shortest' or 'letterbox'"),
        (CLASSIFY + '[detect]\nlayout = "[N, A, 6]"\n', r"\[detect\] goes with task 'detect'"),
        ('task = "tensors"\n[input]\nsize = [1, 2]\n', r"takes no \[input\]"),
        ("task = \n", r"model\.toml: Invalid value"),
        (CLASSIFY + "[output]\nthreshold = 2\n", r"output\.threshold: .*less than or equal to 1"),
        (CLASSIFY.replace('["dark", "light"]', '"labels.txt"'), r"'labels\.txt' is not there"),
    ],
)
def test_a_wrong_manifest_names_file_and_key(models: Path, manifest: str, words: str) -> None:
    flattener(models, manifest)
    with pytest.raises(InvalidInput, match=words):
        predict(models, "flat", images=[pixels(1, 2)])


@pytest.mark.parametrize(("content", "words"), [(b"a\n\nb\n", "line 2 is empty"), (b"\xff\xfe", "not UTF-8")])
def test_a_wrong_label_file_names_the_place(models: Path, content: bytes, words: str) -> None:
    flattener(models, CLASSIFY.replace('["dark", "light"]', '"labels.txt"'))
    (models / "flat" / "labels.txt").write_bytes(content)
    with pytest.raises(InvalidInput, match=words):
        predict(models, "flat", images=[pixels(1, 2)])


def test_a_request_is_images_or_tensors(models: Path) -> None:
    flattener(models, CLASSIFY)
    adder(models)
    tensors = {"pixels": Tensor(np.zeros((1, 1, 1, 2), dtype=np.float32))}
    with pytest.raises(InvalidInput, match="not both"):
        predict(models, "flat", images=[pixels(1, 2)], tensors=tensors)
    with pytest.raises(InvalidInput, match="adder takes tensors"):
        predict(models, "adder", images=[pixels(1, 2)])


def test_an_unknown_model_or_version_is_not_found(models: Path) -> None:
    adder(models)
    for request in ({"model": "subtractor"}, {"model": "adder", "version": "2"}):
        with pytest.raises(InvalidInput, match="adder") as caught:
            driver(models).predict(PredictRequest.model_validate(request), CALL)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_folder_of_another_kind_is_not_a_custom_model(models: Path) -> None:
    (models / "whisper").mkdir(parents=True)
    (models / "whisper" / "model.toml").write_text('task = "transcribe"\n')
    with pytest.raises(InvalidInput, match="whisper is a model to transcribe"):
        predict(models, "whisper")


# --- serving the managed operations ------------------------------------------------------------------


def test_several_folders_need_a_choice(models: Path) -> None:
    flattener(models, CLASSIFY, name="one")
    flattener(models, CLASSIFY, name="two")
    request = DetectLabelsRequest(image=pixels(0, 255))
    with pytest.raises(InvalidInput, match=r'several models .*: one, two\. Set serve = \{"vision.detect_labels"'):
        driver(models).detect_labels(request, CALL)
    chosen = driver(models, serve={"vision.detect_labels": "two"})
    assert chosen.detect_labels(request, CALL).model == "two 1 (cpu)"
    named = Call(timeout=5, options=LocalOptions(model="one"))
    assert chosen.detect_labels(request, named).model == "one 1 (cpu)"
    assert chosen.detect_labels(request, CALL).model == "two 1 (cpu)"


def test_a_model_of_another_task_is_not_taken_even_when_it_is_open(models: Path) -> None:
    flattener(models, 'task = "embed"\n[input]\nsize = [1, 2]\ncolor = "L"\n')
    here = driver(models)
    here.predict(PredictRequest(model="flat", images=(pixels(1, 2),)), CALL)
    with pytest.raises(InvalidInput, match="needs a model with task = 'classify'; flat has 'embed'"):
        here.detect_labels(DetectLabelsRequest(image=pixels(1, 2)), Call(timeout=5, options=LocalOptions(model="flat")))


def test_an_engine_is_not_silently_ignored(models: Path) -> None:
    flattener(models, CLASSIFY)
    by_engine = Call(timeout=5, options=LocalOptions(engine="rapidocr"))
    by_model = Call(timeout=5, options=LocalOptions(model="other"))
    with pytest.raises(InvalidInput, match="served by a model folder, not by the engine 'rapidocr'"):
        driver(models).detect_labels(DetectLabelsRequest(image=pixels(1, 2)), by_engine)
    with pytest.raises(InvalidInput, match="another model than the call, 'flat'"):
        driver(models).predict(PredictRequest(model="flat", images=(pixels(1, 2),)), by_model)


def test_no_folder_says_how_to_get_one(models: Path) -> None:
    models.mkdir()
    with pytest.raises(MissingDependency, match="cloudai local models add PATH"):
        driver(models).detect_objects(DetectObjectsRequest(image=pixels(1, 2)), CALL)


# --- sessions ----------------------------------------------------------------------------------------


def test_many_threads_share_one_session_and_get_their_own_answers(models: Path) -> None:
    adder(models)
    here = driver(models)
    together = threading.Barrier(16)

    def ask(number: int) -> tuple[float, int]:
        together.wait()
        tensors = {"left": floats([number, 0]), "right": floats([number, 0])}
        total = here.predict(PredictRequest(model="adder", tensors=tensors), CALL).outputs["total"]
        return float(total.array[0, 0]), id(here.client["model:adder"])

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert [value for value, _ in answers] == [2.0 * number for number in range(16)]
    assert len({session for _, session in answers}) == 1


def test_the_client_is_the_session_itself(models: Path) -> None:
    adder(models)
    here = driver(models)
    assert "model:adder" not in here.client
    here.predict(PredictRequest(model="adder", tensors={"left": floats([1, 2]), "right": floats([3, 4])}), CALL)
    assert isinstance(here.client["model:adder"], onnxruntime.InferenceSession)
    here.close()
    assert "model:adder" not in here.client


@pytest.mark.parametrize("order", ["C", "F"])
def test_bound_inputs_and_outputs_are_the_plain_run_s(models: Path, order: str) -> None:
    """The path that is taken on a GPU, on the memory of the CPU."""
    adder(models)
    here = driver(models)
    sides = {name: np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32, order=order) for name in ("left", "right")}
    plain = here.predict(
        PredictRequest(model="adder", tensors={name: Tensor(array) for name, array in sides.items()}), CALL
    )
    bound = run_bound(here.client["model:adder"], ["product", "total"], sides, memory="cpu", number=0)
    assert [array.tolist() for array in bound] == [plain.outputs[name].array.tolist() for name in ("product", "total")]


def test_the_number_of_threads_is_passed_on(models: Path) -> None:
    adder(models)
    here = driver(models, threads=1)
    here.predict(PredictRequest(model="adder", tensors={"left": floats([1, 2]), "right": floats([3, 4])}), CALL)
    session = here.client["model:adder"]
    assert isinstance(session, onnxruntime.InferenceSession)
    assert session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("QNNExecutionProvider", Unsupported, "QNNExecutionProvider is not in the installed onnxruntime, which has"),
        ("MadeUpExecutionProvider", Unsupported, "MadeUpExecutionProvider is not in"),
    ],
)
def test_a_configured_execution_provider_that_is_not_there_is_an_error(
    models: Path, name: str, kind: type[Exception], words: str
) -> None:
    adder(models)
    with pytest.raises(kind, match=words):
        driver(models, execution_providers=[name, "CPUExecutionProvider"]).predict(PredictRequest(model="adder"), CALL)


def test_cuda_that_is_not_there_names_the_install_line() -> None:
    settings = LocalSettings(provider="local", execution_providers=("CUDAExecutionProvider",))
    with pytest.raises(MissingDependency, match=r"onnxruntime-gpu\[cuda,cudnn\]"):
        execution.wanted(settings, ["CPUExecutionProvider"])


def test_cuda_is_taken_when_it_is_there_and_nothing_is_configured() -> None:
    plain = LocalSettings(provider="local")
    assert execution.wanted(plain, ["CUDAExecutionProvider", "CPUExecutionProvider"])[0] == "CUDAExecutionProvider"
    assert execution.wanted(plain, ["AzureExecutionProvider", "CPUExecutionProvider"]) == ("CPUExecutionProvider",)


def test_a_provider_that_did_not_load_is_an_error_when_configured_and_a_notice_when_not() -> None:
    names, loaded = ("CUDAExecutionProvider", "CPUExecutionProvider"), ["CPUExecutionProvider"]
    notice = execution.not_loaded(LocalSettings(provider="local"), names, loaded)
    assert notice is not None
    assert notice.code == "fallback"
    assert notice.message.startswith("ran on cpu: CUDAExecutionProvider did not load")
    with pytest.raises(Unsupported, match="execution_providers: CUDAExecutionProvider did not load"):
        execution.not_loaded(LocalSettings(provider="local", execution_providers=names), names, loaded)
    assert execution.not_loaded(LocalSettings(provider="local"), names, list(names)) is None


def test_devices_have_neutral_names() -> None:
    options = {"CUDAExecutionProvider": {"device_id": "1"}}
    assert execution.device_of(["CUDAExecutionProvider", "CPUExecutionProvider"], options) == "cuda:1"
    assert execution.device_of(["CPUExecutionProvider"], {}) == "cpu"
    assert execution.device_of(["OpenVINOExecutionProvider"], {}) == "openvino"


# --- the document -------------------------------------------------------------------------------------

DOCUMENT = (Path(__file__).parents[2] / "docs" / "local-models.md").read_text(encoding="utf-8")
SECTIONS = {"Top": Manifest, "`[input]`": ImageInput, "`[output]`": Output, "`[detect]`": Detect, "`[embed]`": Embed}


@pytest.mark.parametrize("title", SECTIONS)
def test_the_document_has_every_key_of_the_manifest_and_no_other(title: str) -> None:
    part = DOCUMENT.partition(f"### {title}")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", part, re.MULTILINE)
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)} or set(re.findall(r"`(\w+) = ", part))
    nested = {"input", "output", "detect", "embed", "tensors", "serving"} if title == "Top" else set()
    assert told == set(SECTIONS[title].model_fields) - nested


def test_the_examples_in_the_document_are_manifests() -> None:
    graphs, _, _ = DOCUMENT.partition("## Speech, voices, translations, faces")
    examples = [block for block in re.findall(r"```toml\n(.*?)```", graphs, re.DOTALL) if block.startswith("task")]
    assert [Manifest.model_validate(tomllib.loads(block)).task for block in examples] == ["classify", "detect"]
