"""What Vertex AI is sent for jobs, deployments and batches: every value of a request is in its place, and only there.

The bodies of plans are looked at, which are those that are sent (`test_gcp_custom_*`). They are written out once; then
each value of a request is changed alone, and each member of a body is misspelt or of another kind alone.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from test_gcp_custom_batches import wanting
from test_gcp_custom_endpoints import ENDPOINT, two, wanted
from test_gcp_custom_training import CALL, job, opened
from vertex_custom_server import PARENT, find

from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, TrainingJob
from cloudai_gcp.driver import GcpDriver
from cloudai_gcp.vertex_bodies import deployed_id

Json = dict[str, Any]
L4 = Accelerator(name="L4", count=1)
FULL_JOB: Json = {"spot": True, "nodes": 3, "checkpoint": "gs://mine/kept", "max_seconds": 600}
FULL_DEPLOYMENT: Json = {
    "version": "b",
    "accelerator": Accelerator(name="L4", count=2, instance="g2-standard-24"),
    "min_replicas": 2,
    "max_replicas": 5,
    "traffic": {"a": 90, "b": 10},
    "tags": {"Team": "A b"},
    "image": "eu-docker.pkg.dev/p/r/triton:1",
}
FULL_BATCH: Json = {"accelerator": L4, "instances": 3, "batch_size": 5, "tags": {"Team": "A b"}}


def bodies(driver: GcpDriver, request: TrainingJob | DeployRequest | BatchPredictRequest) -> dict[str, Json]:
    """Method -> body, of a plan."""
    plan: Any
    if isinstance(request, TrainingJob):
        plan = driver.plan_training(request, CALL)
    elif isinstance(request, DeployRequest):
        plan = driver.plan_deployment(request, CALL)
    else:
        plan = driver.plan_batch(request, CALL)
    return {str(each["call"]).partition("?")[0].removeprefix("POST "): each["body"] for each in plan.requests}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of everything that is no object and no list."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, f"{path}[{number}]")
    else:
        yield path, value


def changed(before: Mapping[str, Json], after: Mapping[str, Json]) -> set[str]:
    """Paths whose value is another one, is there no more, or is new."""
    old, new = dict(leaves(dict(before))), dict(leaves(dict(after)))
    return {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


def test_a_deployment_is_written_out(tmp_path: Path) -> None:
    with opened(tmp_path, vertex_service_account="me@x") as (driver, _):
        made = bodies(driver, wanted(tmp_path, **FULL_DEPLOYMENT))
    model = f"{PARENT}/models/cloudai-twice-b"
    assert made == {
        f"/v1/{PARENT}/endpoints": {"displayName": "twice", "labels": {"team": "a-b", "cloudai-endpoint": "twice"}},
        f"/v1/{PARENT}/models:upload": {
            "model": {
                "displayName": "twice",
                "labels": {"team": "a-b", "cloudai-endpoint": "twice", "cloudai-version": "b"},
                "artifactUri": "gs://mine/cloudai/vertex/models/cloudai-twice/b",
                "containerSpec": {
                    "imageUri": "eu-docker.pkg.dev/p/r/triton:1",
                    "args": ["--allow-vertex-ai=true", "--vertex-ai-default-model=twice"],
                    "ports": [{"containerPort": 8080}],
                    "predictRoute": "/v2/models/twice/infer",
                    "healthRoute": "/v2/health/ready",
                },
            },
            "modelId": "cloudai-twice-b",
        },
        f"/v1/{ENDPOINT}:deployModel": {
            "deployedModel": {
                "id": deployed_id("b"),
                "model": model,
                "displayName": "b",
                "dedicatedResources": {
                    "machineSpec": {
                        "machineType": "g2-standard-24",
                        "acceleratorType": "NVIDIA_L4",
                        "acceleratorCount": 2,
                    },
                    "minReplicaCount": 2,
                    "maxReplicaCount": 5,
                },
                "serviceAccount": "me@x",
            },
            "trafficSplit": {deployed_id("a"): 90, "0": 10},
        },
    }


def test_a_second_version_is_sent_as_planned(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first, _ = two(driver, tmp_path)
        split = {first.version: 90, "three": 10}
        made = bodies(driver, wanted(tmp_path, 3.0, version="three", traffic=split))
        assert server.asked("endpoints.deployModel")[-1] == made[f"/v1/{ENDPOINT}:deployModel"]


def test_a_job_is_written_out(tmp_path: Path) -> None:
    with opened(tmp_path, vertex_service_account="me@x") as (driver, _):
        ((call, made),) = bodies(driver, job(tmp_path, **FULL_JOB)).items()
    assert call == f"/v1/{PARENT}/customJobs"
    name = made["displayName"]
    spec = made["jobSpec"]
    first, rest = spec["workerPoolSpecs"]
    variables = {each["name"]: each["value"] for each in first["containerSpec"].pop("env")}
    assert variables == {each["name"]: each["value"] for each in rest["containerSpec"].pop("env")}
    command = first["containerSpec"].pop("command")
    assert command == rest["containerSpec"].pop("command")
    assert command[:2] == ["sh", "-c"]
    image = {"imageUri": "us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest"}
    machine = {"machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    assert made == {
        "displayName": name,
        "labels": {"team": "a-b", "cloudai-submission": name.lower(), "cloudai-job": made["labels"]["cloudai-job"]},
        "jobSpec": {
            "workerPoolSpecs": [
                {"machineSpec": machine, "containerSpec": image, "replicaCount": "1"},
                {"machineSpec": machine, "containerSpec": image, "replicaCount": "2"},
            ],
            "scheduling": {"timeout": "600s", "strategy": "SPOT", "restartJobOnWorkerRestart": True},
            "baseOutputDirectory": {"outputUriPrefix": f"gs://mine/cloudai/vertex/runs/{name}"},
            "serviceAccount": "me@x",
        },
    }
    assert variables == {
        "MODE": "fast",
        "API_TOKEN": "***",
        "CLOUDAI_SOURCE": variables["CLOUDAI_SOURCE"],
        "CLOUDAI_HPARAMS": '{"epochs": 3, "rate": 0.1}',
        "CLOUDAI_INPUT_TRAIN_SET": f"gs://mine/cloudai/vertex/runs/{name}/inputs/train-set",
        "CLOUDAI_INPUT_MORE": "gs://theirs/more",
        "CLOUDAI_CHECKPOINT_DIR": "gs://mine/kept",
        "CLOUDAI_PROCESSES": variables["CLOUDAI_PROCESSES"],
        "CLOUDAI_GPUS": "1",
    }


DEPLOYED = f"/v1/{ENDPOINT}:deployModel.deployedModel"
RESOURCES = f"{DEPLOYED}.dedicatedResources"
SPLIT = f"/v1/{ENDPOINT}:deployModel.trafficSplit"
MODEL = f"/v1/{PARENT}/models:upload.model"
NEXT: list[tuple[Json, set[str]]] = [
    ({"min_replicas": 3}, {f"{RESOURCES}.minReplicaCount"}),
    ({"max_replicas": 9}, {f"{RESOURCES}.maxReplicaCount"}),
    ({"traffic": {"a": 80, "b": 20}}, {f"{SPLIT}.{deployed_id('a')}", f"{SPLIT}.0"}),
    ({"traffic": {"c": 90, "b": 10}}, {f"{SPLIT}.{deployed_id('a')}", f"{SPLIT}.{deployed_id('c')}"}),
    ({"traffic": {}}, {f"{SPLIT}.{deployed_id('a')}", f"{SPLIT}.0"}),
    ({"image": "x.pkg.dev/p/r/t:2"}, {f"{MODEL}.containerSpec.imageUri"}),
    ({"tags": {"Team": "c"}}, {f"/v1/{PARENT}/endpoints.labels.team", f"{MODEL}.labels.team"}),
    (
        {"accelerator": Accelerator(name="L4", count=1, instance="g2-standard-8")},
        {f"{RESOURCES}.machineSpec.machineType", f"{RESOURCES}.machineSpec.acceleratorCount"},
    ),
    (
        {"version": "a", "traffic": {"b": 90, "a": 10}},
        {
            f"{MODEL}.artifactUri",
            f"{MODEL}.labels.cloudai-version",
            f"/v1/{PARENT}/models:upload.modelId",
            *(f"{DEPLOYED}.{member}" for member in ("id", "model", "displayName")),
            f"{SPLIT}.{deployed_id('a')}",
            f"{SPLIT}.{deployed_id('b')}",
        },
    ),
]


@pytest.mark.parametrize(("change", "paths"), NEXT, ids=["-".join(change) for change, _ in NEXT])
def test_each_value_of_a_deployment_is_in_its_place_and_nowhere_else(
    tmp_path: Path, change: Json, paths: set[str]
) -> None:
    with opened(tmp_path) as (driver, _):
        before = bodies(driver, wanted(tmp_path, **FULL_DEPLOYMENT))
        after = bodies(driver, wanted(tmp_path, **{**FULL_DEPLOYMENT, **change}))
    assert changed(before, after) == paths


BATCH = f"/v1/{PARENT}/batchPredictionJobs"
BATCHES: list[tuple[Json, set[str]]] = [
    ({"instances": 4}, {"dedicatedResources.startingReplicaCount", "dedicatedResources.maxReplicaCount"}),
    ({"batch_size": 6}, {"manualBatchTuningParameters.batchSize"}),
    ({"image": "x.pkg.dev/p/r/t:2"}, {"unmanagedContainerModel.containerSpec.imageUri"}),
    ({"model": "gs://theirs/m"}, {"unmanagedContainerModel.artifactUri"}),
    ({"output": "gs://theirs/o"}, {"outputConfig.gcsDestination.outputUriPrefix"}),
    (
        {"accelerator": Accelerator(instance="n1-standard-4")},
        {f"dedicatedResources.machineSpec.{name}" for name in ("machineType", "acceleratorType", "acceleratorCount")},
    ),
    ({"tags": {"Team": "c"}}, {"labels.team"}),
]
FOLLOWS = {
    "displayName",
    "labels.cloudai-submission",
    "labels.cloudai-job",
    "inputConfig.gcsSource.uris[0]",
    "unmanagedContainerModel.artifactUri",
    "outputConfig.gcsDestination.outputUriPrefix",
}
"""What has the submission's name in it, which follows from all values."""


