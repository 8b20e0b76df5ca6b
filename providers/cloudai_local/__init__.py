"""The `local` provider: ONNX models of the user's own, and well-kept engines for the managed operations."""
