"""The description of the routes in OpenAPI 3.1, and a page that shows it without loading anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from cloudai.types.tensor import DATATYPES

_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {
            "enum": [*DATATYPES.values(), "BYTES"],
        },
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "data": {"type": "array", "description": "row-major, flat or nested; without it binary_data_size"},
        "parameters": {"type": "object", "properties": {"binary_data_size": {"type": "integer", "minimum": 0}}},
    },
}
_SCHEMAS: Mapping[str, object] = {
    "Tensor": _TENSOR,
    "InferRequest": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {
                "type": "object",
                "properties": {
                    "binary_data_output": {"type": "boolean"},
                    "timeout": {"type": "integer", "minimum": 0, "description": "microseconds in the queue"},
                },
            },
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
                    },
                },
            },
        },
    },
    "InferResponse": {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
        },
    },
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
}

_INFER = (
    "One request. JSON, or JSON followed by raw tensors with the header Inference-Header-Content-Length; "
    "binary_data_output or an output's binary_data asks for raw tensors in the answer."
)
_ROUTES: Sequence[tuple[str, str, str]] = (
    ("get", "/v2/health/live", "The process answers. Needs no key."),
    ("get", "/v2/health/ready", "Models are loaded and the server is not being stopped. Needs no key."),
    ("get", "/v2", "Name, version and extensions of the server."),
    ("get", "/v2/models/{model}", "Versions, inputs and outputs of a model."),
    ("get", "/v2/models/{model}/versions/{version}", "The same of one version."),
    ("get", "/v2/models/{model}/ready", "Whether a model answers."),
    ("get", "/v2/models/{model}/versions/{version}/ready", "The same of one version."),
    ("post", "/v2/models/{model}/infer", _INFER),
    ("post", "/v2/models/{model}/versions/{version}/infer", "The same with one version."),
    ("post", "/v2/repository/index", "All models of the folder, those too that can't be loaded, with the reason."),
    ("post", "/v2/repository/models/{model}/load", "Look at a model's folder now."),
    ("post", "/v2/repository/models/{model}/unload", "Let go of a model until it is loaded again."),
    ("get", "/metrics", "For Prometheus."),
)


def document() -> dict[str, object]:
    """The OpenAPI document."""
    from cloudai import __version__

    paths: dict[str, dict[str, object]] = {}
    for method, path, text in _ROUTES:
        paths.setdefault(path, {})[method] = _operation(path, text)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cloudai serve: Open Inference Protocol v2", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        "security": [{"bearer": []}, {"key": []}, {}],
    }


def _operation(path: str, text: str) -> dict[str, object]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    answer: dict[str, object] = {"description": "fine"}
    operation: dict[str, object] = {
        "summary": text,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {"200": answer, "default": {"description": "an error", "content": _json("Error")}},
    }
    if path.endswith("/infer"):
        operation["requestBody"] = {"required": True, "content": {**_json("InferRequest"), **_BYTES}}
        answer["content"] = {**_json("InferResponse"), **_BYTES}
    return operation


_BYTES: Mapping[str, object] = {"application/octet-stream": {}}


def _json(name: str) -> dict[str, object]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def page() -> str:
    """HTML."""
    rows = "\n".join(
        f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code></td><td>{escape(text)}</td></tr>"
        for method, path, text in _ROUTES
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>cloudai serve</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem }}
td, th {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee }} a {{ color: #8cf }} }}</style>
<h1>Open Inference Protocol v2</h1>
<p>Served by <code>cloudai serve</code>. The whole description: <a href="/openapi.json">openapi.json</a>.</p>
<table><tr><th>Method</th><th>Path</th><th>What</th></tr>
{rows}
</table></html>
"""