@pytest.mark.parametrize(("change", "paths"), BATCHES, ids=["-".join(change) for change, _ in BATCHES])
def test_each_value_of_a_batch_is_in_its_place_and_nowhere_else(tmp_path: Path, change: Json, paths: set[str]) -> None:
    with opened(tmp_path) as (driver, _):
        before = bodies(driver, wanting(tmp_path, **FULL_BATCH))
        after = bodies(driver, wanting(tmp_path, **{**FULL_BATCH, **change}))
    assert {path.removeprefix(f"{BATCH}.") for path in changed(before, after)} - FOLLOWS == paths - FOLLOWS
    if paths <= FOLLOWS:
        (place,) = paths
        ((_, value),) = change.items()
        assert dict(leaves(after))[f"{BATCH}.{place}"] == value


JOBS: list[tuple[Json, set[str]]] = [
    ({"max_seconds": 700}, {"scheduling.timeout"}),
    ({"spot": False}, {"scheduling.strategy", "scheduling.restartJobOnWorkerRestart"}),
    ({"nodes": 5}, {"workerPoolSpecs[1].replicaCount"}),
    ({"image": "x.pkg.dev/p/r/t:2"}, {f"workerPoolSpecs[{n}].containerSpec.imageUri" for n in (0, 1)}),
    (
        {"accelerator": Accelerator(name="L4", count=2)},
        {
            f"workerPoolSpecs[{n}].{rest}"
            for n in (0, 1)
            for rest in ("machineSpec.machineType", "machineSpec.acceleratorCount", "env.CLOUDAI_GPUS")
        },
    ),
    ({"environment": {"MODE": "slow", "API_TOKEN": "hush"}}, {f"workerPoolSpecs[{n}].env.MODE" for n in (0, 1)}),
    ({"hyperparameters": {"rate": 0.2}}, {f"workerPoolSpecs[{n}].env.CLOUDAI_HPARAMS" for n in (0, 1)}),
    ({"checkpoint": "gs://mine/x"}, {f"workerPoolSpecs[{n}].env.CLOUDAI_CHECKPOINT_DIR" for n in (0, 1)}),
]


