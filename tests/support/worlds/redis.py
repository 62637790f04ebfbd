"""The stream that executor services read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.redis import RedisConnector
from tests.support.line import Trouble
from tests.support.worlds.base import World


class RedisWorld(World):
    """An effect is an entry of the stream. Trouble is on the wire, for the script that appends."""

    name = "redis"
    kind = RedisConnector
    success = frozenset({"sent"})
    used_up = ""
    lost = "sent"
    cannot: ClassVar[Mapping[Trouble, str]] = {Trouble.REFUSES: "a stream takes what it is given"}

    def options(self) -> dict[str, Any]:
        return {}

    async def _entries(self) -> list[dict[str, str]]:
        rows = await self.place.store._wire.call("XRANGE", self.place.store.keys.commands(self.name), "-", "+")
        return [{k.decode(): v.decode() for k, v in zip(f[::2], f[1::2], strict=True)} for _, f in rows]

    async def effects(self) -> list[str]:
        return sorted(entry["command"] for entry in await self._entries())

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        (entry,) = (entry for entry in await self._entries() if entry["command"] == command_id)
        return int(entry["expires"]) if entry["expires"] else None

    def meet(self, trouble: Trouble, *ids: str) -> None:
        self.place.wire.meet(trouble, self.place.store.keys.commands(self.name).encode())

    def mend(self) -> None:
        self.place.wire.mend()
