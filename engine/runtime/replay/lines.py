"""The lines of an exported recording: canonical JSON, each carrying a digest of itself and of all before it.

So a line that was changed, lost or moved is noticed where it stands. The digest of the last line stands for the whole
file: who has it from elsewhere knows that the file is the one that was written.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from engine.runtime.replay.recording import ReplayError

#: Raised when lines are written otherwise.
FORMAT: Final = 1
#: What the first line calls itself.
NAME: Final = "lockstep recording"
#: Hex digits of a line's digest.
_DIGITS: Final = 16
#: A line holds one record; the longest is a rule base.
_MAX_LINE_BYTES: Final = 1 << 30


@contextmanager
def opened(path: Path, mode: str) -> Iterator[BinaryIO]:
    """The file, through gzip if its name ends so.

    Raises:
        ReplayError: R110, it cannot be opened.
    """
    try:
        raw = path.open(mode)
    except OSError as error:
        raise ReplayError("R110", f"{path}: {error.strerror}", "name a file that can be opened") from error
    with raw:
        if path.suffix != ".gz":
            yield cast("BinaryIO", raw)
            return
        # No name and no time inside: the same recording gives the same bytes.
        with gzip.GzipFile(filename="", mode=mode, fileobj=raw, mtime=0, compresslevel=6) as packed:
            yield cast("BinaryIO", packed)


class LineWriter:
    """Writes lines.

    Attributes:
        digest: of the last line.
        count: of lines.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = ""
        self.count = 0

    def write(self, tag: str, *parts: object) -> None:
        """One line."""
        body = json.dumps([tag, *parts], separators=(",", ":"), sort_keys=True).encode()
        self.digest = _digest(self.digest, body)
        self._file.write(b'["%b",%b\n' % (self.digest.encode(), body[1:]))
        self.count += 1


class LineReader:
    """Reads lines and checks them.

    Attributes:
        digest: of the line read last.
        number: of the line read last, from 1.
        offset: where the next line begins, in bytes of the unpacked file.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.digest = ""
        self.number = 0
        self.offset = 0

    def __iter__(self) -> Iterator[list[Any]]:
        while line := self._next():
            self.offset += len(line)
            self.number += 1
            body = b"[" + line[_DIGITS + 4 : -1]
            digest = _digest(self.digest, body)
            if line != b'["%b",%b\n' % (digest.encode(), body[1:]):
                raise self.wrong("is not as it was written")
            self.digest = digest
            yield read_line(line)[1:]

    def _next(self) -> bytes:
        try:
            return self._file.readline(_MAX_LINE_BYTES)
        except (EOFError, OSError, zlib.error) as error:
            self.number += 1
            raise self.wrong("cannot be unpacked: the file is cut off or damaged") from error

    def wrong(self, what: str) -> ReplayError:
        """An error about the line read last."""
        if self.number == 1:
            hint = "write one with `lockstep export FILE`"
            return ReplayError("R111", f"{self._path} is not a recording of Lockstep", hint)
        return ReplayError("R112", f"{self._path}:{self.number}: this line {what}", "export it again")


def read_line(line: bytes) -> list[Any]:
    """Digest, tag and parts of a line that was checked before."""
    found: list[Any] = json.loads(line)
    return found


def text_of(raw: bytes) -> str:
    """Bytes as JSON can carry them, and ``bytes_of`` gives back."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes that ``text_of`` was given."""
    return text.encode("utf-8", "surrogateescape")


def _digest(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()[:_DIGITS]
