"""A status API's connector: its commands note, in Redis, what is asked about; nobody is asked here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.base import Connector, ConnectorContext
from connectors.poll import PollConnector
from tests.support.line import Trouble
from tests.support.worlds.base import Place, World

_MAPPING = """
request: {url: "https://api.example.com/{subject.order}"}
subject: [order]
facts:
  - {kind: message, fields: {protocol: x, id: =subject.order, state: unknown}}
"""
_MOST = 10_000
#: What only the script that notes is given.
_NOTING = b"note:subject:"


class PollWorld(World):
    """An effect is a noted subject. Trouble is on the wire, for the script that notes; or there is no more room."""

    name = "poll"
    kind = PollConnector
    success = frozenset({"done"})
    lost = "done"
    verb = "track"
    cannot: ClassVar[Mapping[Trouble, str]] = {Trouble.REFUSES: "it notes whatever is a subject"}

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._lives: list[PollConnector] = []
        self._is_full = False
        self._losing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        self.mend()

    def options(self) -> dict[str, Any]:
        file = self.place.directory / "api.yaml"
        file.write_text(_MAPPING)
        # Nobody is there to be asked, and no address may be connected to.
        away = {"base_url": "http://127.0.0.1:9", "every": "1h", "back_off_cap": "1h"}
        return {"mapping": str(file), "max_subjects": str(_MOST), **away}

    async def effects(self) -> list[str]:
        notes = await self.place.store.read_notes(self.name)
        return sorted(json.loads(text)["command"] for name, text in notes.items() if name.startswith("subject:"))

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        return self.tries.of(command_id)[-1].expires_ms

    def recorded(self) -> type[Connector]:
        made, lives, fill = super().recorded(), self._lives, self._fill

        def __init__(self: PollConnector, context: ConnectorContext) -> None:
            made.__init__(self, context)
            if context.name == "poll":
                lives.append(self)
                fill()

        return type(made.__name__, (made,), {"__init__": __init__})

    def meet(self, trouble: Trouble, *ids: str) -> None:
        match trouble:
            case Trouble.FAILS:
                self._is_full = True
                self._fill()
            case Trouble.LOSES:
                self.place.wire.meet(trouble, _NOTING)
                self._losing = asyncio.get_running_loop().create_task(self._mend_once_done())
            case _:
                self.place.wire.meet(trouble, _NOTING)

    async def _mend_once_done(self) -> None:
        """One answer is lost; the notebook asks again."""
        while not await self.effects():
            await self.place.store.time_ms()
        self.place.wire.mend()

    def mend(self) -> None:
        if self._losing is not None:
            self._losing.cancel()
        self._is_full = False
        self._fill()
        self.place.wire.mend()

    def _fill(self) -> None:
        for life in self._lives:
            room = 0 if self._is_full else _MOST
            life._options = life._options.model_copy(update={"max_subjects": room})