def named_variables(body: Json) -> Json:
    """Environment variables by their names, and what has the submission's name in it left out."""
    made = copy.deepcopy(body["jobSpec"])
    del made["baseOutputDirectory"]
    for pool in made["workerPoolSpecs"]:
        pool["env"] = {each["name"]: each["value"] for each in pool["containerSpec"].pop("env")}
        for name in ("CLOUDAI_INPUT_TRAIN_SET", "CLOUDAI_SOURCE", "CLOUDAI_PROCESSES"):
            del pool["env"][name]
    return dict(made)


@pytest.mark.parametrize(("change", "paths"), JOBS, ids=["-".join(change) for change, _ in JOBS])
def test_each_value_of_a_job_is_in_its_place_and_nowhere_else(tmp_path: Path, change: Json, paths: set[str]) -> None:
    with opened(tmp_path) as (driver, _):
        (before,) = bodies(driver, job(tmp_path, **FULL_JOB)).values()
        (after,) = bodies(driver, job(tmp_path, **{**FULL_JOB, **change})).values()
    assert changed(named_variables(before), named_variables(after)) == paths


# --- what the description of the service notices ----------------------------------------------------------


def places(value: Any) -> Iterator[tuple[Json, str]]:
    """Every object and the names of its members."""
    if isinstance(value, dict):
        for name in list(value):
            yield value, name
            yield from places(value[name])
    elif isinstance(value, list):
        for each in value:
            yield from places(each)


