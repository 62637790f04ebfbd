"""The class behind the connector type ``poll``: one status API, and what packs ask it to watch."""

from __future__ import annotations

from dataclasses import replace

from connectors.base import Capabilities, Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.guard import Guard, target_of
from connectors.http import environment, read_options
from connectors.poll.asking import Asker
from connectors.poll.mapping import read_mapping
from connectors.poll.options import PollOptions
from connectors.poll.polling import Polling
from connectors.poll.subjects import Book, Subject, SubjectError, identified, subject_of
from connectors.web import Web
from engine.clock import wall_ms
from engine.errors import ConfigError, Retry, worst_of

_TRACK = "track"
_UNTRACK = "untrack"


class PollConnector(Connector):
    """Asks a status API about what packs track, and tells its answers as facts.

    Verbs: ``track`` notes a subject (its fields are the arguments) and is done; ``untrack`` (its key fields) ends that.
    """

    capabilities = Capabilities(reports_later=False, verbs=frozenset({_TRACK, _UNTRACK}), remembers=True)

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        owner = f"connector '{context.name}'"
        options = read_options(PollOptions, context, "C170")
        tables = {**options.tables, "networks": options.networks, "assets": options.assets}
        self._options = options
        self._mapping = read_mapping(options.mapping, context.read_file, tables, owner)
        if options.base_url is not None:
            target_of(options.base_url, owner)
        self._fixed = [self._fixed_subject(fields, index, owner) for index, fields in enumerate(options.subjects)]
        if not self._mapping.shape.names:
            # An API that is not asked about anything in particular has one subject, which nobody needs to name.
            self._fixed = [Subject("status", {}, is_fixed=True)]
            self.capabilities = replace(self.capabilities, verbs=frozenset())
        headers = {name: environment(variable, context) for name, variable in options.headers_env.items()}
        guard = Guard(options.allow, owner)
        self._web = Web(guard, context.timeout_ms, options.max_answer_bytes, options.ca_file)
        self._asker = Asker(self._mapping, self._web, options.base_url, headers, context.timeout_ms)
        self._book = Book(context.notebook)
        self._pace = context.pace
        self._polling: Polling | None = None

    async def watch(self) -> None:
        """Asks about every subject, from what the notebook says is tracked."""
        if self._pace is None:
            return
        await self._book.read()
        if self._polling is None:
            self._polling = Polling(self.name, self._options, self._mapping, self._asker, self._book, self._fixed)
        try:
            await self._polling.run(self._pace)
        except ExceptionGroup as failed:
            raise worst_of(failed) from failed

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Notes that a subject is tracked, or is not any more."""
        await self._book.read()
        if self._book.knows(command.id):
            return SendResult(SendStatus.DONE)
        shape = self._mapping.shape
        try:
            if command.verb == _UNTRACK:
                subject_id = identified(shape, command.arguments())
                await self._book.untrack(command.id, subject_id)
                return SendResult(SendStatus.DONE, {"subject": subject_id})
            subject = subject_of(shape, command.arguments(), since_ms=wall_ms())
        except SubjectError as error:
            return SendResult(SendStatus.REFUSED, {"code": "C190", "reason": str(error)})
        if subject.id not in self._book.tracked and len(self._book.tracked) >= self._options.max_subjects:
            reason = f"{len(self._book.tracked)} subjects are tracked already; raise `max_subjects`, or untrack some"
            return SendResult(SendStatus.FAILED, {"code": "C191", "reason": reason}, Retry.LATER)
        await self._book.track(command.id, subject)
        if self._polling is not None:
            self._polling.wake()
        return SendResult(SendStatus.DONE, {"subject": subject.id})

    async def recall(self, command_id: str) -> SendResult:
        """It was noted, or had no effect."""
        await self._book.read()
        await self._book.settled()
        if self._book.knows(command_id):
            return SendResult(SendStatus.DONE)
        return SendResult(SendStatus.FAILED, {"reason": "it expired, or was withdrawn, before it was noted"})

    async def stop(self) -> None:
        """Closes its connections."""
        await self._book.abandon()
        await self._web.close()

    def _fixed_subject(self, fields: dict[str, str], index: int, owner: str) -> Subject:
        try:
            return subject_of(self._mapping.shape, fields, is_fixed=True)
        except SubjectError as error:
            raise ConfigError(
                "C174", f"{owner}: options: subjects.{index}: {error}", "see `subject` of the mapping"
            ) from error
