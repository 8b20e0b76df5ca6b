"""`cloudai serve` beside a bare Starlette and ONNX Runtime app, MLServer, KServe and LitServe.

    [SERVING_PYTHON=PYTHON] python tests/bench/bench_serve.py [--peers FOLDER] [--seconds S] [PART ...]

Parts: `small` (CPU per request, p50, p99), `batching`, `binary`, `start`, `overload`, `memory`; all by default.
`gpu` (CPU and GPU on the largest network) only when it is named.
PYTHON is the one with cloudai in it that serves, such as one with `cloudai[serve]` alone; this one's otherwise.
FOLDER holds a virtual environment per peer: `mlserver`, `kserve`, `litserve`, each with `onnxruntime` beside it.
Servers run on core 0, the clients on core 1, one ONNX Runtime thread each; CPU is the server's own processes' time, so
that what else the machine does is not in it. Rounds go through the servers in turn. It asserts nothing.

2026-11-21, two cores of an AMD EPYC, Python 3.11, onnxruntime 1.31.1, uvicorn 0.54, MLServer 1.7.1, KServe 0.21.0,
LitServe 0.2.19. Others built on the machine (load 2 to 3); the scheduler preferred the bench's processes, all of them
alike. Times of the clock vary with what else runs; CPU does so less. The others run on uvloop.

    small, JSON      p50 at 1   CPU at 32      rate    p99 at 32
    cloudai          0.285 ms      146 us    6649/s       8.2 ms    `cloudai[serve]` alone, on asyncio's own loop
    bare             0.305 ms      188 us    5364/s      14.6 ms    cloudai: CPU x0.64, p50 x0.99
    bare, orjson     0.220 ms      164 us    5689/s      12.0 ms           x0.81             x1.27
    mlserver         0.842 ms      767 us    1244/s     223.0 ms           x0.19             x0.40
    kserve           0.722 ms      811 us    1202/s      45.7 ms           x0.17             x0.34
    litserve         1.397 ms     1409 us     700/s      79.0 ms           x0.12             x0.25

    cloudai          0.257 ms       91 us   10704/s       5.2 ms    `cloudai[serve-fast]`: uvloop
    bare             0.262 ms      170 us    5650/s      11.6 ms    cloudai: CPU x0.49, p50 x1.18
    bare, orjson     0.216 ms      131 us    7454/s      10.2 ms           x0.69             x1.39
    mlserver         0.694 ms      745 us    1273/s     300.8 ms           x0.11             x0.40

    batching, 32 clients, joined over one by one; bars 1.5, 4.5, 0.97. The client takes 40% of its core or less
                     by the clock        by CPU   CPU each
    digits, bytes    x1.55 (1.47-1.81)   x1.59      77,  127 us    784-512-512-10: a run takes 49 us, joined 15
    digits, JSON     x1.20 (0.95-1.31)   x1.23     141,  179 us    16 kB of numbers to read
    small, bytes     x1.19 (0.93-1.82)   x1.21      57,   69 us    64-128-10: a run takes 9 us, joined 1.5
    small, JSON      x1.16 (1.02-1.56)   x1.16      83,  101 us
    wide, bytes      x5.20 (4.98-5.81)   x5.15     350, 1835 us    3 x 2,048
    resnet, bytes    x1.05 (0.99-1.13)   x1.05    both one by one: larger batches were found to be slower
    Repeated, load 7: digits in bytes x1.46 and x1.54, by CPU x1.61 both times. Without uvloop the gain is of a larger
    whole: x1.33, x1.39 and x1.61, by CPU x1.35, x1.42 and x1.68, 88 to 98 us each; in JSON x1.36; small x1.06

    binary, 602,112 bytes to `resnet`: x1.031 of the call in process, by CPU x1.029; 1.028 on a quiet machine; bar 1.03
    start: 0.49 s (0.44-0.67) on a quiet machine; bar 0.6
    overload, `wide`, a queue of 64: 32 clients 2,475/s, p99 20 ms; 256 clients 2,426/s, p99 62 ms, 54% refused at once
    memory: 87.7 MB at first, 88.4 after 20,000 requests, 89.5 after 200,000
    install: 31 MB above numpy and ONNX Runtime, 50 with Python's bytecode; bar 40. rich and Pygments 11, cloudai 14,
        pydantic 9, PyYAML 3. uvloop (`cloudai[serve-fast]`) would be 14 more
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import serve_nets
import serve_peers

SERVER_CORE, CLIENT_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
PYTHON = os.environ.get("SERVING_PYTHON", sys.executable)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


# --- servers ---------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Server:
    """A running server."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    started: float
    """Seconds until it was ready."""

    def cpu(self) -> float:
        """Seconds of user and system time of it and all its descendants."""
        ticks = sum(_ticks(pid) for pid in _tree(self.process.pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MB of the process itself."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [pid]
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children = thread / "children"
            for child in children.read_text().split():
                found += _tree(int(child))
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], port: int, ready: str, folder: Path, *, cores: str = str(SERVER_CORE)
) -> Iterator[Server]:
    """Pinned to the servers' core, until the block ends."""
    log = (folder / f"{name}.log").open("wb")
    start = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", cores, *command],
        stdout=log,
        stderr=log,
        cwd=folder,
        env={**os.environ, **ONE_THREAD},
        start_new_session=True,
    )
    try:
        _wait(f"http://127.0.0.1:{port}{ready}", process, folder / f"{name}.log")
        yield Server(name=name, process=process, port=port, started=time.perf_counter() - start)
    finally:
        log.close()
        for pid in reversed(_tree(process.pid)):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in _tree(process.pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"{url} did not start:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def ours(
    folder: Path, models: Path, *arguments: str, name: str = "cloudai"
) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    command = [PYTHON, "-m", "cloudai", "serve", str(models), "--port", str(port), "--threads", "1", *arguments]
    return running(name, command, port, "/v2/health/ready", folder)


