"""The lease's three questions to Redis, for the loop and for the thread that renews it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store import scripts
from engine.store.keys import Keys
from engine.store.part import Part
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire


@dataclass(frozen=True, slots=True)
class Leading:
    """The lease is ours under that epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Following:
    """Another owner leads; its lease runs out in ``left_ms`` unless renewed."""

    owner: str
    left_ms: int


class Leases(Part):
    """Taking and giving up the lease."""

    async def acquire_lease(self, owner: str, ttl_ms: int) -> Leading | Following:
        """Lead if nobody does; the epoch rises by one."""
        keys = (self._keys.meta, self._keys.lease)
        reply = await self._wire.run(scripts.LEASE_ACQUIRE, keys, (owner, ttl_ms))
        if reply[0]:
            return Leading(int(reply[0]))
        return Following(reply[2].decode(errors="replace"), max(0, int(reply[1])))

    async def release_lease(self, owner: str) -> bool:
        """Step down; False if it was not ours any more."""
        return bool(await self._wire.run(scripts.LEASE_RELEASE, (self._keys.lease,), (owner,)))

    async def lease_owner(self) -> str | None:
        """Who leads now."""
        owner = await self._wire.call("GET", self._keys.lease)
        return owner.decode(errors="replace") if owner else None


class LeaseRenewal:
    """Renewing from a thread of its own, over a connection of its own."""

    def __init__(self, endpoint: Endpoint, keys: Keys, timeout_s: int) -> None:
        self._wire = ThreadWire(endpoint, timeout_s)
        self._keys = keys

    def renew(self, owner: str, ttl_ms: int, epoch: int) -> int | None:
        """Lead on. None: renewed; else the epoch of who leads since (or ours, if only the owner changed)."""
        keys = (self._keys.meta, self._keys.lease)
        renewed, current = self._wire.run(scripts.LEASE_RENEW, keys, (owner, ttl_ms, epoch))
        return None if renewed else int(current)

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()
