"""Endpoints on this machine: real servers in processes of their own, versions, traffic, restarts, and kill -9."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from served import scale

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, Unsupported
from cloudai.types.custom import Accelerator, DeployRequest
from cloudai.types.speech import JobState
from cloudai_local.endpoint_folder import EndpointFolder, processes_of

ROW = {"x": np.ones((1, 4), np.float32)}


def config(root: Path) -> Config:
    origin = Origin(place="test")
    values = {"provider": "local", "endpoints": str(root), "hourly_price": "0.5", "models": str(root.parent / "models")}
    return Config(
        source=None,
        backends={"here": BackendConfig(name="here", provider="local", values=values, origin=origin)},
        routes=(Route(pattern="*", backends=("here",), origin=origin),),
        policy=Policy(timeout=30.0, deadline=60.0, max_attempts=1),
    )


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Where endpoints are kept; at the end none of their processes is left."""
    folder = tmp_path / "endpoints"
    scale(tmp_path / "twice", 2.0)
    scale(tmp_path / "thrice", 3.0)
    yield folder
    with Client(config(folder)) as client:
        for one in client.custom.endpoints():
            client.custom.endpoint(one.ref).delete()
    assert processes_of(folder / "digits") == []


def request(root: Path, model: str = "twice", **more: Any) -> DeployRequest:
    return DeployRequest(model=str(root.parent / model), name="digits", **more)


def factor(client: Client, **more: Any) -> float:
    return float(client.custom.endpoint("digits").predict(ROW, **more).outputs["y"].array[0, 0])


# --- one version -------------------------------------------------------------------------------------


def test_a_model_is_deployed_asked_found_again_and_deleted(root: Path) -> None:
    with Client(config(root)) as client:
        plan = client.custom.plan_deployment(request(root))
        assert not root.exists() or not list(root.glob("*/endpoint.json"))
        result = client.custom.deploy(request(root))
        assert result.state is JobState.SUCCEEDED
        assert result.version == plan.version
        assert result.endpoint is not None
        assert factor(client) == 2.0
        assert client.custom.predict("digits", tensors=ROW).outputs["y"].array.tolist() == [[2, 2, 2, 2]]
        saved = result.endpoint.model_dump_json()
    with Client(config(root)) as client:  # another process could be here
        (found,) = client.custom.endpoints()
        assert found.ref == result.endpoint
        assert str(found.hourly) == "0.5 USD"
        assert client.custom.endpoint(saved).wait(timeout=60).state is JobState.SUCCEEDED
        client.custom.endpoint(saved).delete()
        client.custom.endpoint(saved).delete()
        assert client.custom.endpoints() == ()
    assert processes_of(root / "digits") == []
    assert not list(root.glob("digits"))


def test_tritons_own_client_reads_its_address(root: Path) -> None:
    with Client(config(root)) as client:
        ref = client.custom.deploy(request(root)).endpoint
    assert ref is not None
    address, _, name = str(ref.url).removeprefix("http://").partition("/v2/models/")
    given = triton.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(ROW["x"])
    with contextlib.closing(triton.InferenceServerClient(address)) as other:
        assert other.infer(name, [given]).as_numpy("y").tolist() == [[2, 2, 2, 2]]


def test_the_same_model_again_is_the_same_server(root: Path) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root))
        before = EndpointFolder(root / "digits").process()
        client.custom.deploy(request(root))
        assert EndpointFolder(root / "digits").process() == before


def test_a_server_that_was_killed_is_told_and_started_again(root: Path) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root))
        folder = EndpointFolder(root / "digits")
        os.kill(folder.process() or 0, signal.SIGKILL)
        while folder.alive():
            time.sleep(0.01)
        (found,) = client.custom.endpoints()
        assert found.state is JobState.FAILED
        assert "deploy it again" in str(found.message)
        with pytest.raises(CloudAIError) as caught:
            factor(client)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        client.custom.deploy(request(root))
        assert factor(client) == 2.0


def test_the_async_client_has_the_same_endpoint(root: Path) -> None:
    import asyncio

    async def ask() -> float:
        async with AsyncClient(config(root)) as client:
            await client.custom.deploy(request(root))
            (one,) = await client.custom.endpoints()
            handle = await client.custom.endpoint(one.ref)
            answer = await handle.predict(ROW)
            assert (await handle.status()).state is JobState.SUCCEEDED
            return float(answer.outputs["y"].array[0, 0])

    assert asyncio.run(ask()) == 2.0


