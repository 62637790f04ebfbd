"""A connector's notebook over the store: fenced by the epoch, patient with a Redis that is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from connectors.base import Observation
from engine.errors import LeaseLostError
from engine.runtime.results import STORE_RETRY_MS, until_stored
from engine.store.notebooks import Notebooks

#: What one write may have.
MAX_NOTES: Final = 1_000
MAX_NOTE_BYTES: Final = 4 * 1024 * 1024
MAX_OBSERVATIONS: Final = 500
#: Entries that wait for a decision beyond which connectors observe nothing more.
FULL_AT: Final = 5_000


class DurableNotebook:
    """What one connector notes under one epoch; fulfils ``connectors.base.Notebook``."""

    def __init__(self, store: Notebooks, connector: str, epoch: int, lag: Callable[[], Awaitable[int]]) -> None:
        """Opens it.

        Args:
            store: where it is kept.
            connector: whose it is; also the source of what it observes, unless an observation names another.
            epoch: the leadership under which it is written.
            lag: entries in the journal that are not decided yet.
        """
        self._store = store
        self._connector = connector
        self._epoch = epoch
        self._lag = lag
        self._writes = 0
        # One write at a time: that it is the latest is how a repeated one is known.
        self._lock = asyncio.Lock()

    async def read(self) -> dict[str, str]:
        """All that is noted."""
        return await until_stored(lambda: self._store.read_notes(self._connector))

    async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
        """Notes and observations, all of it or nothing, durable when this returns.

        Raises:
            LeaseLostError: another daemon leads (L103).
            ValueError: too much for one write.
        """
        size = sum(len(name) + len(text or "") for name, text in notes.items())
        if len(notes) > MAX_NOTES or size > MAX_NOTE_BYTES or len(observations) > MAX_OBSERVATIONS:
            raise ValueError(f"{len(notes)} notes, {size} bytes, {len(observations)} observations in one write")
        entries = [entry_of(each, self._connector) for each in observations]
        if entries:
            await self._until_there_is_room()
        async with self._lock:
            self._writes += 1
            write_id = f"{self._epoch}:{self._writes}"
            is_ours = await until_stored(
                lambda: self._store.note_down(self._connector, self._epoch, write_id, notes, entries)
            )
        if not is_ours:
            raise LeaseLostError("L103", f"epoch {self._epoch} may write no more", "another daemon leads")

    async def _until_there_is_room(self) -> None:
        while True:
            if await until_stored(self._lag) < FULL_AT:
                return
            await asyncio.sleep(STORE_RETRY_MS / 1000)


def entry_of(observation: Observation, connector: str) -> dict[str, str]:
    """The journal entry's fields, as any service would send them."""
    fields = {"op": observation.op, "source": observation.source or connector}
    if observation.kind:
        fields["kind"] = observation.kind
    if observation.observed_at_ms is not None:
        fields["observed_at"] = str(observation.observed_at_ms)
    if observation.seq is not None:
        fields["seq"] = str(observation.seq)
    fields["data"] = json.dumps(observation.data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return fields
