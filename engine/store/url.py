"""Where Redis is: ``--redis`` read into an endpoint. Passwords may hold anything and are never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from engine.errors import ConfigError

_SCHEMES = "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://"
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:,\[\]@/?#\s]*))(?::(?P<port>\d{1,5}))?")
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"})
_OPTIONS = _TLS_OPTIONS | {"db", "username", "password", "sentinel_username", "sentinel_password"}
_PORT = 6379
_SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Redis, wherever it is.

    Attributes:
        hosts: host and port; several only for Sentinels; empty for a unix socket.
        path: the unix socket, or None.
        service: Sentinel's name of the master, or empty.
        tls: whether the connection is TLS.
        tls_options: file names and switches for TLS, named as redis-py names them.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: Path | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: bool = False
    tls_options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """For people and logs: no user, no password."""
        if self.path is not None:
            return f"unix://{self.path}" + (f"?db={self.db}" if self.db else "")
        scheme = ("rediss" if self.tls else "redis") + ("+sentinel" if self.service else "")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{scheme}://{hosts}/{self.service}" + (f"?db={self.db}" if self.service else str(self.db))


def parse(url: str) -> Endpoint:
    """Read an endpoint from a URL.

    Accepts ``redis://[user:password@]host[:port][/db]``, ``rediss://`` (TLS), ``unix:///path[?db=…&password=…]`` and
    ``redis+sentinel://[user:password@]host:port,host:port/service[?db=…]``. A password is best percent-encoded; one
    that is not still works where the reading is not ambiguous.

    Raises:
        ConfigError: S116; its message never holds what could be a password.
    """
    scheme, found, rest = url.strip().partition("://")
    if not found:
        raise _bad("it has no scheme")
    if scheme == "unix":
        return _unix(rest)
    if scheme not in {"redis", "rediss", "redis+sentinel", "rediss+sentinel"}:
        raise _bad(f"unknown scheme {scheme[:20]!r}" if re.fullmatch(r"[\w+.-]+", scheme) else "unknown scheme")
    # First as RFC 3986 reads it; then with the last @ as the end of the password, for passwords with raw / ? #.
    authority_end = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    standard = rest.rfind("@", 0, authority_end)
    last = rest.rfind("@")
    try:
        return _remote(scheme, rest, standard)
    except ConfigError:
        if last == standard:
            raise
        return _remote(scheme, rest, last)


def _bad(why: str) -> ConfigError:
    return ConfigError("S116", f"--redis cannot be read: {why}", f"write one of {_SCHEMES}; percent-encode passwords")


def _unix(rest: str) -> Endpoint:
    user, at, tail = rest.partition("@") if not rest.startswith("/") else ("", "", rest)
    path, _, query = tail.partition("?")
    if not path.startswith("/"):
        raise _bad("a unix socket needs an absolute path: unix:///path/to/redis.sock")
    options = _read_options(query)
    name, _, word = user.partition(":") if at else ("", "", "")
    return Endpoint(
        path=Path(unquote(path)),
        db=_read_db(options.get("db", "0")),
        username=options.get("username") or unquote(name) or None,
        password=options.get("password") or unquote(word) or None,
    )


def _remote(scheme: str, rest: str, at: int) -> Endpoint:
    user, tail = (rest[:at], rest[at + 1 :]) if at >= 0 else ("", rest)
    name, _, word = user.partition(":")
    place, _, query = tail.partition("?")
    authority, _, path = place.partition("/")
    sentinel = scheme.endswith("+sentinel")
    options = _read_options(query)
    service = ""
    if sentinel:
        service = unquote(path.strip("/"))
        if not re.fullmatch(r"[\w.-]+", service):
            raise _bad("a Sentinel URL ends in the service name: redis+sentinel://host:26379/mymaster")
        path = ""
    authorities = authority.split(",") if sentinel else [authority]
    return Endpoint(
        hosts=tuple(_read_host(each, _SENTINEL_PORT if sentinel else _PORT) for each in authorities),
        db=_read_db(options.get("db") or path.strip("/") or "0"),
        username=options.get("username") or unquote(name) or None,
        password=options.get("password") or unquote(word) or None,
        service=service,
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        tls=scheme.startswith("rediss"),
        tls_options={k: v for k, v in options.items() if k in _TLS_OPTIONS},
    )


def _read_host(text: str, default_port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    port = int(match["port"] or default_port) if match else 0
    if match is None or not 0 < port < 65_536:
        raise _bad("host or port")
    return unquote(match["v6"] or match["name"] or "localhost"), port


def _read_db(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text):
        raise _bad("the database is a small number")
    return int(text)


def _read_options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            shown = repr(name) if re.fullmatch(r"[a-z_]{1,40}", name) else "one"
            raise _bad(f"unknown option {shown}; known: {', '.join(sorted(_OPTIONS))}")
    return options
