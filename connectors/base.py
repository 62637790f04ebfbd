"""What a connector is: a small class that carries commands out into the world and says what it knows of them.

It may also watch: see what happens out there and put it into the journal as facts.

A connector never raises to tell an outcome. What it knows, it returns; whether trying again can help is data. An
exception is taken as "nobody knows whether it left", which is the dearest answer there is.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from engine.errors import ConfigError, Retry


class SendStatus(Enum):
    """What is known after a try.

    SENT: accepted; the outcome comes later as a report.
    SUBMITTED: it is on its way (a transaction is in a mempool); a final report comes later.
    DONE: it has happened.
    REFUSED: the receiver will not do it, and has done nothing.
    FAILED: it was tried and had no effect.
    UNKNOWN: it may have left or not. Never the same as failed: acting on it as if it were spends twice.
    WITHHELD: it was no longer this daemon's to send (fenced, withdrawn, already sent); nothing left.
    """

    SENT = "sent"
    SUBMITTED = "submitted"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class OutgoingCommand:
    """One command, as a connector gets it.

    Attributes:
        id: the idempotency key. The same id may come again after a crash or an unknown outcome; a receiver that
            honours it makes the effect happen once.
        connector: the connector's configured name, e.g. ``executor``.
        verb: what is to be done.
        args: JSON object as text; amounts in it are decimal strings.
        rule: ``pack.rule`` that made it.
        coordination: the coordination it belongs to, or empty.
        expires_ms: unix ms after which it must not be carried out; None: never. It had not passed when it was taken.
        attempt: which try of this id this is, from 1; it survives restarts.
        epoch: the leadership under which it is sent; a receiver may refuse an older epoch than it has seen.
    """

    id: str
    connector: str
    verb: str
    args: str
    rule: str
    coordination: str = ""
    expires_ms: int | None = None
    attempt: int = 1
    epoch: int = 0

    def arguments(self) -> dict[str, Any]:
        """``args`` as a dict. Amounts stay decimal strings."""
        parsed: dict[str, Any] = json.loads(self.args)
        return parsed


@dataclass(frozen=True, slots=True)
class SendResult:
    """What a try came to.

    Attributes:
        status: see SendStatus.
        detail: JSON-safe facts about it (a transaction hash, the receiver's words); bounded by the caller.
        retry: LATER: the same id may be tried again. Only read for FAILED and UNKNOWN.
        after_ms: the receiver asks not to be tried again sooner; ms from now.
    """

    status: SendStatus
    detail: Mapping[str, Any] = field(default_factory=dict)
    retry: Retry = Retry.NEVER
    after_ms: int = 0

    @property
    def wants_retry(self) -> bool:
        """The connector says that trying the same id again can help."""
        return self.retry is Retry.LATER and self.status in (SendStatus.FAILED, SendStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What dispatch must know of a connector.

    Attributes:
        marks_sent: sending and marking as sent are one atomic act, so a try cut off by a crash has left no effect.
        reports_later: a ``sent`` command is followed by a report, whose absence is worth an ``unknown``.
        verbs: the verbs it knows; others are refused before they are taken. None: any.
        remembers: it notes each command durably before anything leaves. So its ``failed`` speaks for every try of that
            id, also those that were cut off, and ``recall`` answers for what is not to be tried again.
    """

    marks_sent: bool = False
    reports_later: bool = True
    verbs: frozenset[str] | None = None
    remembers: bool = False


class CommandSink(Protocol):
    """Where a command leaves through the store: appended to the connector's stream and marked sent, atomically."""

    async def __call__(self, command: OutgoingCommand) -> bool:
        """False: it was not this daemon's to send any more, and nothing was written."""
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """One journal entry by a connector; it stands there as any other service's would, and is checked like one.

    Attributes:
        op: ``assert``, ``retract``, ``reorg``, or ``report`` (of a command that this connector took).
        data: the entry's JSON object; amounts are decimal strings, never floats.
        kind: the fact's kind; empty for ``reorg`` and ``report``.
        observed_at_ms: unix ms at which it was so out there; None: when the entry is written.
        seq: rises with each sample of this source, where the sender counts them.
        source: who says so, if not the connector under its configured name.
    """

    op: Literal["assert", "retract", "reorg", "report"]
    data: Mapping[str, Any]
    kind: str = ""
    observed_at_ms: int | None = None
    seq: int | None = None
    source: str = ""


class Notebook(Protocol):
    """What one connector must not forget: texts by name, in Redis, beside the journal.

    It is the same in the next life of the daemon, and in another daemon that takes over. Keep it small: a position, a
    nonce, the signed transactions that are under way; take out what is over.
    """

    async def read(self) -> dict[str, str]:
        """All that is noted."""
        ...

    async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
        """Changes notes (None takes one out) and appends observations to the journal in their order.

        All of it or nothing, once, and durable when this returns. It waits while Redis is away, and while the journal
        is full of entries that are not decided yet.

        Args:
            notes: by name; at most 1,000, together at most 4 MiB.
            observations: at most 500.

        Raises:
            LeaseLostError: another daemon leads; nothing was written.
            ValueError: more than that.
        """
        ...


class NoNotebook:
    """The notebook of a connector that runs where nothing is kept (under a test, in a trial); refuses to be used."""

    async def read(self) -> dict[str, str]:
        """Nothing was ever noted."""
        return {}

    async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
        """Never to be called."""
        raise NotImplementedError("this connector was built without a notebook")


class Pace(Protocol):
    """The daemon's alarm clock, as a connector uses it."""

    def __call__(self, name: str, every_ms: int, wake: Callable[[], None]) -> None:
        """Calls ``wake``, which sets an event and does nothing else, each ``every_ms`` (at least 50) from now on.

        The same name again replaces what it was.
        """
        ...


@dataclass(frozen=True, slots=True)
class OptionFile:
    """A file that an option names, read as strictly as the configuration is.

    Attributes:
        name: where it was found, for messages.
        content: texts, and lists and mappings of such; keys without a value are left out.
        place: the keys and positions that lead to a value, to ``file:line:column`` of it, or of the nearest above it.
    """

    name: str
    content: Any
    place: Callable[[Sequence[str | int]], str]


def _no_files(name: str) -> OptionFile:
    raise ConfigError("C100", f"{name}: no files are read here", "build the connector from a configuration")


@dataclass(frozen=True, slots=True)
class ConnectorContext:
    """What a connector is built from.

    Attributes:
        name: the configured name commands are addressed to.
        options: the ``options`` of its configuration: texts, and lists and mappings of such, as the file has them.
        sink: the way out through Redis; only the ``redis`` connector needs it.
        notebook: what it may note durably, and where its observations go.
        pace: wakes it regularly; None where nothing watches.
        timeout_ms: a send that takes longer is cut off.
        read_file: reads a YAML file that an option names; a relative name is looked for beside the configuration file.
            Raises ConfigError: it cannot be read (C100), or is no strict YAML (C101).
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sink: CommandSink | None = None
    notebook: Notebook = field(default_factory=NoNotebook)
    pace: Pace | None = None
    timeout_ms: int = 10_000
    read_file: Callable[[str], OptionFile] = _no_files


class Connector(ABC):
    """Carries commands of one configured name out. One instance serves many sends at once, on one event loop."""

    capabilities: Capabilities = Capabilities()

    def __init__(self, context: ConnectorContext) -> None:
        """Reads its options; connects nothing.

        Raises:
            ConfigError: an option is missing, unknown or wrong.
        """
        self.name = context.name

    async def start(self) -> None:  # noqa: B027 - most connectors have nothing to open
        """Opens what sending needs. Called once, before the first send.

        The far side may be away: that is for ``send`` and ``watch`` to tell. Only a configuration that can never work
        is worth raising for; it stops the daemon.
        """

    async def watch(self) -> None:  # noqa: B027 - most connectors only send
        """Sees what happens out there and notes it, until it is cancelled; returning means that it never watches.

        Called after ``start`` and beside sends. If it raises, that is logged and it is called again after a while (1 s,
        doubling to 30 s), so it must take up from its notebook what it had begun. Cut off at any await, it must leave
        nothing half done that the notebook does not know.
        """

    @abstractmethod
    async def send(self, command: OutgoingCommand) -> SendResult:
        """Tries once. Must stand being called again with the same id, and being cancelled at any await."""

    async def recall(self, command_id: str) -> SendResult:
        """What it knows of a command of which a try was cut off, and which has expired or was withdrawn since.

        Asked only of a connector that ``remembers``.
        """
        return SendResult(SendStatus.UNKNOWN, {"reason": f"nothing is remembered of {command_id}"})

    async def stop(self) -> None:  # noqa: B027 - most connectors have nothing to close
        """Closes what ``start`` opened. Called once, after the last send has returned or was cancelled."""
