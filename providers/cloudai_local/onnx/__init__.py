"""The user's own ONNX models: a folder with `model.onnx` and `model.toml`, served by ONNX Runtime."""
