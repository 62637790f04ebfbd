"""One command on its way out: taken, handed to its connector, and what came of it told to the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.base import Connector, OutgoingCommand, SendResult, SendStatus
from engine.errors import LeaseLostError, LockstepError, Retry, StoreError
from engine.model.journal import OutboxCommand
from engine.runtime.crashpoints import crashpoint
from engine.runtime.lane import Lane, Waiting
from engine.runtime.logging import logger
from engine.runtime.outbox import DispatchStore
from engine.runtime.reports import ReportWatch
from engine.runtime.results import STORE_RETRY_MS, ResultWriter, until_stored
from engine.store.abc import NotTaken, Taken

_LOG = logger("dispatch")
AFTER_TAKE: Final = "after_take"
AFTER_SEND: Final = "after_send"
AFTER_RESULT: Final = "after_result"
#: Statuses after which the command waits for somebody's report; its row becomes ``sent``.
_OPEN_ENDED = frozenset({SendStatus.SENT, SendStatus.SUBMITTED, SendStatus.UNKNOWN})


@dataclass(slots=True)
class Route:
    """A connector and what waits for it."""

    connector: Connector
    lane: Lane


class Carrier:
    """Carries single commands. What it leaves undone when it is cut off, the dispatch table still knows."""

    def __init__(
        self,
        store: DispatchStore,
        results: ResultWriter,
        reports: ReportWatch,
        epoch: int,
        clock: Callable[[], int],
    ) -> None:
        """Makes a carrier.

        Args:
            store: the store.
            results: where outcomes are told.
            reports: learns what waits for a report.
            epoch: the leadership under which commands are taken.
            clock: monotonic milliseconds, for back-off alone.
        """
        self._store = store
        self._results = results
        self._reports = reports
        self._epoch = epoch
        self._clock = clock

    async def carry(self, route: Route, item: Waiting) -> None:
        """Takes and sends a command that its lane gave out.

        Raises:
            LeaseLostError: another daemon leads.
        """
        try:
            answer = await self._take(route, item)
            if isinstance(answer, NotTaken):
                route.lane.breaker.gave_up()
                await self._not_taken(route, item, answer.why)
            elif answer is not None:
                crashpoint(AFTER_TAKE)
                if not _knows(route, answer):
                    route.lane.breaker.gave_up()  # its receiver was not asked
                    reason = f"the connector has no verb '{answer.command.verb}'"
                    await self._tell(route, item.command_id, SendStatus.REFUSED, {"reason": reason})
                    return
                result = await self._send(route, answer)
                crashpoint(AFTER_SEND)
                await self._conclude(route, item, answer, result)
        finally:
            route.lane.finished()

    async def give_up(self, route: Route, item: Waiting) -> None:
        """Asks for the verdict on a waiting command that was withdrawn or has expired, without sending it."""
        answer = await self._take(route, item)
        if isinstance(answer, NotTaken):
            await self._not_taken(route, item, answer.why)
        elif answer is not None:
            # The server's clock stepped back, or the withdrawal is not committed: it keeps its place.
            await self._requeue(item)
            route.lane.put_back(item, self._clock() + STORE_RETRY_MS)

    async def _take(self, route: Route, item: Waiting) -> Taken | NotTaken | None:
        """None: Redis is away, and the command is back in its lane."""
        try:
            return await self._store.take(item.command_id, self._epoch)
        except StoreError as error:
            if error.retry is Retry.NEVER:
                raise
            route.lane.breaker.gave_up()
            route.lane.put_back(item, self._clock() + STORE_RETRY_MS)
            return None

    async def _send(self, route: Route, taken: Taken) -> SendResult:
        """One try, bounded in time. Whatever goes wrong in a connector, it may have left."""
        command = _outgoing(taken, self._epoch)
        return await self._guarded(route, command.id, route.connector.send(command))

    async def _guarded(self, route: Route, command_id: str, work: Awaitable[SendResult]) -> SendResult:
        """What the connector answers, or what its silence or its failure means."""
        # Where sending and marking are one act, the row says whether it left; so a try can fail, but not be unknown.
        lost = SendStatus.FAILED if route.connector.capabilities.marks_sent else SendStatus.UNKNOWN
        timeout_ms = route.lane.settings.timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await work
        except TimeoutError:
            return SendResult(lost, {"reason": f"no answer within {timeout_ms} ms"}, Retry.LATER)
        except LeaseLostError:
            raise  # what became of it is for the daemon that leads to say
        except LockstepError as error:
            return SendResult(lost, {"code": error.code, "reason": error.message}, error.retry)
        except Exception as error:
            # The supervisor of connectors: a bug in one must not stop the others, nor pass for an outcome.
            _LOG.exception("a connector failed", connector=route.connector.name, command=command_id)
            return SendResult(lost, {"reason": f"{type(error).__name__}: {error}"}, Retry.LATER)

    async def _conclude(self, route: Route, item: Waiting, taken: Taken, result: SendResult) -> None:
        lane = route.lane
        if result.status is SendStatus.WITHHELD:
            lane.breaker.gave_up()
            await self.give_up(route, item)
            return
        if not result.wants_retry:
            lane.breaker.succeeded()
        else:
            lane.breaker.failed(self._clock())
            marks_sent = route.connector.capabilities.marks_sent
            item.may_have_left |= result.status is SendStatus.UNKNOWN and not marks_sent
            wait_ms = lane.retry.wait_ms(item.command_id, taken.tries)
            if wait_ms is None and marks_sent:
                # Its way out is the store itself, which is away: nothing else can be told either until it is back.
                wait_ms = lane.retry.cap_ms
            if wait_ms is not None:
                await self._requeue(item)
                lane.put_back(item, self._clock() + max(wait_ms, result.after_ms))
                return
        status, detail = result.status, {**result.detail, "attempt": taken.tries}
        remembers = route.connector.capabilities.remembers
        if status is SendStatus.FAILED and result.wants_retry and item.may_have_left and not remembers:
            # This try did not leave, but an earlier one may have. Only the receiver's own word would end it.
            status = SendStatus.UNKNOWN
        await self._tell(route, item.command_id, status, detail)

    async def _tell(self, route: Route, command_id: str, status: SendStatus, detail: Mapping[str, Any]) -> None:
        """The result first, then the row: cut off between the two, it is sent again rather than never told."""
        await self._results.write(command_id, status.value, detail)
        crashpoint(AFTER_RESULT)
        if status not in _OPEN_ENDED:
            return
        if not route.connector.capabilities.marks_sent:
            await until_stored(lambda: self._store.mark_sent(command_id, self._epoch))
        if status is SendStatus.SENT and route.connector.capabilities.reports_later:
            await self._watch(route, command_id)

    async def _watch(self, route: Route, command_id: str) -> None:
        now_ms = await until_stored(self._store.time_ms)
        self._reports.sent(command_id, now_ms + route.lane.settings.report_within_ms)

    async def _not_taken(self, route: Route, item: Waiting, why: str) -> None:
        if why == "fenced":
            raise LeaseLostError("L103", f"epoch {self._epoch} may take no more commands", "another daemon leads")
        if why in ("withdrawn", "expired"):
            await self._results.write(item.command_id, why, {})
        elif why == "sent" and item.may_have_left:
            await self.lapsed(route, item.command_id)
        elif why == "sent":
            await self._tell(route, item.command_id, SendStatus.SENT, {})

    async def lapsed(self, route: Route, command_id: str) -> None:
        """It expired or was withdrawn after a try whose outcome is not known. Only one that remembers knows more.

        Raises:
            LeaseLostError: another daemon leads.
        """
        if route.connector.capabilities.remembers:
            recalled = await self._guarded(route, command_id, route.connector.recall(command_id))
            await self._tell(route, command_id, recalled.status, recalled.detail)
        else:
            reason = "withdrawn or expired after a try whose outcome is not known"
            await self._results.write(command_id, SendStatus.UNKNOWN.value, {"reason": reason})

    async def _requeue(self, item: Waiting) -> None:
        """If surely nothing left, the command may still be called expired or withdrawn."""
        if not item.may_have_left:
            await until_stored(lambda: self._store.requeue(item.command_id, self._epoch))


def _knows(route: Route, taken: Taken) -> bool:
    verbs = route.connector.capabilities.verbs
    return verbs is None or taken.command.verb in verbs


def _outgoing(taken: Taken, epoch: int) -> OutgoingCommand:
    command: OutboxCommand = taken.command
    return OutgoingCommand(
        id=command.command_id,
        connector=command.connector,
        verb=command.verb,
        args=command.args,
        rule=command.rule,
        coordination=command.coordination,
        expires_ms=command.expires_ms,
        attempt=taken.tries,
        epoch=epoch,
    )
