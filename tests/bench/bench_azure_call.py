"""What a call of the azure driver costs over its bare transport, sync and async, 1 and 32 concurrent.

Run it as a program: `python tests/bench/bench_azure_call.py`. It asserts nothing. The server, in a process of its own,
answers every request with the same few bytes. `client` is `client.translation.translate` with guard, route, policy,
codec, price and envelope; `transport` is `cloudai.http` alone with the same request; `httpx` is one plain
`httpx.Client` or `httpx.AsyncClient`. Figures are of the best of six rounds, taken in turns.

2026-11-21, two cores shared with other work, Python 3.11, httpx 0.28.1, aiohttp 3.14.5:

    sync    1: httpx 531 us, transport 602 us, client 923 us a call; client adds 321 us, 392 over httpx
    sync   32: httpx 904 us, transport 768 us, client 1017 us a call; client adds 249 us, 113 over httpx
    async   1: httpx 825 us, transport 204 us, client 366 us a call; client adds 162 us, -459 over httpx
    async  32: httpx 1878 us, transport 81 us, client 238 us a call; client adds 157 us, -1640 over httpx
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.http import AsyncTransport, HttpSettings, Transport, WireRequest

CALLS, ROUNDS, MOST = 300, 6, 32
HERE = Origin(place="bench")
KEY = "bench-key"
PATH = "/translate?api-version=2026-06-06"
BODY = b'{"inputs": [{"text": "hello", "targets": [{"language": "de"}], "textType": "Plain", "language": "en"}]}'
HEADERS = {"content-type": "application/json", "ocp-apim-subscription-key": KEY}
SERVER = r"""
import asyncio
BODY = b'{"value":[{"translations":[{"language":"de","text":"x","sourceCharacters":5}]}]}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
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
            self.transport.write(REPLY)
async def main():
    server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def config(url: str) -> Config:
    values = {"provider": "azure", "endpoint_url": url, "region": "eastus", "api_key": KEY}
    backend = BackendConfig(name="z", provider="azure", values=values, origin=HERE)
    route = Route(pattern="*", backends=("z",), origin=HERE)
    return Config(source=None, backends={"z": backend}, routes=(route,), policy=Policy())


def sync(url: str, threads: int) -> None:
    request = WireRequest(method="POST", url=url + PATH, headers=HEADERS, body=BODY)
    transport = Transport(HttpSettings(provider="bench"))
    limits = httpx.Limits(max_connections=MOST, max_keepalive_connections=MOST)
    with Client(config(url)) as client, httpx.Client(limits=limits) as plain, ThreadPoolExecutor(threads) as pool:
        asked: dict[str, Callable[[], object]] = {
            "httpx": lambda: plain.post(url + PATH, content=BODY, headers=HEADERS),
            "transport": lambda: transport.send(request, timeout=10),
            "client": lambda: client.translation.translate("hello", source="en", target="de"),
        }

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
    transport.close()
    report("sync", threads, best)


async def concurrent(url: str, tasks: int) -> None:
    request = WireRequest(method="POST", url=url + PATH, headers=HEADERS, body=BODY)
    transport = AsyncTransport(HttpSettings(provider="bench"))
    async with AsyncClient(config(url)) as client, httpx.AsyncClient() as plain:
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "httpx": lambda: plain.post(url + PATH, content=BODY, headers=HEADERS),
            "transport": lambda: transport.send(request, timeout=10),
            "client": lambda: client.translation.translate("hello", source="en", target="de"),
        }
        for call in asked.values():
            await call()
        best = dict.fromkeys(asked, float("inf"))
        for _ in range(ROUNDS):
            for name, call in asked.items():
                best[name] = min(best[name], await once(call, tasks))
    await transport.close()
    report("async", tasks, best)


async def once(call: Callable[[], Awaitable[object]], tasks: int) -> float:
    left = iter(range(CALLS))

    async def work() -> None:
        for _ in left:
            await call()

    start = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(tasks)])
    return (time.perf_counter() - start) / CALLS


def report(kind: str, tasks: int, best: dict[str, float]) -> None:
    costs = ", ".join(f"{name} {1e6 * value:.0f} us" for name, value in best.items())
    adds = {name: 1e6 * (best["client"] - best[name]) for name in ("transport", "httpx")}
    print(f"{kind:5} {tasks:3}: {costs} a call; client adds {adds['transport']:.0f} us, {adds['httpx']:.0f} over httpx")


def main() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        for tasks in (1, MOST):
            sync(url, tasks)
        for tasks in (1, MOST):
            asyncio.run(concurrent(url, tasks))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
