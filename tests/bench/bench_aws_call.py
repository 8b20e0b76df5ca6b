"""What a call of the aws driver costs over boto3's own client, sync and async, 1 and 32 concurrent.

Run it as a program: `python tests/bench/bench_aws_call.py`. It asserts nothing. The server, in a process of its own,
answers every request with the same few bytes. `client` is `client.translation.translate` with guard, route, policy,
codec, price and envelope; `boto3` is `translate_text` of a plain boto3 client with one attempt and as many
connections. boto3 has no async: there both sides go through threads, of the driver's own for the client and
`asyncio.to_thread` for boto3, which is given as many here; `slow` asks 64 at once of a server that thinks for 50 ms,
with asyncio's own number of threads for boto3, as it comes. Figures are of the best of six rounds, taken in turns.

2026-11-21, two cores shared with other work, Python 3.11, boto3 1.44.5:

    sync    1: boto3 704 us a call (1420/s), client 808 us a call (1238/s); client adds 103 us
    sync   32: boto3 874 us a call (1145/s), client 1026 us a call (974/s); client adds 153 us
    async   1: boto3 1087 us a call (920/s), client 1149 us a call (870/s); client adds 62 us
    async  32: boto3 836 us a call (1196/s), client 1286 us a call (777/s); client adds 450 us
    slow   64: boto3 9421 us a call (106/s), client 1412 us a call (708/s); client adds -8009 us

The sync lines were taken while the machine had two things to do at once, the async ones while it had twelve.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
import botocore.config

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route

CALLS, ROUNDS = 300, 6
MOST, AT_ONCE, THINKING = 32, 64, 0.05
HERE = Origin(place="bench")
KEY, SECRET, REGION = "AKIDBENCH", "bench/secret", "us-east-1"
SERVER = r"""
import asyncio, sys
THINKING = float(sys.argv[1])
BODY = b'{"TranslatedText":"x","SourceLanguageCode":"en","TargetLanguageCode":"de"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"
REPLY = HEAD % len(BODY) + BODY
class Talk(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.got = transport, b""
    def data_received(self, data):
        self.got += data
        while (end := self.got.find(b"\r\n\r\n")) >= 0:
            head = self.got[:end].lower()
            size = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self.got) < end + 4 + size:
                return
            self.got = self.got[end + 4 + size :]
            if THINKING:
                asyncio.get_running_loop().call_later(THINKING, self.transport.write, REPLY)
            else:
                self.transport.write(REPLY)
async def main():
    server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def config(url: str) -> Config:
    keys = {"access_key_id": KEY, "secret_access_key": SECRET}
    values = {"provider": "aws", "endpoint_url": url, "region": REGION, **keys}
    backend = BackendConfig(name="a", provider="aws", values=values, origin=HERE)
    route = Route(pattern="*", backends=("a",), origin=HERE)
    return Config(source=None, backends={"a": backend}, routes=(route,), policy=Policy())


def bare(url: str) -> Callable[[], object]:
    once = botocore.config.Config(max_pool_connections=64, retries={"mode": "standard", "total_max_attempts": 1})
    session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)
    client = session.client("translate", endpoint_url=url, config=once)
    return lambda: client.translate_text(Text="hello", SourceLanguageCode="en", TargetLanguageCode="de")


def sync(url: str, threads: int) -> None:
    with Client(config(url)) as client, ThreadPoolExecutor(threads) as pool:
        asked = {"boto3": bare(url), "client": lambda: client.translation.translate("hello", source="en", target="de")}

        def once(call: Callable[[], object]) -> float:
            start = time.perf_counter()
            if threads == 1:
                for _ in range(CALLS):
                    call()
            else:
                list(pool.map(lambda _: call(), range(CALLS)))
            return (time.perf_counter() - start) / CALLS

        for call in asked.values():
            call()
        best = dict.fromkeys(asked, float("inf"))
        for _ in range(ROUNDS):
            for name, call in asked.items():
                best[name] = min(best[name], once(call))
    report("sync", threads, best)


async def concurrent(url: str, tasks: int, kind: str = "async") -> None:
    if kind != "slow":  # as many threads as tasks: asyncio's own number depends on the cores
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST))
    plain = bare(url)
    async with AsyncClient(config(url)) as client:
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "boto3": lambda: asyncio.to_thread(plain),
            "client": lambda: client.translation.translate("hello", source="en", target="de"),
        }
        for call in asked.values():
            await call()
        best = dict.fromkeys(asked, float("inf"))
        for _ in range(ROUNDS):
            for name, call in asked.items():
                best[name] = min(best[name], await once(call, tasks))
    report(kind, tasks, best)


async def once(call: Callable[[], Awaitable[object]], tasks: int) -> float:
    left = iter(range(CALLS))

    async def work() -> None:
        for _ in left:
            await call()

    start = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(tasks)])
    return (time.perf_counter() - start) / CALLS


def report(kind: str, tasks: int, best: dict[str, float]) -> None:
    rates = ", ".join(f"{name} {1e6 * value:.0f} us a call ({1 / value:.0f}/s)" for name, value in best.items())
    print(f"{kind:5} {tasks:3}: {rates}; client adds {1e6 * (best['client'] - best['boto3']):.0f} us")


@contextmanager
def serving(thinking: float = 0.0) -> Iterator[str]:
    """A server that answers after so many seconds."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(thinking)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    with serving() as url:
        for tasks in (1, MOST):
            sync(url, tasks)
        for tasks in (1, MOST):
            asyncio.run(concurrent(url, tasks))
    with serving(THINKING) as url:
        asyncio.run(concurrent(url, AT_ONCE, "slow"))


if __name__ == "__main__":
    main()
