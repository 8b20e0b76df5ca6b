"""Which addresses a fetched input may come from: those that everybody on the internet reaches, and no other.

An address that the user gave, or one that a redirect gave, must not reach into the network this process stands in
(server-side request forgery). Names and odd spellings (`0x7f.1`, `2130706433`) do not matter: what the resolver made
of them is checked, and that very address is connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")  # RFC 4291, 2.4
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is in the last 32 bits
# What `ipaddress.is_global` says differs between Python's patch releases: these are refused by all.
_REFUSED_V4: Final = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments; a cloud's metadata answers at .192
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's platform address: a public number, answered by the host
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relays, withdrawn
)
_REFUSED_V6: Final = (
    ipaddress.IPv6Network("2001::/23"),  # RFC 2928: protocol assignments, Teredo among them
    ipaddress.IPv6Network("2002::/16"),  # 6to4
    ipaddress.IPv6Network("3fff::/20"),  # RFC 9637: documentation
)
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214: the IPv4 address is in the last 32 bits
_METADATA_HOSTS: Final = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)


def is_public(address: str) -> bool:
    """Whether `address` (as the resolver writes it) is reached over the internet, tunnels looked through."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_public_v4(parsed)
    number = int(parsed)
    embedded = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if parsed in _NAT64 or parsed.ipv4_mapped is not None or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return _is_public_v4(embedded)
    in_tunnel = any(parsed in network for network in _REFUSED_V6)
    return parsed in _GLOBAL_UNICAST and parsed.is_global and not parsed.is_multicast and not in_tunnel


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    special = any(address in network for network in _REFUSED_V4)
    return address.is_global and not address.is_multicast and not address.is_reserved and not special


def resolve(host: str, port: int, *, any_address: bool) -> tuple[str, ...]:
    """The addresses of `host`, asked for once; all of them have to be public unless `any_address`."""
    if not any_address and host.lower().rstrip(".") in _METADATA_HOSTS:
        raise refused(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise _unresolved(host, error) from error
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"{host} is not a host name") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not (any_address or all(map(is_public, addresses))):
        raise refused(host)
    return addresses


def refused(host: str) -> InvalidInput:
    """Does not say which address it was: the answer would map the network for whoever chose the name."""
    return InvalidInput(f"{host} is not on the public internet: it is not fetched. (Allow it with allow_hosts.)")


def _unresolved(host: str, error: socket.gaierror) -> CloudAIError:
    if error.errno == socket.EAI_AGAIN:
        return ServiceError(f"the name {host} could not be resolved now", code=ErrorCode.UNAVAILABLE)
    return InvalidInput(f"the name {host} is not known", code=ErrorCode.NOT_FOUND)
