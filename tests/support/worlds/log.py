"""The log, of this process or of a daemon's."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.log import LogConnector
from tests.support.line import Trouble
from tests.support.worlds.base import Place, World

#: Where a daemon of the suite logs to, in the test's directory.
DAEMON_LOG = "daemon.log"


class LogWorld(World):
    """An effect is an id that was logged: a line may come twice, and says whose it is."""

    name = "log"
    kind = LogConnector
    success = frozenset({"done"})
    used_up = "unknown"
    lapsed = frozenset({"unknown"})
    cannot: ClassVar[Mapping[Trouble, str]] = {
        Trouble.REFUSES: "a log takes what it is given",
        Trouble.HANGS: "it is written before anything else runs",
    }

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._lines: list[dict[str, Any]] = []
        self._trouble: Trouble | None = None
        self._handler = logging.Handler()
        self._handler.emit = self._write  # type: ignore[method-assign]

    async def open(self) -> None:
        log = logging.getLogger("lockstep.connector.log")
        log.setLevel(logging.INFO)
        log.addHandler(self._handler)

    async def close(self) -> None:
        logging.getLogger("lockstep.connector.log").removeHandler(self._handler)

    def options(self) -> dict[str, Any]:
        return {}

    def _write(self, record: logging.LogRecord) -> None:
        if self._trouble is Trouble.FAILS:
            raise OSError("no space left on device")
        self._lines.append(record.__dict__)
        if self._trouble is Trouble.LOSES:
            raise OSError("no space left on device, after the line")

    def _all(self) -> list[dict[str, Any]]:
        file = self.place.directory / DAEMON_LOG
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        whole = (json.loads(line) for line in lines if line.endswith("\n"))  # the last one of a killed daemon is not
        return [*self._lines, *(line for line in whole if line["event"] == "command")]

    async def effects(self) -> list[str]:
        return sorted({line["command"] for line in self._all()})

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        (line,) = (line for line in self._all() if line["command"] == command_id)
        expires: int | None = line["expires"]
        return expires

    def meet(self, trouble: Trouble, *ids: str) -> None:
        self._trouble = trouble

    def mend(self) -> None:
        self._trouble = None
