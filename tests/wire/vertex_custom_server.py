"""Vertex AI, Cloud Storage and Cloud Logging on loopback, strict: for the tests of custom jobs and endpoints.

Requests and answers are held to Google's discovery documents (aiplatform.v1, logging.v2); objects to the JSON API's
pages. It keeps what it is sent: jobs, endpoints, models, objects. What it can't know it refuses, with the status that
`google.rpc.Code` has for it. An answer can be lost after the work was done (`lose`), or before (`drop`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gcp_server import EMAIL, PROJECT, _pem
from vertex_custom_http import Http, Talk
from vertex_description import PAGE, PARENT, Json, Refused, find, missing

__all__ = ["PARENT", "Refused", "VertexServer", "find", "vertex_server"]


class VertexServer:
    """`jobs`, `endpoints`, `models`, `objects` are what tests look at; `violations` must be empty at the end."""

    def __init__(self) -> None:
        self.jobs: dict[str, Json] = {}
        self.endpoints: dict[str, Json] = {}
        self.models: dict[str, Json] = {}
        self.batches: dict[str, Json] = {}
        self.operations: dict[str, Json] = {}
        self.objects: dict[str, bytes] = {}
        self.log: list[Json] = []
        self.requests: list[tuple[str, Any]] = []
        self.violations: list[str] = []
        self.lose: list[str] = []
        """Methods whose next answer is lost after the work was done."""
        self.drop: list[str] = []
        """Methods whose next request is lost before any work."""
        self.refuse: dict[str, Refused] = {}
        self.slow_operations = 0
        """How often an operation is looked at before it is done."""
        self.looks: dict[str, int] = {}
        self.effects: dict[str, Callable[[], None]] = {}
        self.failing: Json = {}
        """The `google.rpc.Status` that operations end with."""
        self.serve: Callable[[bytes, str], tuple[bytes, str]] | None = None
        self.worker: Callable[[VertexServer, str], None] | None = None
        """Does a batch prediction as soon as it is created."""
        self.killing: tuple[int, int, str] | None = None
        """Process, number of the request, `before` or `after` the work."""
        self.arrived = 0
        self.behind = ""
        """The address of a server that answers for all other services, for the conformance kit."""
        self.lock = threading.Lock()
        self.count = 0
        self._http = Http(("127.0.0.1", 0), Talk)
        self._http.vertex = self
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def account(self, folder: Path) -> Path:
        path = folder / "service-account.json"
        known = {"type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": _pem()[0]}
        path.write_text(
            json.dumps({**known, "client_email": EMAIL, "client_id": "1", "token_uri": f"{self.url}/token"})
        )
        return path

    def asked(self, method: str) -> list[Any]:
        """Bodies of the requests for a method."""
        return [body for name, body in self.requests if name == method]

    # --- what each method does ------------------------------------------------------------------------

    def do(self, method: str, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        short = method.rpartition("locations.")[2] or method
        handler = getattr(self, "_" + re.sub(r"\W", "_", short), None)
        if handler is None:
            raise Refused(501, "UNIMPLEMENTED", method)
        made: Json = handler(name, query, body)
        return made

    def _customJobs_create(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:  # noqa: N802
        spec = body["jobSpec"]
        if not spec["workerPoolSpecs"] or "containerSpec" not in spec["workerPoolSpecs"][0]:
            raise Refused(400, "INVALID_ARGUMENT", "a worker pool needs a container or a package")
        for pool in spec["workerPoolSpecs"]:
            if pool["machineSpec"].get("acceleratorCount") and "acceleratorType" not in pool["machineSpec"]:
                raise Refused(400, "INVALID_ARGUMENT", "accelerator_type is missing")
        return self._kept(self.jobs, name["parent"], "customJobs", body, state="JOB_STATE_PENDING")

    def _customJobs_list(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:  # noqa: N802
        return self._page(self.jobs, "customJobs", query)

    def _customJobs_get(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:  # noqa: N802
        return self._one(self.jobs, name["name"])

    def _customJobs_cancel(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:  # noqa: N802
        return self._cancelled(self._one(self.jobs, name["name"]))

    def _batchPredictionJobs_create(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:  # noqa: N802
        if len({"model", "unmanagedContainerModel"} & set(body)) != 1:
            raise Refused(400, "INVALID_ARGUMENT", "exactly one of model and unmanaged_container_model")
        formats = body["inputConfig"]["instancesFormat"], body["outputConfig"]["predictionsFormat"]
        if formats != ("jsonl", "jsonl"):
            raise Refused(400, "INVALID_ARGUMENT", f"formats {formats}")
        prefix = body["unmanagedContainerModel"]["artifactUri"].rstrip("/") + "/"
        if not any(uri.startswith(prefix) for uri in self.objects):
            raise Refused(400, "INVALID_ARGUMENT", f"nothing is at {prefix}")
        job = self._kept(self.batches, name["parent"], "batchPredictionJobs", body, state="JOB_STATE_PENDING")
        told = _told(job)
        if self.worker is not None:
            self.worker(self, job["name"])
        return told

    def _batchPredictionJobs_list(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:  # noqa: N802
        page = self._page(self.batches, "batchPredictionJobs", query)
        return {**page, "batchPredictionJobs": [_told(job) for job in page.get("batchPredictionJobs", [])]}

    def _batchPredictionJobs_get(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:  # noqa: N802
        return _told(self._one(self.batches, name["name"]))

    def _batchPredictionJobs_cancel(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:  # noqa: N802
        return self._cancelled(self._one(self.batches, name["name"]))

    @staticmethod
    def _cancelled(job: Json) -> Json:
        if job["state"] in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            raise Refused(400, "FAILED_PRECONDITION", f"the job is {job['state']}")
        job["state"] = "JOB_STATE_CANCELLED"
        job["endTime"] = "2026-11-21T10:10:00Z"
        return {}

    def _endpoints_create(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:
        made = self._kept(self.endpoints, name["parent"], "endpoints", body, own=query.get("endpointId", ""))
        return self._operation(made["name"], "CreateEndpoint")

    def _endpoints_get(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        return self._one(self.endpoints, name["name"])

    def _endpoints_list(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        return self._page(self.endpoints, "endpoints", query)

    def _endpoints_patch(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:
        if query.get("updateMask") != "trafficSplit":
            raise Refused(400, "INVALID_ARGUMENT", f"mask {query.get('updateMask')}")
        endpoint = self._one(self.endpoints, name["name"])
        self._check_split(body.get("trafficSplit", {}), {each["id"] for each in endpoint.get("deployedModels", [])})
        endpoint["trafficSplit"] = body["trafficSplit"]
        return endpoint

    def _endpoints_delete(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        endpoint = self._one(self.endpoints, name["name"])
        if endpoint.get("deployedModels"):
            raise Refused(400, "FAILED_PRECONDITION", "the endpoint has deployed models")
        del self.endpoints[name["name"]]
        return self._operation(name["name"], "Delete")

    def _endpoints_deployModel(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:  # noqa: N802
        endpoint, deployed = self._one(self.endpoints, name["endpoint"]), body["deployedModel"]
        self._one(self.models, deployed["model"])
        there = {each["id"] for each in endpoint.get("deployedModels", [])}
        if not re.fullmatch(r"[0-9]{1,10}", deployed["id"]) or deployed["id"] in there:
            raise Refused(400, "INVALID_ARGUMENT", f"id {deployed['id']}")
        resources = deployed["dedicatedResources"]
        if resources["minReplicaCount"] < 1 or resources["maxReplicaCount"] < resources["minReplicaCount"]:
            raise Refused(400, "INVALID_ARGUMENT", "replicas")
        self._check_split(body["trafficSplit"], there | {"0"})

        def stands() -> None:
            endpoint["deployedModels"] = [*endpoint.get("deployedModels", []), deployed]
            endpoint["trafficSplit"] = {deployed["id"] if k == "0" else k: v for k, v in body["trafficSplit"].items()}

        return self._operation(name["endpoint"], "DeployModel", stands)

    def _endpoints_undeployModel(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:  # noqa: N802
        endpoint, gone = self._one(self.endpoints, name["endpoint"]), body["deployedModelId"]
        rest = [each for each in endpoint["deployedModels"] if each["id"] != gone]
        split = body.get("trafficSplit", {})
        if split:
            self._check_split(split, {each["id"] for each in rest})
            endpoint["trafficSplit"] = split
        elif rest and endpoint.get("trafficSplit", {}).get(gone):
            raise Refused(400, "FAILED_PRECONDITION", "the traffic of the model has nowhere to go")
        endpoint["deployedModels"] = rest
        endpoint["trafficSplit"] = {key: value for key, value in endpoint["trafficSplit"].items() if key != gone}
        return self._operation(name["endpoint"], "UndeployModel")

    def _models_upload(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:
        prefix = body["model"]["artifactUri"].rstrip("/") + "/"
        if not any(uri.startswith(prefix) for uri in self.objects):
            raise Refused(400, "INVALID_ARGUMENT", f"nothing is at {prefix}")
        made = self._kept(self.models, name["parent"], "models", body["model"], own=body.get("modelId", ""))
        return self._operation(made["name"], "UploadModel")

    def _models_get(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        return self._one(self.models, name["name"])

    def _models_list(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        return self._page(self.models, "models", query)

    def _models_delete(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        used = [each["model"] for endpoint in self.endpoints.values() for each in endpoint.get("deployedModels", [])]
        if name["name"] in used:
            raise Refused(400, "FAILED_PRECONDITION", "the model is deployed")
        self._one(self.models, name["name"])
        del self.models[name["name"]]
        return self._operation(name["name"], "Delete")

    def _endpoints_operations_get(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        self._one(self.operations, name["name"])
        return self._looked_at(name["name"])

    _models_operations_get = _endpoints_operations_get

    def _endpoints_operations_list(self, name: Mapping[str, str], query: Mapping[str, str], body: Any) -> Json:
        mine = [key for key in self.operations if key.startswith(name["name"] + "/")]
        return {"operations": [self._looked_at(key) for key in mine]}

    def _looked_at(self, name: str) -> Json:
        """An operation; what it is for is done when it was looked at often enough, unless it fails (`failing`)."""
        operation = self.operations[name]
        self.looks[name] -= 1
        if self.looks[name] <= 0 and not operation.get("done"):
            operation["done"] = True
            effect = self.effects.pop(name)
            if self.failing:
                operation["error"] = self.failing
            else:
                effect()
        return dict(operation)

    def _logging_entries_list(self, name: Mapping[str, str], query: Mapping[str, str], body: Json) -> Json:
        if body["resourceNames"] != [f"projects/{PROJECT}"] or body["orderBy"] != "timestamp asc":
            raise Refused(400, "INVALID_ARGUMENT", "resourceNames or orderBy")
        found = re.fullmatch(
            r'resource\.type="ml_job" AND resource\.labels\.job_id="(\d+)"(?: AND timestamp>="([^"]+)")?',
            body["filter"],
        )
        if found is None:
            raise Refused(400, "INVALID_ARGUMENT", f"filter {body['filter']}")
        mine = [
            e for e in self.log if e["resource"]["labels"]["job_id"] == found[1] and e["timestamp"] >= (found[2] or "")
        ]
        start = int(body.get("pageToken", "0"))
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(mine) else {}
        return {"entries": mine[start : start + PAGE], **more}

    # --- keeping --------------------------------------------------------------------------------------

    def _kept(
        self, shelf: dict[str, Json], parent: str, collection: str, body: Json, *, own: str = "", **more: Any
    ) -> Json:
        with self.lock:
            self.count += 1
            if parent != PARENT:
                raise missing(parent)
            if own and not re.fullmatch(r"[a-z][a-z0-9_-]{0,61}[a-z0-9]", own):
                raise Refused(400, "INVALID_ARGUMENT", f"id {own}")
            for key, value in body.get("labels", {}).items():
                if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                    raise Refused(400, "INVALID_ARGUMENT", f"label {key}={value}")
            name = f"{parent}/{collection}/{own or self.count}"
            if name in shelf:
                raise Refused(409, "ALREADY_EXISTS", f"{name} exists")
            shelf[name] = {**body, "name": name, "createTime": f"2026-11-21T10:00:{self.count:02}.123456789Z", **more}
            return shelf[name]

    def _one(self, shelf: dict[str, Json], name: str) -> Json:
        if name not in shelf:
            raise missing(name)
        return shelf[name]

    def _page(self, shelf: dict[str, Json], collection: str, query: Mapping[str, str]) -> Json:
        asked = query.get("filter", "")
        found = re.fullmatch(r"labels\.([a-z-]+)(?:=([a-z0-9_-]+)|:\*)", asked)
        if asked and found is None:
            raise Refused(400, "INVALID_ARGUMENT", f"filter {asked}")
        mine = [
            each
            for each in shelf.values()
            if found is None or (found[1] in each["labels"] and found[2] in (None, each["labels"][found[1]]))
        ]
        start = int(query.get("pageToken") or "0")
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(mine) else {}
        return {**({collection: mine[start : start + PAGE]} if mine else {}), **more}

    def _operation(self, of: str, kind: str, effect: Callable[[], None] = lambda: None) -> Json:
        """One that is done at once, or after `slow_operations` looks."""
        with self.lock:
            self.count += 1
            name = f"{of}/operations/{self.count}"
            told = {
                "@type": f"type.googleapis.com/google.cloud.aiplatform.v1.{kind}OperationMetadata",
                "genericMetadata": {"createTime": f"2026-11-21T10:01:{self.count:02}.123456789Z"},
            }
            self.operations[name] = {"name": name, "metadata": told}
            self.looks[name], self.effects[name] = self.slow_operations + 1, effect
        if not self.slow_operations:
            return self._looked_at(name)
        self.looks[name] -= 1
        return dict(self.operations[name])

    @staticmethod
    def _check_split(split: Mapping[str, int], known: set[str]) -> None:
        if sum(split.values()) != 100 or not set(split) <= known:
            raise Refused(400, "INVALID_ARGUMENT", f"traffic {split} over {sorted(known)}")


def _told(job: Json) -> Json:
    """A batch prediction job as it is given: its container is "Input only"."""
    model = {name: value for name, value in job["unmanagedContainerModel"].items() if name != "containerSpec"}
    return {**job, "unmanagedContainerModel": model}


@contextmanager
def vertex_server() -> Iterator[VertexServer]:
    """Violations are a failure at the end."""
    server = VertexServer()
    try:
        yield server
    finally:
        server.close()
    assert server.violations == [], server.violations
