"""`cloudai serve` as a process: batches, overload, drain, reload, keys, metrics, and starts that must not succeed."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).parent))

import served
from served import Answer, Served, tensor

from cloudai.serving.server import listen
from cloudai.serving.settings import ServeSettings

ROW = [1.0, 2.0, 3.0, 4.0]
KEY = "a-key-of-some-thirty-two-characters"


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for it; fails when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def together(served_by: Served, model: str, count: int, **more: object) -> list[Answer]:
    """The answers to `count` requests at the same time, each with its own row."""
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(served_by.infer, model, tensor([[float(number)] * 4]), **more) for number in range(count)]
        return [one.result() for one in asked]


# --- batches -------------------------------------------------------------------------------------


def test_requests_that_meet_a_busy_engine_are_run_together_and_each_gets_its_own_rows(tmp_path: Path) -> None:
    with served.serving(served.slow(tmp_path / "slow", manifest=served.TENSORS + "[serving]\nmax_batch = 8\n")) as run:
        answers = together(run, "slow", 24)
        assert [answer.json["outputs"][0]["data"] for answer in answers] == [[float(n)] * 4 for n in range(24)]
        labels = 'model="slow",version="1"'
        runs = run.metric(f"cloudai_serve_run_seconds_count{{{labels}}}")
        rows = run.metric(f"cloudai_serve_batch_rows_sum{{{labels}}}")
        assert rows == 24
        assert runs < 24
        assert run.metric(f'cloudai_serve_batch_rows_bucket{{le="8.0",{labels}}}') == runs


def test_a_delay_gathers_requests_for_an_idle_engine(tmp_path: Path) -> None:
    manifest = served.TENSORS + "[serving]\nmax_batch = 4\nmax_delay_ms = 1000\n"
    with served.serving(served.scale(tmp_path / "m", 2, manifest=manifest)) as run:
        until(lambda: run.infer("m", tensor([ROW] * 4)).status == 200)  # a full batch does not wait
        before = run.metric('cloudai_serve_run_seconds_count{model="m",version="1"}')
        together(run, "m", 4)
        assert run.metric('cloudai_serve_run_seconds_count{model="m",version="1"}') - before <= 2


def mean_over_rows(folder: Path) -> Path:
    """A graph whose first dimension is open, and no batch: `y = x - mean(x)`."""
    served.save(
        folder,
        [helper.make_node("ReduceMean", ["x"], ["m"], axes=[0]), helper.make_node("Sub", ["x", "m"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    )
    (folder / "model.toml").write_text(served.TENSORS + "[serving]\nmax_delay_ms = 200\n")
    return folder


def test_rows_that_depend_on_their_neighbours_are_never_joined(tmp_path: Path) -> None:
    with served.serving(mean_over_rows(tmp_path / "centred")) as run:
        answers = together(run, "centred", 8)
        assert [answer.json["outputs"][0]["data"] for answer in answers] == [[0.0] * 4] * 8
        assert "output y of a row depends on the rows beside it" in run.log.read_text()


def test_one_request_s_failure_is_not_its_neighbours(tmp_path: Path) -> None:
    """A gather by index: an index out of range fails the whole run, and then only the request that had it."""
    folder = served.save(
        tmp_path / "gather",
        [helper.make_node("Gather", ["table", "x"], ["y"], axis=0)],
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.arange(4, dtype=np.float32), "table")],
    )
    (folder / "model.toml").write_text(served.TENSORS + "[serving]\nmax_delay_ms = 300\n")
    with served.serving(folder) as run, ThreadPoolExecutor(8) as pool:
        asked = [0, 1, 99, 3, 2]
        answers = list(pool.map(lambda at: run.infer("gather", tensor([at], datatype="INT64")), asked))
        assert [answer.status for answer in answers] == [200, 200, 400, 200, 200]
        assert "indices element out of data bounds" in answers[2].error
        assert answers[3].json["outputs"][0]["data"] == [3.0]


def test_different_outputs_and_shapes_are_not_mixed(tmp_path: Path) -> None:
    folder = served.echo(tmp_path / "echo", {"FP32": TensorProto.FLOAT})
    (folder / "model.toml").write_text(served.TENSORS + "[serving]\nmax_delay_ms = 200\n")
    with served.serving(folder) as run, ThreadPoolExecutor(9) as pool:
        widths = [1, 2, 3] * 3
        asked = [tensor([[float(width)] * width], name="in_FP32") for width in widths]
        answers = list(pool.map(lambda one: run.infer("echo", one), asked))
        assert [answer.json["outputs"][0]["shape"] for answer in answers] == [[1, width] for width in widths]


# --- too much --------------------------------------------------------------------------------------


def test_a_full_queue_answers_503_with_when_to_come_again(tmp_path: Path) -> None:
    manifest = served.TENSORS + "[serving]\nmax_batch = 1\nmax_queue = 2\n"
    with served.serving(served.slow(tmp_path / "slow", manifest=manifest)) as run:
        answers = together(run, "slow", 16)
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert "requests are waiting, the most that may" in refused[0].error
        errors = run.metric('cloudai_serve_errors_total{model="slow",status="503",version="1"}')
        assert errors == len(refused)


def test_too_many_requests_at_a_time_answer_503_before_their_bodies_are_read(tmp_path: Path) -> None:
    with served.serving(served.slow(tmp_path / "slow"), "--max-requests", "2") as run:
        answers = together(run, "slow", 12)
        assert {answer.status for answer in answers} == {200, 503}
        assert any("requests are being answered, the most at a time" in answer.body.decode() for answer in answers)


def test_a_request_that_waited_longer_than_it_may_is_a_504(tmp_path: Path) -> None:
    manifest = served.TENSORS + "[serving]\nmax_batch = 1\n"
    with served.serving(served.slow(tmp_path / "slow", turns=60, manifest=manifest)) as run:
        answers = together(run, "slow", 8, parameters={"timeout": 50_000})  # microseconds; a run takes longer
        assert {answer.status for answer in answers} == {200, 504}


def test_health_is_answered_while_a_long_run_computes(tmp_path: Path) -> None:
    with served.serving(served.slow(tmp_path / "slow", turns=100)) as run, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run.infer, "slow", tensor([ROW]))
        seen = 0
        while not asked.done():
            assert run.ask("/v2/health/ready").status == 200
            seen += 1
        assert asked.result().status == 200
        assert seen > 3


# --- the end ---------------------------------------------------------------------------------------


def test_sigterm_answers_what_it_has_taken_and_ends_with_0(tmp_path: Path) -> None:
    manifest = served.TENSORS + "[serving]\nmax_batch = 1\n"
    slow = served.slow(tmp_path / "slow", turns=40, manifest=manifest)  # all six are there before one is answered
    with served.serving(slow) as run, ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(run.infer, "slow", tensor([[float(number)] * 4])) for number in range(6)]
        until(lambda: run.metric("cloudai_serve_requests_in_flight") == 6)
        run.process.terminate()
        answers = [one.result() for one in asked]
        assert [answer.status for answer in answers] == [200] * 6
        assert run.process.wait(60) == 0


def test_readiness_is_denied_while_requests_are_still_taken(tmp_path: Path) -> None:
    with served.serving(served.scale(tmp_path / "m", 2), "--drain-delay", "30") as run:
        run.process.terminate()
        until(lambda: run.ask("/v2/health/ready").status == 503)
        assert run.ask("/v2/health/live").status == 200
        assert run.ask("/v2/models/m/ready").status == 503
        assert run.infer("m", tensor([ROW])).status == 200
        run.process.terminate()  # a second signal does not wait
        assert run.process.wait(25) == 0  # the delay is 30 s


# --- reload ----------------------------------------------------------------------------------------


def first(answer: Answer) -> float:
    return answer.json["outputs"][0]["data"][0]


def test_a_changed_folder_is_loaded_while_requests_go_on_and_none_fails(tmp_path: Path) -> None:
    folder = served.scale(tmp_path / "models" / "m", 2)
    with served.serving(tmp_path / "models", "--reload", "0.1") as run:
        seen: list[tuple[int, float]] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                answer = run.infer("m", tensor([ROW]))
                seen.append((answer.status, first(answer)))

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: len(seen) > 20)
        served.scale(folder, 5)
        until(lambda: seen[-1][1] == 5.0)
        stop.set()
        asking.join()
        assert {status for status, _ in seen} == {200}
        assert {value for _, value in seen} == {2.0, 5.0}


def test_models_and_versions_come_and_go(tmp_path: Path) -> None:
    models = tmp_path / "models"
    served.scale(models / "m" / "1", 1)
    with served.serving(models, "--reload", "0.1") as run:
        served.scale(models / "m" / "2", 2)
        until(lambda: first(run.infer("m", tensor([ROW]))) == 2.0)
        assert first(run.ask("/v2/models/m/versions/1/infer", {"inputs": [tensor([ROW])]})) == 1.0
        served.scale(models / "other", 3)
        until(lambda: run.infer("other", tensor([ROW])).status == 200)
        shutil.rmtree(models / "m" / "2")
        until(lambda: first(run.infer("m", tensor([ROW]))) == 1.0)
        assert run.ask("/v2/models/m/versions/2/ready").status == 404


def test_a_broken_change_leaves_the_loaded_model_in_its_place_and_is_told(tmp_path: Path) -> None:
    folder = served.scale(tmp_path / "models" / "m", 2)
    with served.serving(tmp_path / "models", "--reload", "0.1") as run:
        (folder / "model.onnx").write_bytes(b"\x08\x08garbage")
        until(lambda: "the loaded one stays" in run.log.read_text())
        assert first(run.infer("m", tensor([ROW]))) == 2.0
        served.scale(tmp_path / "models" / "new", 2, manifest="task = 7\n")
        until(lambda: run.ask("/v2/models/new/infer", {}).status == 503)
        assert "task = 7" in run.ask("/v2/models/new/infer", {}).error
        index = json.loads(run.ask("/v2/repository/index", {}).body)
        states = {model["name"]: (model["state"], model["reason"]) for model in index}
        assert [state for state, _ in states.values()] == ["READY", "UNAVAILABLE"]
        assert "its change can't be loaded" in states["m"][1]
        assert "task = 7" in states["new"][1]
        assert run.ask("/v2/health/ready").status == 200


def test_a_folder_that_is_away_is_told_once_and_its_models_answer_on(tmp_path: Path) -> None:
    served.scale(tmp_path / "models" / "m", 2)
    with served.serving(tmp_path / "models", "--reload", "0.05") as run:
        (tmp_path / "models").rename(tmp_path / "away")
        until(lambda: "can't be looked at" in run.log.read_text())
        assert first(run.infer("m", tensor([ROW]))) == 2.0
        (tmp_path / "away").rename(tmp_path / "models")
        served.scale(tmp_path / "models" / "other", 3)
        until(lambda: run.infer("other", tensor([ROW])).status == 200)
        assert run.log.read_text().count("can't be looked at") == 1


def test_a_model_is_unloaded_and_loaded_by_name(tmp_path: Path) -> None:
    served.scale(tmp_path / "models" / "m", 2)
    with served.serving(tmp_path / "models", "--reload", "0") as run:
        assert run.ask("/v2/repository/models/m/unload", {}).status == 200
        assert run.infer("m", tensor([ROW])).status == 404
        assert json.loads(run.ask("/v2/repository/index", {"ready": True}).body) == []
        assert run.ask("/v2/repository/models/m/load", {}).status == 200
        assert run.infer("m", tensor([ROW])).status == 200
        assert run.ask("/v2/repository/models/nobody/load", {}).status == 404


def classifier(folder: Path, manifest: Path, labels: int) -> None:
    """Pictures of 2 x 2 pixels to four numbers; `labels` names in a file beside the manifest."""
    served.save(
        folder,
        [helper.make_node("Flatten", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    )
    image = '[input]\nsize = [2, 2]\ncolor = "L"\n[output]\nactivation = "softmax"\n'
    text = 'task = "classify"\nlabels = "labels.txt"\n' + image
    manifest.mkdir(parents=True, exist_ok=True)
    (manifest / "model.toml").write_text(text)
    (manifest / "labels.txt").write_text("".join(f"label {number}\n" for number in range(labels)))


def test_a_triton_repository_is_served_with_its_one_manifest_and_labels(tmp_path: Path) -> None:
    name = tmp_path / "models" / "tiny"
    classifier(name / "1", name, 4)
    with served.serving(tmp_path / "models") as run:
        answer = run.infer("tiny", tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        assert (answer.status, answer.json["model_version"]) == (200, "1")
        assert answer.json["outputs"][0]["data"] == ROW
    (name / "labels.txt").write_text("only one\n")
    assert "names 1 labels; the graph answers 4 classes" in refused(tmp_path / "models")


# --- keys ------------------------------------------------------------------------------------------


def test_beyond_this_machine_a_key_is_needed_to_start(tmp_path: Path) -> None:
    done = refused(served.scale(tmp_path / "m", 2), "--host", "0.0.0.0")
    assert "callers need a key: set CLOUDAI_SERVE_KEY" in done
    short = tmp_path / "key"
    short.write_text("secret\n")
    assert "needs 16 ASCII characters" in refused(tmp_path / "m", "--host", "0.0.0.0", "--key-file", str(short))


def test_with_a_key_everything_but_health_needs_it(tmp_path: Path) -> None:
    with served.serving(served.scale(tmp_path / "m", 2), "--host", "0.0.0.0", key=KEY) as run:
        assert run.infer("m", tensor([ROW])).status == 200
        for headers in ({"X_API_Key": KEY, "Authorization": ""}, {"Authorization": f"Bearer {KEY}"}):
            assert run.ask("/v2", **headers).status == 200
        for wrong in ("", "Bearer", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Basic {KEY}"):
            for path in ("/v2", "/v2/models/m", "/v2/models/m/infer", "/metrics", "/openapi.json", "/docs"):
                answer = run.ask(path, Authorization=wrong)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert run.ask("/v2/health/ready", Authorization=wrong).status == 200
        assert KEY not in run.log.read_text()


def test_a_web_page_s_own_name_gets_nothing(tmp_path: Path) -> None:
    with served.serving(served.scale(tmp_path / "m", 2)) as run:
        for path in ("/v2/models/m/infer", "/v2", "/metrics"):
            assert run.ask(path, Host="rebound.example:8080").status == 403
        assert run.ask("/v2", Host="localhost:1234").status == 200


# --- metrics ---------------------------------------------------------------------------------------


def test_metrics_are_prometheus_and_have_quantiles_per_model(tmp_path: Path) -> None:
    served.scale(tmp_path / "models" / "a", 2)
    served.scale(tmp_path / "models" / "b", 2)
    with served.serving(tmp_path / "models") as run:
        for _ in range(5):
            run.infer("a", tensor([ROW]))
        run.infer("a", tensor([ROW], datatype="INT8"))
        run.infer("invented", tensor([ROW]))
        families = {family.name: family for family in text_string_to_metric_families(run.ask("/metrics").body.decode())}
        for name in ("request_seconds", "queue_seconds", "run_seconds", "batch_rows"):
            assert families[f"cloudai_serve_{name}"].type == "histogram"
        buckets = [
            sample
            for sample in families["cloudai_serve_request_seconds"].samples
            if sample.name.endswith("_bucket") and sample.labels["model"] == "a"
        ]
        counts = [sample.value for sample in buckets]
        assert counts == sorted(counts)
        assert counts[-1] == 6
        errors = {
            (sample.labels["model"], sample.labels["status"])
            for sample in families["cloudai_serve_errors"].samples
            if sample.name.endswith("_total")
        }
        assert errors == {("a", "400"), ("", "404")}


# --- starts that must not succeed ------------------------------------------------------------------


def refused(folder: Path, *arguments: str) -> str:
    """What it says when it ends with 2."""
    done = subprocess.run(served.command(folder, *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_corrupt_graph_is_told_with_its_file(tmp_path: Path) -> None:
    folder = served.scale(tmp_path / "m", 2)
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])
    assert f"{folder}/model.onnx is not an ONNX model" in refused(folder)
    (folder / "model.onnx").write_bytes(b"\x80\x04pickle")
    assert "a Python pickle" in refused(folder)


def test_shapes_that_do_not_fit_each_other_are_told(tmp_path: Path) -> None:
    folder = served.save(
        tmp_path / "m",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.ones((5, 4), np.float32), "w")],
    )
    (folder / "model.toml").write_text(served.TENSORS)
    assert "onnxruntime can't load model.onnx" in refused(folder)


def test_a_manifest_that_the_graph_does_not_keep_is_told(tmp_path: Path) -> None:
    folder = served.scale(tmp_path / "m", 2, rows=1)
    (folder / "model.toml").write_text(served.TENSORS + "[serving]\nmax_batch = 8\n")
    assert "[serving] max_batch = 8, but not all inputs and outputs" in refused(folder)
    (folder / "model.toml").write_text(served.TENSORS + "[serving]\nmax_bach = 8\n")
    assert "serving.max_bach: unknown key" in refused(folder)


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    folder = served.scale(tmp_path / "m", 2)
    model = onnx.load(folder / "model.onnx")
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret.bin")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "secret.bin").write_bytes(b"\0" * 4)
    assert "leaves the model's folder" in refused(folder)


def test_an_operator_that_nobody_has_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    graph = helper.make_graph(
        [helper.make_node("Conjure", ["x"], ["y"], domain="com.example")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    folder.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "model.onnx")
    (folder / "model.toml").write_text(served.TENSORS)
    assert "com.example" in refused(folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "70000"), "a number from 0 to 65535"),
        (("--provider", "aws"), "has no engine for models"),
        (("--provider", "nobody"), "unknown provider 'nobody'"),
        (("--threads", "0"), "no number of 1 or more"),
        (("--reload", "often"), "no number of seconds"),
    ],
)
def test_wrong_arguments_are_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = subprocess.run(
        served.command(served.scale(tmp_path / "m", 2), *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode in (1, 2)
    assert words in done.stderr


def test_no_folder_and_an_empty_one_are_told(tmp_path: Path) -> None:
    assert "is no folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no models" in refused(tmp_path / "empty")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"can't listen on 127.0.0.1:{port}" in refused(served.scale(tmp_path / "m", 2), "--port", port)


def test_a_gpu_that_is_not_there_is_told_with_what_to_install(tmp_path: Path) -> None:
    """On a machine with a GPU none of it is visible to the process."""
    done = subprocess.run(
        served.command(served.scale(tmp_path / "m", 2), "--device", "cuda"),
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "CUDAExecutionProvider" in done.stderr


# --- connections -----------------------------------------------------------------------------------


def test_answers_in_two_pieces_do_not_wait_for_each_other_s_acknowledgement_on_asyncio_s_own_loop(
    tmp_path: Path,
) -> None:
    """Head and body are written one after the other: without TCP_NODELAY the body waits 40 ms for the client."""

    async def accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen(ServeSettings(folder=tmp_path, port=0)) as listener:
            server = await asyncio.start_server(connected, sock=listener)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            await reader.read()
            writer.close()
            server.close()
        return await found

    assert asyncio.run(accepted()) == 1


def test_a_client_that_goes_away_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    with served.serving(served.slow(tmp_path / "slow")) as run:
        body = json.dumps({"inputs": [tensor([ROW])]}).encode()
        for cut in (10, len(body)):
            connection = http.client.HTTPConnection(*run.address, timeout=30)
            connection.putrequest("POST", "/v2/models/slow/infer")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[:cut])
            connection.close()
        assert run.infer("slow", tensor([ROW])).status == 200
        until(lambda: run.metric("cloudai_serve_requests_in_flight") == 0)
        assert "Traceback" not in run.log.read_text()


def test_nothing_is_kept_of_requests(tmp_path: Path) -> None:
    """Resident memory after many requests is what it was after few."""
    with served.serving(served.scale(tmp_path / "m", 2, width=10_000)) as run:
        x = tensor([[0.5] * 10_000])
        for _ in range(200):
            run.infer("m", x)
        before = resident(run)
        for _ in range(600):
            assert run.infer("m", x).status == 200
        assert resident(run) < before * 1.1


def resident(run: Served) -> int:
    status = Path(f"/proc/{run.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
