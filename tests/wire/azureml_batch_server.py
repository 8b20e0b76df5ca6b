"""Batch endpoints of Azure Machine Learning on loopback, strict: beside the workspace of `azureml_custom_server`.

It takes jobs at a scoring address of its own, with a token for Azure ML, names them itself and lists them among the
workspace's. `work` does a job as Azure ML documents it: the deployment's scoring script in a process of its own, over
the blobs of the model and of the input, in mini-batches; what it writes is in Blob storage afterwards.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from azure_storage import CONTAINER
from azureml_custom_server import TOKENS, WORKSPACE, Answered, Json, MlServer, closing

TOKEN = TOKENS["https://ml.azure.com/.default"]
EXECUTOR = """
import importlib.util, json, sys
script, size, retries, files = json.load(sys.stdin)
spec = importlib.util.spec_from_file_location("score", script)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.init()
done, failed = [], []
for start in range(0, len(files), size):
    for _ in range(1 + retries):
        try:
            done += module.run(files[start : start + size])
            break
        except Exception as error:
            last = repr(error)
    else:
        failed.append(last)
print(json.dumps([done, failed]))
"""
"""What Azure ML's executor does with a scoring script."""
ARM = f"{WORKSPACE}/datastores/workspaceblobstore/paths/"
JOB_MEMBERS = {"inputData", "outputData"}


