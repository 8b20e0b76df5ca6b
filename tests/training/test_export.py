"""Models as ONNX folders: the same answers, an open batch, a manifest, and nothing of the machine that made them."""

import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cloudai import Client
from cloudai.training import Exported, ExportError, export_onnx
from cloudai.training.export_strip import places_in


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
        self.head = torch.nn.Linear(4 * 36, 3)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.dropout(self.features(image)))
        return found


@pytest.fixture(scope="module")
def torch_export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Net, Exported]:
    torch.manual_seed(0)
    net = Net().train()  # dropout must not be in the graph
    folder = tmp_path_factory.mktemp("models") / "net"
    done = export_onnx(
        net, folder, example=torch.rand(4, 1, 8, 8), inputs=("image",), outputs=("logits",), task="classify",
        labels=("a", "b", "c"), image={"size": [8, 8], "color": "L"}, output={"activation": "softmax"},
    )  # fmt: skip
    assert net.training
    return net, done


def test_a_torch_model_becomes_a_checked_folder_with_an_open_batch(torch_export: tuple[Net, Exported]) -> None:
    net, done = torch_export
    assert done.max_difference < 1e-5
    assert (done.inputs, done.outputs, done.opset) == (("image",), ("logits",), 18)
    model = onnx.load(done.folder / "model.onnx")
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    shape = model.graph.input[0].type.tensor_type.shape
    assert [dim.dim_value or dim.dim_param for dim in shape.dim] == ["batch", 1, 8, 8]
    assert tomllib.loads((done.folder / "model.toml").read_text())["labels"] == "labels.txt"
    config = done.folder.parent / "cloudai.toml"
    config.write_text('[backends.here]\nprovider = "local"\nmodels = "."\n[routes]\n"*" = "here"\n')
    image = np.random.default_rng(0).random((7, 1, 8, 8), dtype=np.float32)
    with Client(config) as client:
        answer = client.custom.predict("net", tensors={"image": image})
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(answer.outputs["logits"].array, expected, atol=1e-5)
    assert len(answer.predictions) == 7


def test_nothing_of_the_exporting_machine_is_in_the_file(torch_export: tuple[Net, Exported]) -> None:
    data = (torch_export[1].folder / "model.onnx").read_bytes()
    assert places_in(data) == []
    assert b"site-packages" not in data
    assert b"stack_trace" not in data
    assert b"test_export" not in data
    model = onnx.load_from_string(data)
    assert not model.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_the_same_model_is_the_same_file(torch_export: tuple[Net, Exported], tmp_path: Path) -> None:
    net, done = torch_export
    again = export_onnx(net, tmp_path, example=torch.rand(4, 1, 8, 8), inputs=("image",), outputs=("logits",))
    assert again.sha256 == done.sha256


def test_a_graph_that_differs_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    class Random(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.rand_like(x)

    with pytest.raises(ExportError, match=r"more than the tolerance of 0\.0001"):
        export_onnx(Random(), tmp_path / "m", example=torch.rand(2, 3))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_a_scikit_learn_classifier_answers_labels_and_probabilities(kind: str, tmp_path: Path) -> None:
    rows, classes = load_iris(return_X_y=True)
    model = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(10, random_state=0),
    }[kind].fit(rows.astype(np.float32), classes)
    done = export_onnx(model, tmp_path / kind, example=rows[:5], inputs=("rows",))
    assert done.max_difference < 1e-5
    written = tomllib.loads((tmp_path / kind / "model.toml").read_text())
    assert written["task"] == "tensors"
    assert written["tensors"]["input"] == [{"name": "rows", "datatype": "FP32", "shape": [-1, 4]}]
    assert [output["datatype"] for output in written["tensors"]["output"]] == ["INT64", "FP32"]


def test_a_scikit_learn_regression_is_exported_too(tmp_path: Path) -> None:
    rows, target = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(rows, target)
    done = export_onnx(model, tmp_path, example=rows[:5], tolerance=1e-2)
    assert done.outputs == ("variable",)
    assert done.max_difference < 1e-3
    with pytest.raises(ExportError):
        export_onnx(model, tmp_path / "strict", example=rows[:5], tolerance=1e-12)
