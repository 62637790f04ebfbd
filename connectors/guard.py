"""The egress guard: where a connector may connect to over HTTP, decided on the address, not on the name.

A name is resolved once for each request, and the connection is made to an address that was checked; so a name that
changes its mind between the check and the connection changes nothing. Loopback, private,
link-local and all other addresses that are not public are refused unless the configuration names their network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from engine.errors import ConfigError, LockstepError, Retry

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS: Final = {"http": 80, "https": 443}
#: Prefixes of IPv6 in which an IPv4 address is embedded: what they lead to is judged as that address.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class EgressRefusedError(LockstepError):
    """The guard refuses to connect there (N101 the address, N102 plain HTTP to a public address)."""


class UnresolvedError(LockstepError):
    """The name has no address now (N103); asking later may help."""


@dataclass(frozen=True, slots=True)
class Target:
    """A configured URL's origin.

    Attributes:
        scheme: ``http`` or ``https``.
        host: name or address, without brackets.
        port: TCP port.
    """

    scheme: str
    host: str
    port: int


class Guard:
    """Turns a configured URL's host into an address that may be connected to."""

    def __init__(self, allow: Sequence[str] = (), owner: str = "connector") -> None:
        """Reads the networks that are allowed beside the public ones.

        Args:
            allow: networks (``10.0.0.0/8``, ``127.0.0.1``, ``fd00::/8``).
            owner: for messages.

        Raises:
            ConfigError: one is no network (C160).
        """
        self._allow = tuple(_network(text, owner) for text in allow)

    async def address_of(self, target: Target) -> str:
        """The checked address to connect to, as text.

        Raises:
            EgressRefusedError: none of its addresses may be connected to (N101), or only over TLS (N102).
            UnresolvedError: it has none now (N103).
        """
        addresses = await _resolve(target)
        refusal: EgressRefusedError | None = None
        for address in addresses:
            refused = self._refusal(target, address)
            if refused is None:
                return str(address)
            refusal = refusal or refused
        assert refusal is not None  # noqa: S101 - a name without addresses was refused above
        raise refusal

    def _refusal(self, target: Target, address: Address) -> EgressRefusedError | None:
        if not self._may_reach(address):
            message = f"{target.host} is at {address}, which is not a public address"
            return EgressRefusedError("N101", message, "name its network in the connector's `allow` if it is meant")
        if target.scheme != "https" and not self._is_named(address):
            message = f"plain http to {target.host}, a public address"
            return EgressRefusedError("N102", message, "use https, or name its network in `allow`")
        return None

    def _may_reach(self, address: Address) -> bool:
        return self._is_named(address) or (_inner(address).is_global and not _inner(address).is_multicast)

    def _is_named(self, address: Address) -> bool:
        inner = _inner(address)
        return any(inner.version == network.version and inner in network for network in self._allow)


def target_of(url: str, owner: str) -> Target:
    """The origin of a configured URL.

    Raises:
        ConfigError: it is no http(s) URL, or carries a login or a fragment (C161).
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError("C161", f"{owner}: '{url}' is no URL: {error}", _URL_HINT) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError("C161", f"{owner}: '{url}' is no http(s) URL", _URL_HINT)
    if parts.username is not None or parts.password is not None or parts.fragment:
        # The URL itself is not repeated: it holds a password.
        raise ConfigError("C161", f"{owner}: the URL of {parts.hostname} has a login or a fragment", _URL_HINT)
    return Target(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


_URL_HINT = "like https://hooks.example.com/lockstep; put credentials into a header from the environment"


def _network(text: str, owner: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        hint = "like 10.0.0.0/8, 127.0.0.1 or fd00::/8"
        raise ConfigError("C160", f"{owner}: `allow`: {error}", hint) from error


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


async def _resolve(target: Target) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnresolvedError("N103", f"{target.host} cannot be resolved: {error}", "", Retry.LATER) from error
    addresses = dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found)
    if not addresses:
        raise UnresolvedError("N103", f"{target.host} has no address", "", Retry.LATER)
    return list(addresses)