# --- clients ---------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Load:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    """Of each answer of 200."""
    refused: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    """Of the server."""
    client: float = 0.0
    """CPU seconds of the client itself: near `wall`, it is what is measured."""

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.wall

    @property
    def cpu_each(self) -> float:
        """Microseconds."""
        return self.cpu / max(1, len(self.seconds) + self.refused) * 1e6

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1e3 if self.seconds else float("nan")


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer; as little work as can be."""

    def __init__(self, request: bytes, load: Load, until: Callable[[], bool], pause: float = 0.0) -> None:
        self._request, self._load, self._until, self._pause = request, load, until, pause
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left, self._buffer, self._good = -1, b"", True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._send()

    def _send(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            self._good = head[9:12] == b"200"
            length = int(head.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
            self._left, self._buffer = length - (len(self._buffer) - end - 4), b""
        else:
            self._left -= len(data)
        if self._left == 0:
            self._left = -1
            self._answered()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def _answered(self) -> None:
        if self._good:
            self._load.seconds.append(time.perf_counter() - self._begun)
        else:
            self._load.refused += 1
        if self._until():
            self.done.set_result(None)
            self._transport.close()
        elif self._pause and not self._good:
            asyncio.get_running_loop().call_later(self._pause, self._send)
        else:
            self._send()


def post(path: str, body: bytes, **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def as_json(x: np.ndarray) -> bytes:
    given = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.reshape(-1).tolist()}
    return json.dumps({"inputs": [given]}).encode()


def as_bytes(path: str, x: np.ndarray) -> bytes:
    given = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "parameters": {"binary_data_size": x.nbytes}}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    return post(path, head + x.tobytes(), Inference_Header_Content_Length=str(len(head)))


def load(
    server: Server, request: bytes, *, clients: int, seconds: float = 0.0, requests: int = 0, pause: float = 0.0
) -> Load:
    """For so long, or so many."""
    import uvloop

    found = Load()

    async def all_of_them() -> None:
        loop = asyncio.get_running_loop()
        end = time.perf_counter() + seconds if seconds else float("inf")
        most = requests or sys.maxsize

        def over() -> bool:
            return time.perf_counter() >= end or len(found.seconds) + found.refused >= most - clients + 1

        before, begun, own = server.cpu(), time.perf_counter(), time.process_time()
        made = [
            await loop.create_connection(lambda: Client(request, found, over, pause), "127.0.0.1", server.port)
            for _ in range(clients)
        ]
        await asyncio.gather(*(client.done for _, client in made))
        found.wall, found.cpu = time.perf_counter() - begun, server.cpu() - before
        found.client = time.process_time() - own

    os.sched_setaffinity(0, {CLIENT_CORE})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_of_them())
    return found


# --- parts -----------------------------------------------------------------------------------------


def small(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """One row in JSON to a small perceptron, all servers in turn."""
    body = as_json(np.random.default_rng(0).random((1, 64), np.float32))
    with contextlib.ExitStack() as stack:
        servers: list[tuple[Server, bytes]] = []
        path = "/v2/models/small/infer"
        servers.append(
            (stack.enter_context(ours(folder, models / "small")), post(path, body, Content_Type="application/json"))
        )
        for peer in serve_peers.PEERS:
            python = (
                sys.executable if peer.name.startswith("bare") else str((peers or Path()) / peer.name / "bin/python")
            )
            if not Path(python).exists() or (peers is None and not peer.name.startswith("bare")):
                print(f"{peer.name}: no environment")
                continue
            port = free_port()
            command = peer.command(python, folder, models / "small" / "model.onnx", port)
            server = stack.enter_context(running(peer.name, command, port, peer.ready, folder))
            servers.append((server, post(peer.path, peer.body(body), Content_Type="application/json")))
        single: dict[str, list[float]] = {}
        busy: dict[str, list[Load]] = {}
        for turn in range(6):
            for server, request in servers:
                one = load(server, request, clients=1, seconds=seconds / 4)
                many = load(server, request, clients=32, seconds=seconds / 2)
                if turn:  # the first is to warm up
                    single.setdefault(server.name, []).append(one.quantile(0.5))
                    busy.setdefault(server.name, []).append(many)
    print(f"{'small, JSON':14} {'p50 at 1':>10} {'CPU at 32':>11} {'rate':>9} {'p50':>8} {'p99':>8}")
    for name, loads in busy.items():
        cpu, rate = median(one.cpu_each for one in loads), median(one.rate for one in loads)
        p50, p99 = median(one.quantile(0.5) for one in loads), median(one.quantile(0.99) for one in loads)
        print(f"{name:14} {median(single[name]):7.3f} ms {cpu:8.0f} us {rate:7.0f}/s {p50:5.1f} ms {p99:5.1f} ms")
    for name in busy:
        if name != "cloudai":
            cpus = [one.cpu_each / other.cpu_each for one, other in zip(busy["cloudai"], busy[name], strict=True)]
            p50s = [one / other for one, other in zip(single["cloudai"], single[name], strict=True)]
            spread = f"{min(cpus):.2f}-{max(cpus):.2f}"
            print(f"  cloudai / {name}: CPU x{median(cpus):.2f} ({spread}), p50 x{median(p50s):.2f}")


SHAPES = {"small": (1, 64), "digits": (1, 784), "wide": (1, 64), "resnet": (1, 3, 224, 224)}
BATCHED = (
    ("small", "bytes"), ("small", "JSON"), ("digits", "bytes"), ("digits", "JSON"),
    ("wide", "bytes"), ("resnet", "bytes"),
)  # fmt: skip
"""Bytes are what tritonclient sends unless told otherwise."""


def batching(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """Requests per second of 32 clients, joined and one by one: one server twice, all else the same."""
    for name, form in BATCHED:
        alone = folder / f"alone-{name}-{form}"
        shutil.copytree(models / name, alone)
        (alone / "model.toml").write_text('task = "tensors"\n[serving]\nmax_batch = 1\n')
        x = np.random.default_rng(0).random(SHAPES[name], np.float32)
        with ours(folder, models / name, name="joined") as joined, ours(folder, alone, name="alone") as single:
            pairs: list[tuple[Load, Load]] = []
            for turn in range(8):
                pair = [(joined, name), (single, alone.name)]
                found: dict[str, Load] = {}
                for server, model in pair if turn % 2 else reversed(pair):
                    path = f"/v2/models/{model}/infer"
                    request = as_bytes(path, x) if form == "bytes" else post(path, as_json(x))
                    long = 3 * seconds if name == "resnet" else seconds
                    found[server.name] = load(server, request, clients=32, seconds=long)
                if turn:
                    pairs.append((found["joined"], found["alone"]))
        _tell_gain(f"batching, {name}, {form}", pairs)


def _tell_gain(title: str, pairs: Sequence[tuple[Load, Load]]) -> None:
    gains = [joined.rate / alone.rate for joined, alone in pairs]
    cpus = [alone.cpu_each / joined.cpu_each for joined, alone in pairs]
    print(f"{title}: x{median(gains):.2f} ({min(gains):.2f}-{max(gains):.2f}), by CPU x{median(cpus):.2f}")
    for name, loads in zip(("joined", "one by one"), zip(*pairs, strict=True), strict=True):
        rate, cpu = median(one.rate for one in loads), median(one.cpu_each for one in loads)
        busy = median(one.client / one.wall for one in loads)
        print(f"    {name:10} {rate:6.0f}/s, CPU {cpu:5.0f} us each, the client's core {busy:.0%} busy", flush=True)


def binary(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """A tensor of 600 kB to the network of ResNet-18's size, and the same call in this process, in turns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(models / "resnet" / "model.onnx", options)
    x = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
    with ours(folder, models / "resnet") as server:
        request = as_bytes("/v2/models/resnet/infer", x)
        inside, over, ratios = [], [], []
        for turn in range(9):
            os.sched_setaffinity(0, {SERVER_CORE})
            started = time.process_time()
            for _ in range(12):
                start = time.perf_counter()
                session.run(None, {"x": x})
                inside.append(time.perf_counter() - start)
            cpu = time.process_time() - started
            found = load(server, request, clients=1, requests=12)
            over += found.seconds
            if turn:
                ratios.append(found.cpu / cpu)
    words = f"x{median(over) / median(inside):.3f}, by CPU x{sum(ratios) / len(ratios):.3f}"
    print(
        f"binary, {x.nbytes:,} bytes: in process {median(inside) * 1e3:.1f} ms, "
        f"served {median(over) * 1e3:.1f} ms, {words}"
    )


