"""What is asked about: the subjects that packs track, noted durably under the commands that said so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.base import Notebook, Observation
from connectors.poll.mapping import Shape

#: Commands that are remembered, so that the same id, sent again after a crash, changes nothing.
KEEP_COMMANDS: Final = 1_000
_MAX_FIELD_BYTES: Final = 256
_SUBJECT: Final = "subject:"
_COMMAND: Final = "command:"


class SubjectError(Exception):
    """What a command says is no subject of this API; says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One thing that the API knows the status of.

    Attributes:
        id: its key fields, as one text.
        fields: all of them.
        since_ms: since when it is asked about, unix ms.
        is_fixed: it stands in the options, and is asked about for ever.
    """

    id: str
    fields: Mapping[str, str]
    since_ms: int = 0
    is_fixed: bool = False

    @property
    def incident(self) -> str:
        """Name of the incident that goes with it."""
        return f"about:{self.id}"

    @property
    def intent(self) -> str | None:
        """The intent it belongs to, if it says so."""
        return self.fields.get("intent")


def subject_of(shape: Shape, given: Mapping[str, Any], *, since_ms: int = 0, is_fixed: bool = False) -> Subject:
    """The subject of those fields: texts or integers.

    Raises:
        SubjectError: one is missing, unknown, empty, too long, or no text.
    """
    unknown = sorted(set(given) - set(shape.names))
    missing = [name for name in shape.required if given.get(name) in (None, "")]
    if unknown or missing:
        wrong = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(missing)
        known = ", ".join([*shape.required, *(f"{name}?" for name in shape.optional)]) or "nothing"
        raise SubjectError(f"{'; '.join(wrong)}; a subject has {known}")
    fields = {name: _text(name, value) for name, value in given.items() if value not in (None, "")}
    key = [fields[name] for name in shape.key]
    name = key[0] if len(key) == 1 else json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return Subject(name, fields, since_ms, is_fixed)


def identified(shape: Shape, given: Mapping[str, Any]) -> str:
    """The id of the subject that those fields are of; others than its key may be there or not.

    Raises:
        SubjectError: a key field is missing or no text.
    """
    return subject_of(Shape(shape.key, tuple(set(shape.names) - set(shape.key)), shape.key), given).id


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SubjectError(f"'{name}' is neither a text nor an integer")
    text = str(value)
    if len(text.encode()) > _MAX_FIELD_BYTES:
        raise SubjectError(f"'{name}' is longer than {_MAX_FIELD_BYTES} bytes")
    return text


@dataclass(slots=True)
class Book:
    """The subjects, in memory and in the notebook, which is written first."""

    notebook: Notebook
    tracked: dict[str, Subject] = field(default_factory=dict)
    #: Everything else that was noted when this life began.
    notes: dict[str, str] = field(default_factory=dict)
    _commands: dict[str, int] = field(default_factory=dict)
    _next: int = 0
    _is_read: bool = False
    # What changes which subjects there are waits for what is being written of that.
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _writes: set[asyncio.Task[None]] = field(default_factory=set)

    async def read(self) -> None:
        """Takes up what was noted; once, later calls do nothing."""
        if self._is_read:
            return
        async with self._lock:
            if not self._is_read:
                self._take_up(await self.notebook.read())
                self._is_read = True

    def _take_up(self, notes: Mapping[str, str]) -> None:
        commands: list[tuple[int, str]] = []
        for name, text in notes.items():
            if name.startswith(_SUBJECT):
                row = json.loads(text)
                subject = Subject(name.removeprefix(_SUBJECT), row["fields"], row["since"])
                self.tracked[subject.id] = subject
            elif name.startswith(_COMMAND):
                commands.append((int(text), name.removeprefix(_COMMAND)))
            else:
                self.notes[name] = text
        self._commands = {command: place for place, command in sorted(commands)}
        self._next = max(self._commands.values(), default=-1) + 1

    def knows(self, command_id: str) -> bool:
        """That command was carried out, and is among the last thousand."""
        return command_id in self._commands

    async def track(self, command_id: str, subject: Subject) -> None:
        """It is asked about from now on, in the place of one with the same id."""
        await self._kept(self._track(command_id, subject))

    async def untrack(self, command_id: str, subject_id: str) -> None:
        """It is not asked about any more."""
        await self._kept(self._untrack(command_id, subject_id))

    async def settled(self) -> None:
        """Waits for what is being written for commands, also for those whose sends were cut off meanwhile."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def abandon(self) -> None:
        """Cuts off what is still being written; the next life reads what came of it."""
        for task in self._writes:
            task.cancel()
        await self.settled()

    async def _kept(self, writing: Coroutine[Any, Any, None]) -> None:
        """What was begun is finished though the send is cut off: memory and notebook must not come to differ."""
        task = asyncio.ensure_future(writing)
        self._writes.add(task)
        task.add_done_callback(self._written)
        await asyncio.shield(task)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # of a send that was cut off, nobody else hears of it

    async def _track(self, command_id: str, subject: Subject) -> None:
        async with self._lock:
            if self.knows(command_id):
                return
            row = {"command": command_id, "fields": dict(subject.fields), "since": subject.since_ms}
            note = json.dumps(row, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            await self._write(command_id, {_SUBJECT + subject.id: note})
            self.tracked[subject.id] = subject

    async def _untrack(self, command_id: str, subject_id: str) -> None:
        async with self._lock:
            if self.knows(command_id):
                return
            await self._write(command_id, {_SUBJECT + subject_id: None})
            self.tracked.pop(subject_id, None)

    async def end(self, subject: Subject, notes: Mapping[str, str | None], observations: list[Observation]) -> bool:
        """It need not be asked about any more, and the journal learns why, together.

        Returns:
            False: it was tracked otherwise, or no more, meanwhile; nothing was written.
        """
        async with self._lock:
            if self.tracked.get(subject.id) is not subject:
                return False
            await self.notebook.write({**notes, _SUBJECT + subject.id: None}, observations)
            del self.tracked[subject.id]
            return True

    async def _write(self, command_id: str, notes: dict[str, str | None]) -> None:
        notes[_COMMAND + command_id] = str(self._next)
        old = next(iter(self._commands)) if len(self._commands) >= KEEP_COMMANDS else None
        if old is not None:
            notes[_COMMAND + old] = None
        await self.notebook.write(notes)
        if old is not None:
            del self._commands[old]
        self._commands[command_id] = self._next
        self._next += 1
