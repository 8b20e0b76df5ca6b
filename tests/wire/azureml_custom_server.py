"""Azure Machine Learning on loopback over TLS, strict: for the tests of training jobs and endpoints.

Requests and answers are held to azure-ai-ml's own REST models, with their discriminators: an unknown member, a missing
one or a wrong type is a violation. It keeps jobs, environments, models, endpoints and deployments, works on operations
while it is looked at, has a run history with logs, and endpoints that answer on an address of their own. Blobs are the
emulator's of `azure_storage`, which also lists a container here.
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import loopback_http
import trustme
from azure.storage.blob._shared_access_signature import _BlobSharedAccessHelper
from azure_storage import ACCOUNT, ACCOUNT_KEY, CONTAINER, STORAGE_TOKEN, Asked, Refused, Storage
from azureml_models import faults

WORKSPACE = "/subscriptions/s-1/resourceGroups/group/providers/Microsoft.MachineLearningServices/workspaces/work"
TOKENS = {
    "https://management.azure.com/.default": "loopback.management.token",
    "https://ml.azure.com/.default": "loopback.history.token",
    "https://storage.azure.com/.default": STORAGE_TOKEN,
}
ENDPOINT_KEY = "endpoint-key-0123456789"
Json = dict[str, Any]


class MlBlobs(Storage):
    """With lists, for a token or a SAS of the whole container; pages are of two. Requests count as the workspace's."""

    owner: MlServer | None = None

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        ml = self.owner
        assert ml is not None
        with ml.lock:
            ml.arrived += 1
            number = ml.arrived
        if loopback_http.killed(ml.killing, number, "before"):
            raise Refused(503, "ServerBusy")
        try:
            return super().answer(asked)
        finally:
            loopback_http.killed(ml.killing, number, "after")

    def allowed(self, asked: Asked, name: str) -> None:
        signed = {key: value for key, value in asked.query.items() if key in ("sp", "se", "spr", "sv", "sr", "sig")}
        if signed.get("sr") != "c":
            return super().allowed(asked, name)
        helper = _BlobSharedAccessHelper()
        for key, value in signed.items():
            if key != "sig":
                helper._add_query(key, value)
        helper.add_resource_signature(ACCOUNT, ACCOUNT_KEY, CONTAINER)
        if helper.query_dict["sig"] != signed["sig"] or datetime.fromisoformat(signed["se"]) < datetime.now(UTC):
            raise Refused(403, "AuthenticationFailed")
        needed = {"GET": "l" if asked.query.get("comp") == "list" else "r", "PUT": "cw", "DELETE": "d"}[asked.method]
        if not set(needed) & set(signed["sp"]):
            raise Refused(403, "AuthorizationPermissionMismatch")
        return None

    def act(self, asked: Asked, name: str) -> tuple[int, bytes]:
        if asked.query.get("comp") != "list":
            return super().act(asked, name)
        assert (asked.method, asked.query["restype"], name) == ("GET", "container", CONTAINER)
        start = f"{CONTAINER}/"
        mine = sorted(each.removeprefix(start) for each in self.blobs if each.startswith(start + asked.query["prefix"]))
        first = int(asked.query.get("marker", "0"))
        following = str(first + 2) if first + 2 < len(mine) else ""
        blobs = "".join(
            f"<Blob><Name>{escape(each)}</Name><Properties><Content-Length>{len(self.blobs[start + each])}"
            "</Content-Length></Properties></Blob>"
            for each in mine[first : first + 2]
        )
        text = f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>{blobs}</Blobs>'
        return 200, f"{text}<NextMarker>{following}</NextMarker></EnumerationResults>".encode()


