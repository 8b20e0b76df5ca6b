"""What a call of the gcp driver costs over its bare transport, sync and async, 1 and 32 concurrent.

Run it as a program: `python tests/bench/bench_gcp_call.py`. It asserts nothing. The server, in a process of its own,
answers every request with the same few bytes. `client` is `client.translation.translate` with guard, route, policy,
credentials, codec, price and envelope; `transport` is `cloudai.http` alone with the same request; `httpx` is one plain
`httpx.Client` or `httpx.AsyncClient`. Figures are of the best of three rounds, taken in turns.

2026-11-21, two busy cores, Python 3.11, httpx 0.28.1, aiohttp 3.14.5:

    sync       1: httpx 472 us, transport 466 us, client 584 us
    async      1: httpx 1116/s, transport 4724/s, client 2405/s; client adds 204 us
    async     32: httpx 408/s, transport 11548/s, client 3558/s; client adds 194 us
    async     64: httpx 500/s, transport 10594/s, client 3708/s; client adds 175 us
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.http import AsyncTransport, HttpSettings, Transport, WireRequest

CALLS = 1_000
HERE = Origin(place="bench")
BODY = b'{"contents":["hello"],"mimeType":"text/plain","targetLanguageCode":"de","sourceLanguageCode":"en"}'
SERVER = r"""
import asyncio
BODY = b'{"translations":[{"translatedText":"x"}]}'
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


def config(url: str, folder: Path) -> Config:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "a@p.iam.gserviceaccount.com",
        "token_uri": url,
    }
    (folder / "account.json").write_text(json.dumps(account))
    values = {"provider": "gcp", "endpoint_url": url, "credentials_file": str(folder / "account.json")}
    backend = BackendConfig(name="g", provider="gcp", values=values, origin=HERE)
    route = Route(pattern="*", backends=("g",), origin=HERE)
    return Config(source=None, backends={"g": backend}, routes=(route,), policy=Policy())


def sync(url: str, made: Config) -> None:
    request = WireRequest(method="POST", url=url, headers={"content-type": "application/json"}, body=BODY)
    transport = Transport(HttpSettings(provider="bench"))
    with Client(made) as client, httpx.Client() as plain:
        asked: dict[str, Callable[[], object]] = {
            "httpx": lambda: plain.post(url, content=BODY),
            "transport": lambda: transport.send(request, timeout=10),
            "client": lambda: client.translation.translate("hello", source="en", target="de"),
        }
        best = dict.fromkeys(asked, float("inf"))
        for _ in range(3):
            for name, call in asked.items():
                call()
                start = time.perf_counter()
                for _ in range(CALLS):
                    call()
                best[name] = min(best[name], (time.perf_counter() - start) / CALLS)
    transport.close()
    print("sync       1:", ", ".join(f"{name} {1e6 * value:.0f} us" for name, value in best.items()))


async def concurrent(url: str, made: Config, tasks: int) -> None:
    request = WireRequest(method="POST", url=url, headers={"content-type": "application/json"}, body=BODY)
    transport = AsyncTransport(HttpSettings(provider="bench"))
    async with AsyncClient(made) as client, httpx.AsyncClient() as plain:
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "httpx": lambda: plain.post(url, content=BODY),
            "transport": lambda: transport.send(request, timeout=10),
            "client": lambda: client.translation.translate("hello", source="en", target="de"),
        }
        best = dict.fromkeys(asked, float("inf"))
        for _ in range(3):
            for name, call in asked.items():
                await call()
                best[name] = min(best[name], await once(call, tasks))
    await transport.close()
    rates = ", ".join(f"{name} {1 / value:.0f}/s" for name, value in best.items())
    print(f"async {tasks:6}: {rates}; client adds {1e6 * (best['client'] - best['transport']):.0f} us")


async def once(call: Callable[[], Awaitable[object]], tasks: int) -> float:
    left = iter(range(CALLS))

    async def work() -> None:
        for _ in left:
            await call()

    start = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(tasks)])
    return (time.perf_counter() - start) / CALLS


def main() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        with tempfile.TemporaryDirectory() as folder:
            made = config(url, Path(folder))
            sync(url, made)
            for tasks in (1, 32, 64):
                asyncio.run(concurrent(url, made, tasks))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
