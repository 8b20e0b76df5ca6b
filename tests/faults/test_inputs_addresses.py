"""No address, however it is written, leads a fetch into the network it stands in.

Connections are counted where they would be made: at `socket.connect` of this process (an audit hook), and by what
a server on the loopback sees.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.calls.addresses import is_public, resolve
from cloudai.calls.media import InputGuard, load
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.types.media import MediaKind

CONNECTED: list[object] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        CONNECTED.append(arguments[1])


sys.addaudithook(_audit)

INTERNAL = [
    # loopback, in every spelling that a resolver takes
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0x7f.1", "0x7f000001", "2130706433", "017700000001",
    "0177.0.0.1", "0x7f.0x0.0x0.0x1", "0177.0x0.1", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.",
    "127.0.0.1.", "①②⑦.0.0.1", "127。0。0。1", "%31%32%37.0.0.1",
    # private, shared, link-local, metadata
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1.1", "3232235777",
    "0xc0.0xa8.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe",
    "0251.0376.0251.0376", "169.254.43518", "168.63.129.16", "192.0.0.192", "metadata.google.internal",
    "metadata.google.internal.", "metadata", "instance-data",
    # documentation, benchmark, multicast, reserved, broadcast, relays
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "192.88.99.1",
    # IPv6, and IPv4 within it
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]",
    "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]",
    "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]",
    "[2606:4700::5efe:127.0.0.1]",
]  # fmt: skip
WRITTEN = [
    "https://user:password@127.0.0.1/a.png",
    "https://example.com@127.0.0.1/a.png",
    "https://example.com:443@127.0.0.1/a.png",
    "https://127.0.0.1\\@example.com/a.png",
    "https://127.0.0.1#@example.com/a.png",
    "https://127.0.0.1?@example.com/",
    "https:///127.0.0.1/a.png",
    "https://127.0.0.1:99999/a.png",
    "https://127.0.0.1:0/a.png",
    "https://[::1/a.png",
    "https://[127.0.0.1]/a.png",
    "https://127.0.0.1%00.example.com/a.png",
    "https://127.0.0.1\r\nHost: example.com/a.png",
    "https://127.0.0.1\t/a.png",
    "https:// 127.0.0.1/a.png",
    "https://.../a.png",
    "https://-/a.png",
    "https://" + "a" * 300 + ".example/a.png",
    "http://127.0.0.1/a.png",
    "http://example.com/a.png",
    "HTTP://127.0.0.1/a.png",
    "https+unix://%2Fvar%2Frun%2Fdocker.sock/a",
    "unix:///var/run/docker.sock",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stats",
    "ftp://127.0.0.1/a.png",
    "ldap://127.0.0.1/a",
    "jar:https://127.0.0.1/a.png!/",
]
VECTORS = [f"https://{host}/latest/meta-data/?token=hush" for host in INTERNAL]
VECTORS += [f"https://{host}:8443/a.png" for host in INTERNAL[:10]] + WRITTEN


@pytest.fixture(autouse=True)
def no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names go nowhere, `localhost` and everything numeric are the C library's: tests don't depend on a network."""
    real = socket.getaddrinfo

    def local(host: str, port: int, *arguments: int, **more: int) -> object:
        with contextlib.suppress(socket.gaierror):
            return real(host, port, flags=socket.AI_NUMERICHOST, **more)
        if host.lower().rstrip(".") == "localhost":
            return real("127.0.0.1", port, **more)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", local)


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port of the loopback, and everything that connects to it."""
    seen: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, peer = server.accept()
                    seen.append(peer)
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], seen
        stop.set()
        thread.join()


def test_there_are_enough_vectors() -> None:
    assert len(set(VECTORS)) >= 100


@pytest.mark.parametrize("address", VECTORS)
def test_no_vector_connects_to_anything(address: str) -> None:
    CONNECTED.clear()
    with pytest.raises(InvalidInput) as caught:
        load(address, MediaKind.IMAGE, guard=InputGuard(), timeout=5.0)
    assert CONNECTED == []
    assert "hush" not in str(caught.value)
    assert "password" not in str(caught.value).replace("user or password", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "localhost."])
def test_a_listening_port_of_this_machine_is_never_reached(host: str, listener: tuple[int, list[object]]) -> None:
    port, seen = listener
    with pytest.raises(InvalidInput, match="is not on the public internet"):
        load(f"https://{host}:{port}/a.png", MediaKind.IMAGE, guard=InputGuard())
    assert seen == []


def test_a_refusal_does_not_tell_which_address_a_name_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.1.2.3", 443))])
    with pytest.raises(InvalidInput) as caught:
        load("https://inside.example/a.png", MediaKind.IMAGE, guard=InputGuard())
    assert "10.1.2.3" not in str(caught.value)


def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(InvalidInput):
        resolve("mixed.example", 443, any_address=False)
    assert resolve("mixed.example", 443, any_address=True) == ("93.184.216.34", "10.0.0.1")


def test_an_unknown_name_is_not_found_and_a_silent_resolver_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve("nowhere.invalid", 443, any_address=False)
    assert caught.value.code is ErrorCode.NOT_FOUND

    def later(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", later)
    with pytest.raises(CloudAIError) as again:
        resolve("example.com", 443, any_address=False)
    assert (again.value.code, again.value.retryable) == (ErrorCode.UNAVAILABLE, True)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::8.8.8.8"],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_an_internal_address_stays_internal_in_every_wrapping(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrapped = [
        number | 0xFFFF << 32,  # mapped
        number,  # compatible
        number | 0x64FF9B << 96,  # NAT64
        number << 80 | 0x2002 << 112,  # 6to4
        (number ^ 0xFFFFFFFF) | 0x20010000 << 96,  # Teredo
        number | 0x5EFE << 32 | 0x2606_4700 << 96,  # ISATAP
    ]
    assert not is_public(str(address))
    for form in wrapped:
        assert not is_public(str(ipaddress.IPv6Address(form)))


@given(st.ip_addresses(v=6))
def test_no_address_outside_global_unicast_is_public(address: ipaddress.IPv6Address) -> None:
    if is_public(str(address)):
        embedded = int(address) >> 32 in (0x64FF9B << 64, 0xFFFF)
        assert embedded or int(address) >> 125 == 1


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "::g", "fe80::1%eth0"])
def test_what_is_not_an_address_is_not_public(text: str) -> None:
    assert not is_public(text)