# --- versions and traffic ----------------------------------------------------------------------------


def test_two_versions_share_the_traffic_and_the_old_one_is_taken_back(root: Path) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root, version="a"))
        client.custom.deploy(request(root, "thrice", version="b", traffic={"a": 50, "b": 50}))
        endpoint = client.custom.endpoint("digits")
        drawn = Counter(factor(client) for _ in range(60))
        assert set(drawn) == {2.0, 3.0}
        assert factor(client, version="a") == 2.0
        endpoint.set_traffic({"b": 100})
        assert {factor(client) for _ in range(10)} == {3.0}
        endpoint.set_traffic({"a": 100})
        assert {factor(client) for _ in range(10)} == {2.0}
        assert {one.version: one.traffic for one in endpoint.status().versions} == {"a": 100, "b": 0}


def test_a_new_version_takes_all_and_the_one_before_can_come_back(root: Path) -> None:
    scale(root.parent / "four", 4.0)
    with Client(config(root)) as client:
        client.custom.deploy(request(root, version="a"))
        client.custom.deploy(request(root, "thrice", version="b"))
        assert factor(client) == 3.0
        client.custom.endpoint("digits").set_traffic({"a": 100})
        assert factor(client) == 2.0
        client.custom.endpoint("digits").set_traffic({"b": 100})
        client.custom.deploy(request(root, "four", version="c"))
        assert {one.version for one in client.custom.endpoint("digits").status().versions} == {"b", "c"}
        with pytest.raises(InvalidInput, match="no version a"):
            client.custom.endpoint("digits").set_traffic({"a": 100})


@pytest.mark.parametrize("shares", [{"a": 50}, {"a": 101, "b": -1}, {}])
def test_traffic_that_does_not_add_up_is_refused(root: Path, shares: dict[str, int]) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root, version="a"))
        with pytest.raises(InvalidInput, match="100"):
            client.custom.endpoint("digits").set_traffic(shares)


# --- the manifest on the caller's side ------------------------------------------------------------


def test_images_are_read_here_and_asked_there_as_the_model_folder_itself_would(root: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
    from test_local import CLASSIFY, classifier, save

    from cloudai.testing.samples import picture

    folder = root.parent / "models" / "brightness"
    save(folder, CLASSIFY, classifier())
    with Client(config(root)) as client:
        client.custom.deploy(DeployRequest(model=str(folder), name="digits"))
        there = client.custom.predict("digits", images=[picture(), picture()], manifest=folder)
        here = client.custom.predict("brightness", images=[picture(), picture()])
        assert there.predictions == here.predictions
        assert len(there.predictions) == 2
        with pytest.raises(InvalidInput, match="tensors"):
            client.custom.predict("digits", images=[picture()])
        with pytest.raises(InvalidInput, match=r"model\.toml"):
            client.custom.predict("digits", images=[picture()], manifest=root)


SMALL_INSTALL = """
import sys
from pathlib import Path
sys.modules["PIL"] = sys.modules["uvloop"] = None
sys.path[:0] = [{here!r}]
from test_local_endpoints import ROW, Client, config, request
root, picture = Path({root!r}), {picture!r}
with Client(config(root)) as client:
    client.custom.deploy(request(root, "models/brightness"))
    assert client.custom.endpoints()[0].state == "succeeded"
    for ask in (dict(model="digits", manifest=root.parent / "models" / "brightness"), dict(model="brightness")):
        try:
            client.custom.predict(ask.pop("model"), images=[picture], **ask)
        except Exception as error:
            print(error)
"""


def test_without_pillow_a_model_is_deployed_and_images_name_what_to_install(root: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
    from test_local import CLASSIFY, classifier, save

    from cloudai.testing.samples import picture

    save(root.parent / "models" / "brightness", CLASSIFY, classifier())
    program = SMALL_INSTALL.format(here=str(Path(__file__).parent), root=str(root), picture=picture())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pip install 'cloudai[images]'") == 2


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"model": "/nowhere"}, InvalidInput),
        ({"model": "s3://bucket/model.tar.gz"}, Unsupported),
        ({"image": "mine:1"}, Unsupported),
        ({"serverless": True}, Unsupported),
        ({"version": "../up"}, InvalidInput),
        ({"version": "a", "traffic": {"a": 50, "b": 50}}, InvalidInput),
        ({"accelerator": Accelerator(name="T4", count=1)}, CloudAIError),
    ],
)
def test_what_can_not_be_deployed_is_refused_and_leaves_nothing(root: Path, more: dict[str, Any], kind: type) -> None:
    given = {"model": str(root.parent / "twice"), "name": "digits", **more}
    with Client(config(root)) as client:
        with pytest.raises(kind):
            client.custom.deploy(DeployRequest(**given))
        assert client.custom.endpoints() == ()
    assert not list(root.glob("[!.]*"))
    assert not list(root.glob(".making-*"))