FREE = {"labels", "trafficSplit", "metadata"}
"""Objects whose names are the caller's."""


def free_members(body: Json) -> set[int]:
    return {id(owner[name]) for owner, name in places(body) if name in FREE}


@pytest.mark.parametrize("kind", ["job", "deployment", "batch"])
def test_a_member_that_is_misspelt_or_of_another_kind_is_noticed(tmp_path: Path, kind: str) -> None:
    with opened(tmp_path, vertex_service_account="me@x") as (driver, _):
        made = {
            "job": lambda: bodies(driver, job(tmp_path, **FULL_JOB)),
            "deployment": lambda: bodies(driver, wanted(tmp_path, **FULL_DEPLOYMENT)),
            "batch": lambda: bodies(driver, wanting(tmp_path, **FULL_BATCH)),
        }[kind]()
    for call, body in made.items():
        method = find("POST", call)
        assert method is not None
        assert method.faults_of_request(body, {}) == []
        count = len(list(places(body)))
        for number in range(count):
            for mutation in ("name", "kind"):
                mutant = copy.deepcopy(body)
                owner, name = list(places(mutant))[number]
                if mutation == "kind":
                    owner[name] = {"strange": 1} if not isinstance(owner[name], dict) else 7
                elif id(owner) in free_members(mutant):
                    continue
                else:
                    owner[f"{name}X"] = owner.pop(name)
                assert method.faults_of_request(mutant, {}), (call, name, mutation)