class BatchServer(MlServer):
    """With batch endpoints. `forgetful`: the same request to submit makes another job."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.batch = self.submit
        self.submitted: list[tuple[Mapping[str, str], Json]] = []
        self.repeated: dict[str, Json] = {}
        self.forgetful = False
        self.eager = False
        """A job is done when its submission is answered."""
        self.trouble: list[str] = []
        """Of the next submissions: `lose` its answer after the work was done, `drop` it before, or a status."""

    # --- the workspace --------------------------------------------------------------------------------

    def do(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Json | None, Json]:
        if method == "GET" and path == "batchEndpoints":
            return 200, self.page(path, query), {}
        if method == "DELETE" and path.startswith("computes/"):
            assert query["underlyingResourceAction"] == "Delete"
        return super().do(method, path, query, body)

    def put(self, path: str, collection: str, body: Json) -> tuple[int, Json, Json]:
        if collection == "batchEndpoints/deployments":
            self.check_batch(path, body["properties"])
        if collection == "codes/versions":
            self.blob_folder(body["properties"]["codeUri"].removeprefix(f"{self.blobs.url}/"))
        if collection == "computes":
            assert re.fullmatch(r"[a-z][a-z0-9-]{1,15}", path.rpartition("/")[2]), path
        status, made, more = super().put(path, collection, body)
        if collection == "batchEndpoints":
            assert re.fullmatch(r"[a-z](?!.*--)[a-z0-9-]{1,30}[a-z0-9]", made["name"]), made["name"]
            assert (made["properties"]["authMode"], made["location"]) == ("AADToken", "eastus")
            made["properties"]["scoringUri"] = f"{self.url}/batch-{made['name']}/jobs"
        if collection in ("batchEndpoints", "batchEndpoints/deployments", "computes"):
            if self.slow_machines:
                made["properties"]["provisioningState"] = "Creating"
            more = self.operation()
        return status, made, more

    def check_batch(self, path: str, known: Json) -> None:
        """A deployment names parts that are there."""
        self.one(path.partition("/deployments/")[0])
        assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", path.rpartition("/")[2])
        model = self.one(known["model"]["assetId"].removeprefix(f"{WORKSPACE}/"))
        if model["properties"]["modelType"] != "custom_model":
            raise Answered(400, "BadArgument", "no model as files")
        for part in (known["codeConfiguration"]["codeId"], known["environmentId"], known["compute"]):
            self.one(part.removeprefix(f"{WORKSPACE}/"))
        size = self.one(known["compute"].removeprefix(f"{WORKSPACE}/"))["properties"]["properties"]
        if known["resources"]["instanceCount"] > size["scaleSettings"]["maxNodeCount"]:
            raise Answered(400, "BadArgument", "more instances than the cluster has")

    def blob_folder(self, path: str) -> dict[str, bytes]:
        """Name below the folder -> content."""
        start = f"{CONTAINER}/{path.strip('/')}/"
        found = {name.removeprefix(start): data for name, data in self.blobs.blobs.items() if name.startswith(start)}
        if not found:
            raise Answered(400, "UserError", f"nothing is at {path}")
        return found

    # --- jobs -----------------------------------------------------------------------------------------

    def submit(self, path: str, raw: bytes, headers: Mapping[str, str]) -> tuple[int, Json]:
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"error": {"code": "Unauthorized", "message": "no token for https://ml.azure.com"}}
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "drop":
            return 0, {}
        if trouble.isdigit():
            return int(trouble), {"error": {"code": "UserError", "message": "no"}}
        try:
            with self.lock:
                there = set(self.jobs)
                made = self.job(path.removeprefix("/batch-").removesuffix("/jobs"), json.loads(raw), headers)
        except Answered as error:
            return error.status, {"error": {"code": error.code, "message": str(error)}}
        if self.eager and made["name"] not in there:
            self.work(made["name"])
        return (0 if trouble == "lose" else 201), made

    def job(self, endpoint: str, body: Json, headers: Mapping[str, str]) -> Json:
        self.submitted.append((headers, body))
        again = self.repeated.get(headers["repeatability_request-id"])
        if again is not None and not self.forgetful:
            return again
        deployment = f"batchEndpoints/{endpoint}/deployments/{headers['azureml-model-deployment']}"
        self.one(deployment)
        known = body["properties"]
        assert set(body) == {"properties"}
        assert set(known) <= JOB_MEMBERS, known
        ((_, given),) = known["inputData"].items()
        ((_, output),) = known["outputData"].items()
        assert given["jobInputType"] in ("UriFolder", "UriFile")
        assert output["jobOutputType"] == "UriFile"
        assert output["uri"].startswith(ARM)
        self.count += 1
        name = f"batchjob-{self.count:04}"
        self.resources[f"jobs/{name}"] = {
            "id": f"{WORKSPACE}/jobs/{name}",
            "name": name,
            "systemData": {"createdAt": f"2026-11-21T10:00:{self.count:02}Z"},
            "properties": {
                "jobType": "Pipeline",
                "status": "NotStarted",
                "experimentName": endpoint,
                "inputs": {"requests": {"jobInputType": "uri_folder", "uri": given["uri"]}},
                "outputs": {"score": {"jobOutputType": "uri_file", "uri": output["uri"]}},
                "properties": {"deployment": deployment},
            },
        }
        made = {"id": f"{WORKSPACE}/batchEndpoints/{endpoint}/jobs/{name}", "name": name, "properties": known}
        made["systemData"] = self.resources[f"jobs/{name}"]["systemData"]
        self.repeated[headers["repeatability_request-id"]] = made
        return made

    @property
    def jobs(self) -> list[str]:
        """Their names."""
        return [path.removeprefix("jobs/") for path in self.resources if path.startswith("jobs/batchjob-")]

    def work(self, name: str, *, workers: Mapping[str, str] | None = None) -> tuple[list[str], list[str]]:
        """Does a job. Files that succeeded, and what mini-batches failed of."""
        job = self.resources[f"jobs/{name}"]["properties"]
        known = self.resources[job["properties"]["deployment"]]["properties"]
        with TemporaryDirectory() as place:
            here = Path(place)
            model = self.one(known["model"]["assetId"].removeprefix(f"{WORKSPACE}/"))["properties"]["modelUri"]
            self.mount(model.partition("/paths/")[2], here / "model" / "1")
            code = self.one(known["codeConfiguration"]["codeId"].removeprefix(f"{WORKSPACE}/"))
            self.mount(code["properties"]["codeUri"].removeprefix(f"{self.blobs.url}/"), here / "code")
            self.mount(job["inputs"]["requests"]["uri"].partition("/paths/")[2], here / "input")
            (here / "output").mkdir()
            done, failed = self.scored(here, known, workers or {})
            output = job["outputs"]["score"]["uri"].partition("/paths/")[2].rpartition("/")[0]
            for file in sorted(path for path in (here / "output").rglob("*") if path.is_file()):
                self.blobs.blobs[f"{CONTAINER}/{output}/{file.relative_to(here / 'output')}"] = file.read_bytes()
        summary = io.StringIO()
        csv.writer(summary).writerows([[each] for each in done])
        self.blobs.blobs[f"{CONTAINER}/{output}/predictions.csv"] = summary.getvalue().encode()
        self.ended(name, "Completed" if done or not failed else "Failed", failed[-1][-500:] if failed else "")
        return done, failed

    def scored(self, here: Path, known: Json, workers: Mapping[str, str]) -> tuple[list[str], list[str]]:
        paths = {"AZUREML_MODEL_DIR": str(here / "model"), "AZUREML_BI_OUTPUT_PATH": str(here / "output")}
        files = sorted(str(path) for path in (here / "input").rglob("*") if path.is_file())
        script = here / "code" / known["codeConfiguration"]["scoringScript"]
        tries = known["retrySettings"]["maxRetries"]
        asked = json.dumps([str(script), known["miniBatchSize"], tries, files])
        environment = {"PATH": os.environ["PATH"], **known["environmentVariables"], **paths, **workers}
        run = subprocess.run(
            [sys.executable, "-I", "-c", EXECUTOR], input=asked, env=environment, capture_output=True, text=True
        )
        if run.returncode:
            return [], [run.stderr]
        done, failed = json.loads(run.stdout.splitlines()[-1])
        return done, failed

    def mount(self, path: str, target: Path) -> None:
        for name, content in self.blob_folder(path).items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def ended(self, name: str, status: str, why: str = "") -> None:
        self.resources[f"jobs/{name}"]["properties"]["status"] = status
        times = {"startTimeUtc": "2026-11-21T10:01:00+00:00", "endTimeUtc": "2026-11-21T10:11:00+00:00"}
        error = {"error": {"error": {"message": why}}} if why else {}
        self.runs[name] = {"runId": name, "status": status, **times, **error}


@contextmanager
def batch_server(folder: Path) -> Iterator[BatchServer]:
    """The workspace with batch endpoints for a block."""
    with closing(BatchServer(folder)) as server:
        yield server