def test_tensors_that_are_no_arrays_are_told(root: Path) -> None:
    with Client(config(root)) as client, pytest.raises(InvalidInput, match="tensor x is a list: give a numpy array"):
        client.custom.predict("digits", tensors={"x": [[1.0, 2.0]]})  # type: ignore[dict-item]


def test_a_gpu_that_is_not_there_is_told_as_such(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    asked = request(root, accelerator=Accelerator(name="T4", count=1))
    with (
        Client(config(root)) as client,
        pytest.raises(Unsupported, match="1 x T4 asked for, and this machine has no GPU"),
    ):
        client.custom.deploy(asked)


def test_a_corrupt_graph_is_refused_and_the_standing_version_goes_on(root: Path) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root, version="a"))
        (root.parent / "thrice" / "model.onnx").write_bytes(b"\x08\x07no graph")
        with pytest.raises(InvalidInput):
            client.custom.deploy(request(root, "thrice", version="b"))
        assert factor(client) == 2.0
        scale(root.parent / "other", 5.0)
        with pytest.raises(InvalidInput, match="another model as version a"):
            client.custom.deploy(request(root, "other", version="a"))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"x": np.ones((1, 5), np.float32)}, "FP32"),
        ({"x": np.ones((1, 4), np.float64)}, "FP64"),
        ({"z": np.ones((1, 4), np.float32)}, "z"),
    ],
)
def test_tensors_that_do_not_fit_are_the_callers_mistake(root: Path, tensors: dict[str, Any], words: str) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root))
        with pytest.raises(InvalidInput, match=words):
            client.custom.endpoint("digits").predict(tensors)


def test_an_unknown_endpoint_is_not_found(root: Path) -> None:
    with Client(config(root)) as client:
        for name in ("nobody", '{"backend": "here", "id": "endpoint:nobody", "name": "nobody"}'):
            with pytest.raises(CloudAIError) as caught:
                client.custom.endpoint(name).status()
            assert caught.value.code is ErrorCode.NOT_FOUND
        with pytest.raises(InvalidInput):
            client.custom.endpoint("{}")


def test_an_unknown_model_is_told_with_the_endpoints_that_there_are(root: Path) -> None:
    with Client(config(root)) as client:
        with pytest.raises(InvalidInput, match=r"no model 'nobody' in .*; endpoints: none"):
            client.custom.predict("nobody", tensors=ROW)
        client.custom.deploy(request(root))
        with pytest.raises(InvalidInput, match="; endpoints: digits"):
            client.custom.predict("nobody", tensors=ROW)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "ü", "-a", "a" * 64, "a\n"])
def test_a_name_that_no_platform_takes_is_refused_in_words(root: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="1 to 63 letters, digits and hyphens, the first a letter"):
        DeployRequest(model=str(root.parent / "twice"), name=name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "digits", "versions": {"a": 1}}', '{"versions": {}}'])
