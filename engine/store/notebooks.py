"""The connectors' notebooks: what each must not forget, written together with what it has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from engine.store import scripts
from engine.store.part import Part
from engine.store.wire import Word

_NOTE = "note:"


class Notebooks(Part):
    """One hash a connector."""

    async def read_notes(self, connector: str) -> dict[str, str]:
        """All that is noted there."""
        notes = {}
        async for field, text in self._scan_hash(self._keys.notebook(connector)):
            name = field.decode()
            if name.startswith(_NOTE):
                notes[name.removeprefix(_NOTE)] = text.decode()
        return notes

    async def note_down(
        self,
        connector: str,
        epoch: int,
        write_id: str,
        notes: Mapping[str, str | None],
        entries: Sequence[Mapping[str, str]],
    ) -> bool:
        """Notes changed (None: taken out) and entries appended to the journal, all or nothing; False if fenced.

        Args:
            connector: whose notebook.
            epoch: the leadership.
            write_id: names this write. The same one again, as the connector's latest, changes nothing, so that a
                write whose answer was lost can be repeated.
            notes: by name.
            entries: fields of each.
        """
        kept = [(_NOTE + name, text) for name, text in notes.items() if text is not None]
        gone = [_NOTE + name for name, text in notes.items() if text is None]
        args: list[Word] = [epoch, write_id, 2 * len(kept), len(gone), *chain.from_iterable(kept), *gone]
        for fields in entries:
            args += [2 * len(fields), *chain.from_iterable(fields.items())]
        keys = (self._keys.meta, self._keys.notebook(connector), self._keys.journal)
        return bool(await self._wire.run(scripts.NOTE_DOWN, keys, args))
