"""Writes a recording to a file that can be replayed anywhere, a piece at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.runtime.recovery import old_plan_names
from engine.runtime.replay.lines import FORMAT, NAME, LineWriter, opened, text_of
from engine.runtime.replay.recording import PARTS, STREAMS, Recording, Side, Told


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written; ``digest`` stands for the whole file."""

    lines: int
    entries: int
    digest: str


async def export(recording: Recording, path: Path) -> Exported:
    """Write it all: the state at the start, the journal with the rule bases it needs, what was decided, the state then.

    The file appears under its name once it is complete.

    Raises:
        ReplayError: R110, the file cannot be written; what the recording itself raises.
    """
    draft = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        with opened(draft, "wb") as file:
            done = await _Export(recording, LineWriter(file)).run()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return done


class _Export:
    def __init__(self, recording: Recording, lines: LineWriter) -> None:
        self._recording = recording
        self._lines = lines
        self._revisions: set[str] = set()
        self._entries = 0

    async def run(self) -> Exported:
        head, write = self._recording.head, self._lines.write
        said = {"semantics": head.semantics, "start": str(head.start), "end": str(head.end), "due": head.due}
        write(NAME, FORMAT, said)
        await self._state("start")
        write("journal")
        async for told in self._recording.journal():
            await self._entry(told)
        for stream in STREAMS:
            write(stream)
            async for identity, fields in self._recording.decided(stream):
                write("row", str(identity), [[text_of(name), text_of(value)] for name, value in fields])
        await self._state("end")
        write("done")
        async for name, record in self._recording.done():
            write("record", text_of(name), text_of(record))
        write("end", self._entries)
        return Exported(self._lines.count, self._entries, self._lines.digest)

    async def _state(self, side: Side) -> None:
        needed: set[str] = set()
        for part in PARTS:
            self._lines.write(f"{side} {part}")
            async for name, record in self._recording.state(side, part):
                self._lines.write("record", text_of(name), text_of(record))
                if name == b"revision" and part == "meta":
                    needed.add(record.decode())
                elif part == "active":
                    needed.update(old_plan_names([(name, record)], ""))
        if side == "start":
            for revision in sorted(needed):
                await self._revision(revision)

    async def _entry(self, told: Told) -> None:
        if b"rulebase" in told.fields:
            await self._revision(_named(told.fields))
        fields = [text_of(each) for each in told.fields]
        self._lines.write("entry", str(told.entry), fields, told.now_ms, told.is_signed, told.refused)
        self._entries += 1

    async def _revision(self, revision: str) -> None:
        """A rule base, before the first entry that needs it."""
        if not revision or revision in self._revisions:
            return
        self._revisions.add(revision)
        blob = await self._recording.get_revision(revision)
        if blob is not None:
            self._lines.write("revision", revision, text_of(blob))


def _named(fields: list[bytes]) -> str:
    """The revision that an order names; empty if it is no order."""
    said = dict(zip(fields[::2], fields[1::2], strict=False))
    try:
        body = json.loads(said.get(b"data", b""))
    except ValueError:
        return ""
    revision = body.get("revision") if isinstance(body, dict) else None
    return revision if isinstance(revision, str) else ""
