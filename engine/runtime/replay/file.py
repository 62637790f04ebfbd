"""A recording in a file: checked as a whole when it is opened, then read in pieces, and never held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from engine.model.journal import Cursor, StreamId
from engine.runtime.replay.lines import FORMAT, NAME, LineReader, bytes_of, opened, read_line
from engine.runtime.replay.recording import PARTS, STREAMS, Head, Part, ReplayError, Side, Told
from engine.store.views import Decided, Row

_SECTIONS: Final = (
    *(f"start {part}" for part in PARTS),
    "journal",
    *STREAMS,
    *(f"end {part}" for part in PARTS),
    "done",
    "end",
)
#: What may stand in a section.
_RECORDS: Final = frozenset({"record", "entry", "row", "revision"})


class FileRecording:
    """What ``export`` wrote.

    Attributes:
        digest: stands for the whole file.
    """

    def __init__(self, path: Path) -> None:
        """Opens and checks it.

        Raises:
            ReplayError: R110 it cannot be read, R111 no recording, R112 a line is not as it was written, R113 it ends
                before its end, R114 of another version.
        """
        self._path = path
        self._sections: dict[str, int] = {}
        self._revisions: dict[str, int] = {}
        with opened(path, "rb") as file:
            self.head, self.digest = self._check(LineReader(file, path))

    def _check(self, lines: LineReader) -> tuple[Head, str]:
        head: Head | None = None
        expected = iter(_SECTIONS)
        last, before = "", 0
        for tag, *parts in lines:
            if head is None:
                head = self._head(lines, tag, parts)
            elif tag not in _RECORDS:
                if tag != next(expected, None):
                    raise lines.wrong("does not belong here")
                last = tag
                self._sections[tag] = lines.offset
            elif tag == "revision":
                self._revisions[parts[0]] = before
            before = lines.offset
        if head is None:
            raise ReplayError("R111", f"{self._path} is empty", "write one with `lockstep export FILE`")
        if last != "end":
            raise ReplayError(
                "R113", f"{self._path}:{lines.number}: the file ends here, before its end", "export it again"
            )
        return head, lines.digest

    def _head(self, lines: LineReader, tag: str, parts: list[Any]) -> Head:
        if tag != NAME:
            raise lines.wrong("is no head")
        version, said = parts
        if version != FORMAT:
            raise ReplayError(
                "R114", f"{self._path} has format {version}, and this engine reads {FORMAT}", "use the version it is of"
            )
        return Head(said["semantics"], Cursor.parse(said["start"]), Cursor.parse(said["end"]), said["due"])

    async def state(self, side: Side, part: Part) -> AsyncIterator[tuple[bytes, bytes]]:
        """Field and record of that part of the committed state."""
        for tag, name, record in self._section(f"{side} {part}"):
            if tag == "record":
                yield bytes_of(name), bytes_of(record)

    async def done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """How coordinations ended that left working memory between start and end, both included: id, record."""
        for _, identity, record in self._section("done"):
            yield bytes_of(identity), bytes_of(record)

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form of a rule base; None if it is not there."""
        offset = self._revisions.get(revision)
        if offset is None:
            return None
        with opened(self._path, "rb") as file:
            file.seek(offset)
            return bytes_of(read_line(file.readline())[3])

    async def journal(self) -> AsyncIterator[Told]:
        """The entries after the start, up to the end, in order."""
        for tag, *parts in self._section("journal"):
            if tag == "entry":
                entry, fields, now_ms, is_signed, refused = parts
                yield Told(StreamId.parse(entry), [bytes_of(each) for each in fields], now_ms, is_signed, refused)

    async def decided(self, stream: Decided) -> AsyncIterator[Row]:
        """What was written to that stream between start and end, in order."""
        for _, identity, fields in self._section(stream):
            yield StreamId.parse(identity), tuple((bytes_of(name), bytes_of(value)) for name, value in fields)

    def _section(self, name: str) -> Iterator[list[Any]]:
        with opened(self._path, "rb") as file:
            file.seek(self._sections[name])
            for line in file:
                _, tag, *parts = read_line(line)
                if tag not in _RECORDS:
                    return
                yield [tag, *parts]
