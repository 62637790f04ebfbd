"""What this process is evaluating right now, in a file: it outlives a kill, and costs no round trip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_FILE: Final = "evaluating"
#: Bytes of the mark; a stream id has at most 41.
_SIZE: Final = 64


class Marker:
    """One in each data directory.

    A note in Redis takes a round trip to set and another to take back, so a process killed from outside mostly dies
    with one. The mark says whether it died within the evaluation itself.

    Attributes:
        found: what the last process on this directory was evaluating when it ended; empty: nothing; None: nobody knows.
    """

    def __init__(self, data: Path) -> None:
        """Opens it; without a file that can be written the mark is never set, and ``found`` is None."""
        self._fd: int | None = None
        self.found: str | None = None
        try:
            is_new = not (data / _FILE).exists()
            self._fd = os.open(data / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.found = None if is_new else os.pread(self._fd, _SIZE, 0).decode(errors="replace").strip()
        except OSError:
            return

    def set(self, what: str) -> None:
        """It is being evaluated."""
        if self._fd is not None:
            os.pwrite(self._fd, what.encode().ljust(_SIZE), 0)

    def clear(self) -> None:
        """It is over."""
        self.set("")