class Answered(Exception):
    """A refusal in the form of Azure's management."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


KINDS: Mapping[str, str] = {
    "jobs": "JobBase",
    "environments/versions": "EnvironmentVersion",
    "models/versions": "ModelVersion",
    "models": "ModelContainer",
    "onlineEndpoints": "OnlineEndpoint",
    "onlineEndpoints/deployments": "OnlineDeployment",
    "batchEndpoints": "BatchEndpoint",
    "batchEndpoints/deployments": "BatchDeployment",
    "codes/versions": "CodeVersion",
    "computes": "ComputeResource",
}
"""Collection -> its model."""
ACTIONS: Mapping[str, tuple[str, str]] = {
    "onlineEndpoints/deployments/getLogs": ("DeploymentLogsRequest", "DeploymentLogs"),
}
"""Action -> the models of its request and its answer."""


class MlServer:
    """`resources` by their path below the workspace; `violations` must be empty at the end."""

    def __init__(self, folder: Path) -> None:
        self.resources: dict[str, Json] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.violations: list[str] = []
        self.lose: list[str] = []
        """`PUT jobs` and the like, whose next answer is lost after the work was done."""
        self.drop: list[str] = []
        """... whose next request is lost before."""
        self.garble: list[str] = []
        """... whose next answer is a success that is no JSON."""
        self.refuse: dict[str, Answered] = {}
        self.operations: dict[str, Json] = {}
        self.looks = 0
        """How often an operation is looked at before it is done."""
        self.slow_machines = False
        self.runs: dict[str, Json] = {}
        self.prompt_history = False
        """The run history knows a job as soon as it is there."""
        self.logs: dict[str, bytes] = {}
        self.printed: dict[str, str] = {}
        """What a deployment's container printed, by its path."""
        self.credentials: Json = {"credentialsType": "AccountKey"}
        self.serve: Callable[[str, bytes, Mapping[str, str]], tuple[int, bytes, Mapping[str, str]]] | None = None
        self.batch: Callable[[str, bytes, Mapping[str, str]], tuple[int, Json]] | None = None
        """Answers requests to batch endpoints; status 0: the answer is lost."""
        self.count = 0
        self.killing: tuple[int, int, str] | None = None
        """Process, number of the request, `before` or `after` the work."""
        self.arrived = 0
        self.lock = threading.Lock()
        self.any_version = False
        """Of the API: azure-ai-ml asks for several."""
        self.blobs = MlBlobs()
        self.blobs.owner = self
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self.ca_file = folder / "ml-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._http = _Http(("127.0.0.1", 0), _Talk)
        self._http.ml = self
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://localhost:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self.blobs.close()

    def sent(self, method: str, collection: str) -> list[Any]:
        """Bodies."""
        return [body for verb, path, body in self.requests if verb == method and collection_of(path) == collection]

    # --- the workspace --------------------------------------------------------------------------------

    def do(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Json | None, Json]:
        if not path:
            place = {"location": "eastus", "properties": {"discoveryUrl": f"{self.url}/discovery"}, "name": "work"}
            return 200, {**place, "id": WORKSPACE}, {}
        if path == "datastores/workspaceblobstore":
            return 200, self.datastore(), {}
        if path == "datastores/workspaceblobstore/listSecrets" and method == "POST":
            return 200, {"secretsType": "AccountKey", "key": ACCOUNT_KEY}, {}
        collection, name = collection_of(path), path.rpartition("/")[2]
        if path.startswith("jobs/") and name == "cancel" and method == "POST":
            return self.cancel(path.removesuffix("/cancel"))
        if collection == "onlineEndpoints/listKeys" and method == "POST":
            self.one(path.removesuffix("/listKeys"))
            return 200, {"primaryKey": ENDPOINT_KEY, "secondaryKey": "other"}, {}
        if collection == "onlineEndpoints/deployments/getLogs" and method == "POST":
            lines = self.printed.get(path.removesuffix("/getLogs"), "").splitlines(keepends=True)
            return 200, {"content": "".join(lines[-body["tail"] :])}, {}
        if (method == "GET" and path in ("jobs", "onlineEndpoints", "batchEndpoints")) or collection.endswith("#"):
            return 200, self.page(path, query), {}
        if method == "GET":
            return 200, self.one(path), {}
        if method == "DELETE":
            return self.delete(path)
        return self.put(path, collection, body)

    def datastore(self) -> Json:
        known = {"datastoreType": "AzureBlob", "accountName": ACCOUNT, "containerName": CONTAINER}
        return {
            "name": "workspaceblobstore",
            "properties": {
                **known,
                "credentials": self.credentials,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "isDefault": True,
            },
        }

    def put(self, path: str, collection: str, body: Json) -> tuple[int, Json, Json]:
        there = self.resources.get(path)
        if collection == "jobs" and there is not None:
            raise Answered(409, "Conflict", f"a job of the name {path} exists")
        made = copy.deepcopy(body)
        self.count += 1
        properties = made["properties"]
        made |= {"id": f"{WORKSPACE}/{path}", "name": path.rpartition("/")[2]}
        made["systemData"] = dict.fromkeys(("createdAt", "lastModifiedAt"), f"2026-11-21T10:00:{self.count:02}Z")
        if collection == "jobs":
            properties |= {"status": "NotStarted"}
        else:
            properties |= {"provisioningState": "Succeeded"}
        more: Json = {}
        if collection == "models/versions":
            self.exists(properties["modelUri"])
            properties["flavors"] = {}
            container = path.rpartition("/versions")[0]
            name = container.rpartition("/")[2]
            self.resources.setdefault(container, {"id": f"{WORKSPACE}/{container}", "name": name, "properties": {}})
        if collection == "onlineEndpoints":
            self.check_endpoint(path, made)
            more = self.operation()
            properties["scoringUri"] = f"{self.url}/serving/{made['name']}/score".replace("/serving/", "/serving-")
        if collection == "onlineEndpoints/deployments":
            self.check_deployment(path, made)
            properties["provisioningState"] = "Creating" if self.slow_machines else "Succeeded"
            more = self.operation()
        self.resources[path] = made
        return (200 if there else 201), made, more

    def exists(self, uri: str) -> None:
        path = uri.partition("/paths/")[2]
        if not any(name.startswith(f"{CONTAINER}/{path}") for name in self.blobs.blobs):
            raise Answered(400, "UserError", f"nothing is at {uri}")

    def check_endpoint(self, path: str, made: Json) -> None:
        traffic = made["properties"].setdefault("traffic", {})
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", made["name"]) or made["properties"]["authMode"] != "Key":
            raise Answered(400, "BadArgument", "name or authMode")
        known = {each.rpartition("/")[2] for each in self.resources if each.startswith(f"{path}/deployments/")}
        if traffic and (sum(traffic.values()) not in (0, 100) or not set(traffic) <= known):
            raise Answered(400, "BadArgument", f"traffic {traffic} over {sorted(known)}")
        if made["location"] != "eastus":
            raise Answered(400, "BadArgument", "the endpoint is not where the workspace is")

    def check_deployment(self, path: str, made: Json) -> None:
        self.one(path.partition("/deployments/")[0])
        model = made["properties"]["model"].removeprefix(f"{WORKSPACE}/")
        if self.one(model)["properties"]["modelType"] != "triton_model":
            raise Answered(400, "BadArgument", "no Triton model")
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", made["name"]):
            raise Answered(400, "BadArgument", f"name {made['name']}")

    def delete(self, path: str) -> tuple[int, None, Json]:
        self.one(path)
        uses = [each["properties"].get("model") for each in self.resources.values()]
        if f"{WORKSPACE}/{path}" in uses:
            raise Answered(409, "Conflict", "the model is deployed")
        endpoint, _, deployment = path.partition("/deployments/")
        if deployment and self.one(endpoint)["properties"].get("traffic", {}).get(deployment):
            raise Answered(400, "BadRequest", "the deployment has traffic")
        for each in [each for each in self.resources if each == path or each.startswith(f"{path}/")]:
            del self.resources[each]
        return (200, None, {}) if collection_of(path) == "models/versions" else (202, None, self.operation())

    def cancel(self, path: str) -> tuple[int, None, Json]:
        job = self.one(path)["properties"]
        if job["status"] in ("Completed", "Failed", "Canceled"):
            raise Answered(400, "UserError", f"the job is {job['status']}")
        job["status"] = "Canceled"
        return 200, None, {}

    def one(self, path: str) -> Json:
        if path not in self.resources:
            raise Answered(404, "ResourceNotFound", f"{path} is not there")
        return self.resources[path]

    def page(self, path: str, query: Mapping[str, str]) -> Json:
        depth = path.count("/") + 1
        mine = [each for key, each in self.resources.items() if key.startswith(f"{path}/") and key.count("/") == depth]
        first = int(query.get("$skip", "0"))
        more = {"nextLink": f"{self.url}{WORKSPACE}/{path}?api-version=2024-10-01&%24skip={first + 2}"}
        return {"value": mine[first : first + 2], **(more if first + 2 < len(mine) else {})}

    def operation(self) -> Json:
        name = f"op-{len(self.operations)}"
        self.operations[name] = {"looks": self.looks}
        return {"Azure-AsyncOperation": f"{self.url}/operations/{name}"}

    def look(self, name: str) -> Json:
        operation = self.operations[name]
        operation["looks"] -= 1
        if operation["looks"] >= 0:
            return {"status": "InProgress"}
        wrong = operation.get("error")
        return {"status": "Failed", "error": wrong} if wrong else {"status": "Succeeded"}