def start(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """From the command to the first answer of readiness."""
    times = []
    for _ in range(9):
        with ours(folder, models / "small") as server:
            times.append((server.started, server.cpu()))
    walls, cpus = zip(*times, strict=True)
    print(f"start: {median(walls):.2f} s ({min(walls):.2f}-{max(walls):.2f}), CPU {median(cpus):.2f} s")


def overload(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """256 clients for a model whose queue takes 64; who is refused comes again after 50 ms."""
    crowded = folder / "crowded"
    shutil.copytree(models / "wide", crowded)
    (crowded / "model.toml").write_text('task = "tensors"\n[serving]\nmax_queue = 64\n')
    x = np.random.default_rng(0).random((1, 64), np.float32)
    with ours(folder, crowded) as server:
        request = as_bytes("/v2/models/crowded/infer", x)
        for clients in (32, 256):
            load(server, request, clients=clients, seconds=1)
            found = load(server, request, clients=clients, seconds=4 * seconds, pause=0.05)
            share = found.refused / (found.refused + len(found.seconds))
            print(
                f"overload, {clients} clients: {found.rate:.0f}/s answered, p50 {found.quantile(0.5):.1f} ms, "
                f"p99 {found.quantile(0.99):.1f} ms; {share:.0%} refused at once"
            )


def memory(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """Resident memory over 200,000 requests."""
    x = np.random.default_rng(0).random((1, 64), np.float32)
    with ours(folder, models / "small") as server:
        request = post("/v2/models/small/infer", as_json(x))
        seen = [server.memory()]
        for _ in range(10):
            load(server, request, clients=32, requests=20_000)
            seen.append(server.memory())
    print("memory, MB at each 20,000 requests:", " ".join(f"{value:.1f}" for value in seen))


def gpu(folder: Path, models: Path, peers: Path | None, seconds: float) -> None:
    """Requests per second of 32 clients to the network of ResNet-18's size, on the CPU's cores and on the GPU."""
    x = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
    request = as_bytes("/v2/models/resnet/infer", x)
    port = free_port()
    command = [sys.executable, "-m", "cloudai", "serve", str(models / "resnet"), "--port", str(port)]
    for device in ("cpu", "cuda"):
        command_there = [*command, "--device", device]
        cores = f"0-{(os.cpu_count() or 1) - 1}"
        with running(device, command_there, port, "/v2/health/ready", folder, cores=cores) as server:
            load(server, request, clients=32, seconds=1)
            found = load(server, request, clients=32, seconds=4 * seconds)
            print(f"{device}: {found.rate:.0f}/s, p50 {found.quantile(0.5):.1f} ms, p99 {found.quantile(0.99):.1f} ms")


PARTS = {part.__name__: part for part in (small, batching, binary, start, overload, memory, gpu)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = folder / "models"
        serve_nets.write(models)
        for part in args.parts or [name for name in PARTS if name != "gpu"]:
            PARTS[part](folder, models, args.peers, args.seconds)


if __name__ == "__main__":
    main()
