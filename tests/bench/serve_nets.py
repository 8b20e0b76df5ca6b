"""The networks that `bench_serve.py` serves, with random weights: what they compute is nothing, how much is."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(0)


def write(folder: Path) -> None:
    """Perceptrons `small` (64-128-10), `digits` (784-512-512-10, as in Keras' MNIST example) and `wide` (three layers
    of 2,048); `resnet` (ResNet-18's shape, 1.8 G multiplications)."""
    perceptron(folder / "small", [64, 128, 10])
    perceptron(folder / "digits", [784, 512, 512, 10])
    perceptron(folder / "wide", [64, 2048, 2048, 2048, 10])
    resnet(folder / "resnet")


def _weight(name: str, *shape: int) -> onnx.TensorProto:
    fan = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
    return numpy_helper.from_array((RANDOM.normal(size=shape) * (1 / fan) ** 0.5).astype(np.float32), name)


def _save(folder: Path, nodes: list[onnx.NodeProto], weights: list, x: list, y: list) -> None:
    graph = helper.make_graph(
        nodes,
        folder.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *x])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *y])],
        weights,
    )
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    (folder / "model.toml").write_text('task = "tensors"\n')


def perceptron(folder: Path, widths: list[int]) -> None:
    """Fully connected layers with ReLU between them."""
    nodes, weights, value = [], [], "x"
    layers = list(itertools.pairwise(widths))
    for number, (before, after) in enumerate(layers):
        last = number == len(layers) - 1
        weights.append(_weight(f"w{number}", before, after))
        product = "y" if last else f"p{number}"
        nodes.append(helper.make_node("MatMul", [value, f"w{number}"], [product]))
        if not last:
            nodes.append(helper.make_node("Relu", [product], [value := f"a{number}"]))
    _save(folder, nodes, weights, [widths[0]], [widths[-1]])


class _Layers:
    """Convolutions in a row."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def conv(self, value: str, before: int, after: int, size: int, stride: int) -> str:
        name = f"c{len(self.nodes)}"
        self.weights.append(_weight(f"{name}w", after, before, size, size))
        pads = [size // 2] * 4
        self.nodes.append(
            helper.make_node(
                "Conv", [value, f"{name}w"], [name], strides=[stride] * 2, pads=pads, kernel_shape=[size] * 2
            )
        )
        return name

    def then(self, kind: str, *values: str, **settings: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(values), [name], **settings))
        return name


def resnet(folder: Path) -> None:
    """He et al., https://arxiv.org/abs/1512.03385, table 1, 18 layers; batch normalisation folded."""
    net = _Layers()
    value = net.then("Relu", net.conv("x", 3, 64, 7, 2))
    value = net.then("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for wide in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if wide != 64 and block == 0 else 1
            inner = net.then("Relu", net.conv(value, channels, wide, 3, stride))
            inner = net.conv(inner, wide, wide, 3, 1)
            short = net.conv(value, channels, wide, 1, stride) if stride == 2 else value
            value, channels = net.then("Relu", net.then("Add", inner, short)), wide
    value = net.then("Flatten", net.then("GlobalAveragePool", value))
    net.weights.append(_weight("head", 512, 1000))
    net.nodes.append(helper.make_node("MatMul", [value, "head"], ["y"]))
    _save(folder, net.nodes, net.weights, [3, 224, 224], [1000])
