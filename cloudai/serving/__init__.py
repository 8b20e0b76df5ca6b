"""The local endpoint: models over HTTP in the Open Inference Protocol v2, behind `cloudai serve MODEL_DIR`.

Nothing here knows what runs a model. A provider that can open model folders (`local`, with ONNX Runtime) implements the
small protocols of `engine.py` and has a method `open_models`; the command finds it in the registry by name, so that
`cloudai` imports no provider package, and another package's engine is served in the same way.

    engine.py     what an engine is: named ports, `run`; what a folder of models is
    tensors.py    one tensor: JSON and bytes, never cast
    protocol.py   one infer request and its answer, JSON with the binary tensor extension
    batching.py   requests that wait while the engine is busy run together
    trial.py      a first run, at load: rows independent? how much do larger batches gain?
    models.py     what is loaded, by name and version; hot reload
    metrics.py    what Prometheus reads
    guard.py      API key, names of this machine, limits of size
    inference.py  the hot path, a bare ASGI callable
    app.py        all other routes, Starlette
    openapi.py    the description and its page
    server.py     uvicorn, signals, drain
    asgi.py       the same for another ASGI server, such as Ray Serve
    sources.py    the provider that opens the folder
    client.py     the caller's side: tensors to a request's body and back, wherever the model is served

https://github.com/kserve/open-inference-protocol (read 2026-11-21); the binary extension is Triton's:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""