def test_an_endpoint_with_a_damaged_file_is_listed_and_can_be_deleted(root: Path, text: str) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root))
        (root / "digits" / "endpoint.json").write_text(text)
        with pytest.raises(CloudAIError, match="is damaged: `cloudai endpoints delete digits`, then deploy it again"):
            client.custom.endpoint("digits").predict(ROW)
        (found,) = client.custom.endpoints()
        assert (found.state, found.versions) == (JobState.FAILED, ())
        assert "is damaged" in str(found.message)
        client.custom.endpoint("digits").delete()
        assert client.custom.endpoints() == ()


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a disk that has no room for more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_model_that_can_not_be_copied_says_which_file_and_leaves_what_stands(root: Path) -> None:
    (root.parent / "thrice" / "more.bin").write_bytes(bytes(400_000))
    with Client(config(root)) as client:
        with largest_file(100_000), pytest.raises(CloudAIError, match=r"more\.bin: File too large") as caught:
            client.custom.deploy(request(root, "thrice"))
        assert caught.value.code is ErrorCode.INTERNAL
        assert [path.name for path in root.iterdir()] == [".locks"]
        client.custom.deploy(request(root))
        with largest_file(100_000), pytest.raises(CloudAIError, match=r"more\.bin: File too large"):
            client.custom.deploy(request(root, "thrice", version="b"))
        assert factor(client) == 2.0
        assert len(list((root / "digits" / "models" / "digits").iterdir())) == 1


def test_an_interrupted_deployment_leaves_nothing(root: Path) -> None:
    program = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from pathlib import Path
from test_local_endpoints import Client, config, request
root = Path({str(root)!r})
with Client(config(root)) as client:
    client.custom.deploy(request(root))
"""
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        while not (root / "digits" / "server.json").exists():
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate()[1]
    assert [path.name for path in root.iterdir()] == [".locks"]
    assert processes_of(root / "digits") == []


def test_a_version_that_a_killed_deployment_left_is_taken_out_by_the_next(root: Path) -> None:
    with Client(config(root)) as client:
        client.custom.deploy(request(root, version="a"))
        stray = root / "digits" / "models" / "digits" / "zz"
        shutil.copytree(root.parent / "thrice", stray)
        client.custom.deploy(request(root, version="a"))
        assert not stray.exists()
        with pytest.raises(InvalidInput, match="zz"):
            factor(client, version="zz")
        assert factor(client) == 2.0


# --- kill -9 -----------------------------------------------------------------------------------------

FORKS = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import numpy, onnxruntime, httpx, cloudai.serving.packaging, cloudai_local.onnx.serving, cloudai_local.endpoints
from test_local_endpoints import Client, config, request
root = Path({root!r})
for line in sys.stdin:
    model, version = line.split()
    child = os.fork()
    if not child:
        with Client(config(root)) as client:
            client.custom.deploy(request(root, model, version=version))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""One deployment in a process of its own for each line: forked, so that fifty of them import everything once."""


@contextlib.contextmanager
def killing(root: Path) -> Iterator[Callable[[str, str, float], bool]]:
    """A function that deploys, kills, and says whether the deployment was done before."""
    script = FORKS.format(root=str(root), tests=str(Path(__file__).parent))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:  # type: ignore[call-overload]

        def kill(model: str, version: str, seconds: float) -> bool:
            process.stdin.write(f"{model} {version}\n")
            child = int(process.stdout.readline())
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):  # it was done
                os.kill(child, signal.SIGKILL)
            return int(process.stdout.readline()) == 0

        yield kill


def settled(root: Path) -> list[int]:
    """The endpoint's processes, once those that were just starting have taken the lock or given up."""
    folder, ends = EndpointFolder(root / "digits"), time.monotonic() + 60
    while time.monotonic() < ends:
        found = processes_of(root / "digits")
        if found == ([folder.process()] if folder.alive() else []):
            return found
        time.sleep(0.05)
    return processes_of(root / "digits")


def test_no_process_is_unaccounted_for_wherever_a_deployment_is_killed(root: Path) -> None:
    """50 random moments: each process is the one that the endpoint's folder names, each endpoint is in the list, and
    deploying again makes it answer."""
    numbers, done = random.Random(20261121), 0
    with Client(config(root)) as client, killing(root) as kill:
        for turn in range(50):
            model, version = ("twice", "a") if turn % 2 else ("thrice", "b")
            done += kill(model, version, numbers.uniform(0.0, 0.9))
            found = settled(root)
            assert len(found) <= 1
            listed = {one.ref.name for one in client.custom.endpoints()}
            assert listed == ({"digits"} if (root / "digits").exists() else set())
            assert not found or listed
            if turn % 5 == 4:
                client.custom.deploy(request(root, model, version=version))
                assert factor(client) == {"twice": 2.0, "thrice": 3.0}[model]
                client.custom.endpoint("digits").delete()
                assert processes_of(root / "digits") == []
                assert not list(root.glob(".[md]*"))
    assert done < 50
