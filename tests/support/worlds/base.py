"""A connector under test and its far side: how it is configured, what goes wrong out there, and what has happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from connectors.base import Connector, OutgoingCommand, SendResult
from engine.clock import monotonic_ms
from engine.store.redis_store import RedisStore
from tests.support.line import Line, Trouble


@dataclass(frozen=True)
class Place:
    """What a far side may be built from.

    Attributes:
        directory: the test's own.
        store: reads Redis, past the wire.
        wire: between dispatch and Redis.
        fixture: a pytest fixture by its name.
    """

    directory: Path
    store: RedisStore
    wire: Line
    fixture: Callable[[str], Any]


@dataclass
class Tries:
    """What dispatch has handed to the connector."""

    made: list[OutgoingCommand] = field(default_factory=list)
    at_ms: list[int] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    #: Called at the start of each try.
    before: Callable[[OutgoingCommand], None] = lambda _: None
    #: The connector has done it, and what it says of that does not reach dispatch.
    loses_answers: bool = False

    def of(self, command_id: str) -> list[OutgoingCommand]:
        """The tries of one command, in order."""
        return [command for command in self.made if command.id == command_id]


class World(ABC):
    """One type of connector. A subclass and its entry in ``WORLDS`` put it through the whole suite."""

    #: The type as the configuration has it; also the name that commands are addressed to.
    name: ClassVar[str]
    #: What it is told to do.
    verb: ClassVar[str] = "bridge"
    #: The class behind it.
    kind: ClassVar[type[Connector]]
    #: What a command that took effect is told to be.
    success: ClassVar[frozenset[str]]
    #: What a command ends as when the far side FAILS until no try is left; empty: it is tried until that is over.
    used_up: ClassVar[str] = "failed"
    #: And when it expires or is withdrawn between two tries that both FAIL.
    lapsed: ClassVar[frozenset[str]] = frozenset({"expired", "withdrawn"})
    #: What a command is told to be when the far side LOSES its answers until no try is left.
    lost: ClassVar[str] = "unknown"
    #: Troubles that cannot come about, and why.
    cannot: ClassVar[Mapping[Trouble, str]] = {}
    #: What hung is done once all is well; else it fails, and is tried again.
    resumes: ClassVar[bool] = True
    #: How many commands make a crowd: enough to fill every bound, and quick enough.
    crowd: ClassVar[int] = 300
    #: Further keys of its configuration.
    limits: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tries = Tries()
        #: Ids of all commands that were made for it.
        self.known: set[str] = set()

    async def open(self) -> None:  # noqa: B027 - some have no far side to open
        """The far side is there, and well."""

    async def close(self) -> None:  # noqa: B027
        """And is gone."""

    def install(self, site: Path) -> None:  # noqa: B027 - most are there
        """Puts what a daemon must be able to import, and its entry point, into that directory."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """``options`` of its configuration."""

    @abstractmethod
    async def effects(self) -> list[str]:
        """Ids of the commands that took effect, sorted, once for each effect; as seen at the far side."""

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        """When the receiver was told that command expires; None: it was told of none."""
        raise NotImplementedError

    def meet(self, trouble: Trouble, *ids: str) -> None:
        """From now on this happens to commands, to these at least."""
        assert trouble is Trouble.LOSES, f"{self.name} cannot {trouble.value}"
        self.tries.loses_answers = True

    def mend(self) -> None:
        """All is well again."""
        self.tries.loses_answers = False

    # -- for the suite ---------------------------------------------------------------
    def recorded(self) -> type[Connector]:
        """Its class, whose sends are counted on their way in."""
        tries, known, real, mine = self.tries, self.known, self.kind, self.name

        async def send(connector: Connector, command: OutgoingCommand) -> SendResult:
            if connector.name != mine:
                return await real.send(connector, command)
            tries.made.append(command)
            known.add(command.id)
            tries.at_ms.append(monotonic_ms())
            tries.at_once += 1
            tries.most_at_once = max(tries.most_at_once, tries.at_once)
            tries.before(command)
            try:
                result = await real.send(connector, command)
            finally:
                tries.at_once -= 1
            if tries.loses_answers:
                raise ConnectionResetError("the answer was lost")
            return result

        made: type[Connector] = type(real.__name__, (real,), {"send": send})
        return made

    def configuration(self, **limits: Any) -> dict[str, Any]:  # noqa: ANN401 - as in the file
        """Its part of the configuration."""
        return {"type": self.name, "options": self.options(), **self.limits, **limits}