def collection_of(path: str) -> str:
    """`onlineEndpoints/NAME/deployments/NAME` -> `onlineEndpoints/deployments`; a list ends with `#`."""
    parts = path.split("/")
    return "/".join(parts[::2]) + (
        "#" if len(parts) % 2 and len(parts) > 1 and parts[-1] in ("deployments", "versions") else ""
    )


class _Http(loopback_http.Server):
    ml: MlServer


class _Talk(loopback_http.Talk):
    server: _Http

    def answer(self) -> None:
        ml, url = self.server.ml, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        ml.arrived += 1
        if loopback_http.killed(ml.killing, ml.arrived, "before"):
            return self.reset()
        path, query = unquote(url.path), dict(parse_qsl(url.query))
        if path == "/discovery":
            return self._send(200, {"api": ml.url, "history": ml.url})
        if path.startswith("/logs/"):
            return self._log(path, query)
        if path.startswith("/batch-"):
            return self._batch(path, raw)
        if path.startswith(("/serving-", "/v2/")):
            return self._served(path, raw)
        if path.startswith(f"/history/v1.0{WORKSPACE}/runs/"):
            return self._history(path)
        if self.headers.get("Authorization") != f"Bearer {TOKENS['https://management.azure.com/.default']}":
            return self._error(Answered(401, "InvalidAuthenticationToken", "no token for management"))
        if path.startswith("/operations/"):
            return self._send(200, ml.look(path.rpartition("/")[2]))
        if not path.startswith(WORKSPACE) or not (ml.any_version or query.get("api-version") == "2024-10-01"):
            ml.violations.append(f"{self.command} {self.path}")
            return self._error(Answered(404, "NotFound", path))
        return self._resource(path.removeprefix(WORKSPACE).lstrip("/"), query, json.loads(raw) if raw else None)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

    def _resource(self, path: str, query: Mapping[str, str], body: Any) -> None:
        ml, collection = self.server.ml, collection_of(path)
        ml.requests.append((self.command, path, body))
        step = f"{self.command} {collection}"
        if step in ml.drop:
            ml.drop.remove(step)
            return self.reset()
        if body is not None:
            wrong = faults(ACTIONS[collection][0] if collection in ACTIONS else KINDS[collection], body)
            if wrong:
                ml.violations.append(f"{step}: {'; '.join(wrong)}")
                return self._error(Answered(400, "BadRequest", "; ".join(wrong)))
        try:
            if step in ml.refuse:
                raise ml.refuse.pop(step)
            with ml.lock:
                status, made, headers = copy.deepcopy(ml.do(self.command, path, query, body))
        except Answered as error:
            return self._error(error)
        if step in ml.lose:
            ml.lose.remove(step)
            return self.reset()
        if step in ml.garble:
            ml.garble.remove(step)
            return self._bytes(status, b"<html>", {"Content-Type": "text/html"})
        described = ACTIONS[collection][1] if collection in ACTIONS else KINDS.get(collection)
        if made is not None and described is not None and "value" not in made:
            wrong = faults(described, made)
            if wrong:
                ml.violations.append(f"answer of {step}: {'; '.join(wrong)}")
        return self._send(status, made, headers)

    def _history(self, path: str) -> None:
        ml, name = self.server.ml, path.split("/")[-2]
        if self.headers.get("Authorization") != f"Bearer {TOKENS['https://ml.azure.com/.default']}":
            return self._error(Answered(401, "Unauthorized", "no token for the run history"))
        if ml.prompt_history and f"jobs/{name}" in ml.resources:
            ml.runs.setdefault(name, {"runId": name, "status": "NotStarted", "logFiles": {}})
        if name not in ml.runs:
            return self._error(Answered(404, "UserError", f"run {name} is not there"))
        wrong = faults("RunDetails", ml.runs[name])
        if wrong:
            ml.violations.append(f"run details: {'; '.join(wrong)}")
        return self._send(200, ml.runs[name])

    def _log(self, path: str, query: Mapping[str, str]) -> None:
        """An append blob by its signed address, with ranges: https://learn.microsoft.com/rest/api/storageservices/get-blob"""
        ml = self.server.ml
        if "sig" not in query or self.headers.get("Authorization"):
            ml.violations.append(f"a log is asked as {self.path}")
        content = ml.logs[path.removeprefix("/logs/")]
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        assert found is not None
        start, end = int(found[1]), int(found[2])
        if start >= len(content):
            return self._send(416, None)
        return self._bytes(206, content[start : end + 1], {"Content-Range": f"bytes {start}-/{len(content)}"})

    def _batch(self, path: str, raw: bytes) -> None:
        """The scoring address of a batch endpoint: `azureml_batch_server`."""
        ml = self.server.ml
        assert ml.batch is not None
        status, made = ml.batch(path, raw, {k.lower(): v for k, v in self.headers.items()})
        return self.reset() if status == 0 else self._send(status, made)

    def _served(self, path: str, raw: bytes) -> None:
        ml = self.server.ml
        if self.headers.get("Authorization") != f"Bearer {ENDPOINT_KEY}":
            return self._bytes(401, b"", {})
        assert ml.serve is not None
        status, content, headers = ml.serve(path, raw, {k.lower(): v for k, v in self.headers.items()})
        return self._bytes(status, content, headers)

    def _error(self, error: Answered) -> None:
        self._send(error.status, {"error": {"code": error.code, "message": str(error)}})

    def _send(self, status: int, body: Json | None, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self._bytes(status, content, {"Content-Type": "application/json", **(headers or {})})

    def _bytes(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        if loopback_http.killed(self.server.ml.killing, self.server.ml.arrived, "after"):
            self.reset()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


S = TypeVar("S", bound=MlServer)


@contextmanager
def closing(server: S) -> Iterator[S]:
    """Violations are a failure at the end."""
    try:
        yield server
    finally:
        server.close()
    assert server.violations == [], server.violations
    assert server.blobs.violations == []


@contextmanager
def ml_server(folder: Path) -> Iterator[MlServer]:
    """The workspace for a block."""
    with closing(MlServer(folder)) as server:
        yield server
