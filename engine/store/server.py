"""What the server says of itself: for ``doctor``, ``status`` and the first connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from engine.errors import StoreError
from engine.store.part import Part, texts

#: The oldest server that knows COPY, exclusive ranges and XTRIM MINID.
OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class ServerReport:
    """Persistence, eviction and memory of the server.

    Attributes:
        appendfsync: always, everysec, no; empty where the server hides its configuration.
        maxmemory_bytes: 0: none.
        role: master or slave, as the server calls it.
        last_error: what it failed at when it last persisted; empty if nothing.
    """

    version: str
    mode: str
    role: str
    aof_enabled: bool
    appendfsync: str
    maxmemory_policy: str
    used_memory_bytes: int
    maxmemory_bytes: int
    connected_clients: int
    connected_replicas: int
    uptime_seconds: int
    last_error: str


class Server(Part):
    """The server itself."""

    async def ping(self) -> None:
        """Raises StoreError if the server does not answer, or is too old (S118)."""
        found = _facts_of(await self._wire.call("INFO", "server"))
        version = found.get("redis_version", "0")
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
            raise StoreError("S118", f"{self._wire.endpoint} is Redis {version}", "6.2 or newer is needed")

    async def server_report(self) -> ServerReport:
        """Everything ``doctor`` judges, in one look."""
        found = _facts_of(await self._wire.call("INFO"))
        return ServerReport(
            version=found.get("redis_version", ""),
            mode=found.get("redis_mode", ""),
            role=found.get("role", ""),
            aof_enabled=found.get("aof_enabled") == "1",
            appendfsync=await self._setting("appendfsync"),
            maxmemory_policy=found.get("maxmemory_policy", ""),
            used_memory_bytes=int(found.get("used_memory", "0")),
            maxmemory_bytes=int(found.get("maxmemory", "0")),
            connected_clients=int(found.get("connected_clients", "0")),
            connected_replicas=int(found.get("connected_slaves", "0")),
            uptime_seconds=int(found.get("uptime_in_seconds", "0")),
            last_error=_last_error(found),
        )

    async def write_status(self, figures: Mapping[str, str]) -> None:
        """Write the running daemon's figures over the last ones. For people: nothing is decided by them."""
        if figures:
            await self._wire.call("HSET", self._keys.status, *chain.from_iterable(figures.items()))

    async def read_figures(self) -> dict[str, str]:
        """The figures last written."""
        return texts(await self._wire.call("HGETALL", self._keys.status))

    async def _setting(self, name: str) -> str:
        try:
            reply = await self._wire.call("CONFIG", "GET", name)
        except StoreError as error:
            if error.code in {"S104", "S115"}:  # hosted servers forbid or rename CONFIG
                return ""
            raise
        return reply[1].decode() if reply else ""


def _facts_of(info: bytes) -> dict[str, str]:
    rows = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in rows if colon}


def _last_error(found: dict[str, str]) -> str:
    failed = [
        name
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
        if found.get(name, "ok") != "ok"
    ]
    return ", ".join(f"{name}: {found[name]}" for name in failed)
