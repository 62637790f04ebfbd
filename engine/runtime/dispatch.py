"""Dispatch: reads the outbox, sends each command at least once under its id, and tells the journal what came of it.

The loop's sibling. It owns no truth: what is queued, sending, sent or ended stands in the dispatch table, and every
take and every mark is fenced by the epoch, so a daemon that has lost its lease can neither take nor mark.

Start it when the loop has caught up with the journal: results that were appended before a crash have then ended their
commands, and are not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from connectors.base import ConnectorContext, OutgoingCommand
from connectors.registry import Registry
from engine.clock import monotonic_ms
from engine.errors import Retry, StoreError
from engine.model.journal import ChangeSet
from engine.runtime.carrier import Carrier, Route
from engine.runtime.lane import Lane, Waiting
from engine.runtime.logging import logger
from engine.runtime.outbox import DispatchStore, Outbox, Read
from engine.runtime.reports import ReportWatch
from engine.runtime.results import STORE_RETRY_MS, ResultWriter, until_stored
from engine.runtime.watching import keep_watching
from engine.settings import Settings
from engine.store.abc import DispatchRow

#: Expired and overdue commands, and changes of what is paused, are looked for so often.
TICK_MS = 1_000
_LOG = logger("dispatch")


class Dispatch:
    """Sends what the outbox holds, within each connector's limits."""

    def __init__(
        self,
        store: DispatchStore,
        settings: Settings,
        results: ResultWriter,
        paused: Callable[[], AbstractSet[str]],
        epoch: int,
        registry: Registry | None = None,
        context: Callable[[str, Mapping[str, Any]], ConnectorContext] = ConnectorContext,
    ) -> None:
        """Builds every configured connector; opens none.

        Args:
            store: the store.
            settings: limits and types of the connectors.
            results: appends signed results under this epoch.
            paused: what is paused now: ``connector:…``, ``rule:…``, ``plan:…``.
            epoch: the leadership.
            registry: connector types; default: those installed.
            context: what a connector of that name, with those options, is built from; the sink is added to it.

        Raises:
            ConfigError: a connector is configured wrongly.
        """
        self._store = store
        self._settings = settings
        self._results = results
        self._paused = paused
        self._epoch = epoch
        self._registry = registry or Registry.discover()
        self._context = context
        self._outbox = Outbox(store)
        self._reports = ReportWatch()
        self._carrier = Carrier(store, results, self._reports, epoch, monotonic_ms)
        self._routes: dict[str, Route] = {}
        self._started: list[Route] = []
        self._withdrawn: dict[str, None] = {}
        self._looks_for_withdrawn = True
        #: Whether the outbox may hold more than was read; each look at it costs a question to Redis.
        self._has_unread = True
        self._sends: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        #: What a send raised that nothing here can handle; ``run`` raises it.
        self.fault: BaseException | None = None
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._next_tick_ms = 0
        for name in settings.connectors:
            self._build(name)

    @property
    def in_flight(self) -> int:
        """Sends under way."""
        return len(self._sends)

    @property
    def waiting(self) -> dict[str, int]:
        """Commands in memory that wait, by connector."""
        return {name: len(route.lane) for name, route in sorted(self._routes.items())}

    def committed(self, change: ChangeSet) -> None:
        """The loop has committed this: there may be commands to send, to forget, to withdraw. Never waits."""
        for command_id in change.ended:
            self._reports.ended(command_id)
            self._withdrawn.pop(command_id, None)
        self._withdrawn.update(dict.fromkeys(change.withdrawn))
        self._looks_for_withdrawn |= bool(change.withdrawn)
        self._has_unread |= bool(change.commands)
        if change.commands or change.withdrawn:
            self._woken.set()

    def wake(self) -> None:
        """Something changed that dispatch should look at now (a pause ended)."""
        self._has_unread = True
        self._woken.set()

    def stop(self) -> None:
        """Takes nothing more; ``run`` returns when what is in flight has ended or the drain time is over."""
        self._is_stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Runs until ``stop``.

        Raises:
            LeaseLostError: another daemon leads.
            StoreError: one that waiting does not help.
        """
        try:
            await self._start()
            while not self._is_stopping:
                self._woken.clear()
                wait_ms = await self._round()
                await self._wait(wait_ms)
            await self._drain()
            self._raise_fault()
        finally:
            await self._close()

    async def _start(self) -> None:
        for route in list(self._routes.values()):
            await self._open(route)
        rows = await until_stored(self._outbox.locate)
        self._withdrawn.update((row.command_id, None) for row in rows if row.withdraw_asked)
        self._spawn(self._tell_again([row for row in rows if row.state in ("sent", "ended")]))
        # Only a configured connector can watch: a name that is merely commanded is a stream, or the log.
        self._watching = asyncio.create_task(keep_watching([route.connector for route in self._routes.values()]))
        self._watching.add_done_callback(self._landed)

    async def _tell_again(self, rows: list[DispatchRow]) -> None:
        """Rows that are sent or ended, whose result may have been lost between the row and the journal."""
        for row in rows:
            await self._tell_one_again(row)

    async def _tell_one_again(self, row: DispatchRow) -> None:
        if row.state == "ended":
            await self._results.write(row.command_id, row.status, {})
            return
        command = await until_stored(lambda: self._outbox.at(row.outbox_id))
        if row.status == "unknown" and command is not None:
            await self._carrier.lapsed(await self._route(command.connector), row.command_id)
            return
        await self._results.write(row.command_id, "sent", {})
        if command is None:
            return
        route = await self._route(command.connector)
        if route.connector.capabilities.reports_later:
            self._reports.sent(row.command_id, row.since_ms + route.lane.settings.report_within_ms)

    async def _round(self) -> int:
        """Everything that can be done now; gives how long nothing will be due."""
        try:
            self._raise_fault()
            await self._read()
            self._give_up_withdrawn()
            await self._tick()
        except StoreError as error:
            if error.retry is Retry.NEVER:
                raise
            _LOG.warning("redis is away", code=error.code, reason=error.message)
            return STORE_RETRY_MS
        return self._pump()

    async def _read(self) -> None:
        while self._has_unread:
            await self._read_on()
        for route in list(self._routes.values()):
            await self._read_skipped(route)

    async def _read_on(self) -> None:
        self._has_unread = False  # first, for a commit meanwhile says that there is more
        try:
            reads = await self._outbox.forward()
        except BaseException:
            self._has_unread = True
            raise
        if reads is not None:
            self._has_unread |= self._outbox.was_cut
            self._looks_for_withdrawn = True
            for read in reads:
                await self._offer(await self._route(read.command.connector), read)

    async def _read_skipped(self, route: Route) -> None:
        """What once found no room in a lane, now that it has some."""
        lane = route.lane
        while lane.skipped_after is not None and lane.has_room:
            reads, last = await self._outbox.again(lane.skipped_after)
            lane.skipped_after = None
            self._looks_for_withdrawn = True
            for read in reads:
                if read.command.connector == lane.name:
                    await self._offer(route, read)
            if lane.skipped_after is None and last < self._outbox.position:
                lane.skipped_after = last

    async def _offer(self, route: Route, read: Read) -> None:
        command = read.command
        item = Waiting(read.outbox_id, command.command_id, command.rule, command.expires_ms, read.was_sending)
        if read.was_sending and route.connector.capabilities.marks_sent:
            # Had it left, the same script would have marked it: it did not leave.
            await until_stored(lambda: self._store.requeue(command.command_id, self._epoch))
            item.may_have_left = False
        route.lane.offer(item, read.before)

    def _give_up_withdrawn(self) -> None:
        """What waits here and is to be withdrawn need not wait for its turn. The rest is in flight, or not yet read."""
        if not self._looks_for_withdrawn:
            return
        self._looks_for_withdrawn = False
        for command_id in list(self._withdrawn):
            for route in self._routes.values():
                item = route.lane.withdraw(command_id)
                if item is not None:
                    del self._withdrawn[command_id]
                    self._spawn(self._carrier.give_up(route, item))
                    break

    async def _tick(self) -> None:
        """Once a second: what has expired while it was held, and what nobody has reported on."""
        if monotonic_ms() < self._next_tick_ms:
            return
        self._next_tick_ms = monotonic_ms() + TICK_MS
        self._looks_for_withdrawn = self._has_unread = True
        server_ms = await self._store.time_ms()
        for route in self._routes.values():
            for item in route.lane.expired(server_ms):
                self._spawn(self._carrier.give_up(route, item))
        for command_id in self._reports.overdue(server_ms):
            self._spawn(self._results.write(command_id, "unknown", {"reason": "sent, and no report came in time"}))

    def _pump(self) -> int:
        now_ms, paused = monotonic_ms(), self._paused()
        wait_ms = TICK_MS
        for route in self._routes.values():
            while (item := route.lane.next(now_ms, paused)) is not None:
                self._spawn(self._carrier.carry(route, item))
            lane_wait = route.lane.wait_ms(now_ms, paused)
            wait_ms = wait_ms if lane_wait is None else min(wait_ms, lane_wait)
        return wait_ms

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sends.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.fault = self.fault or task.exception()
        self._woken.set()

    def _raise_fault(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def _wait(self, wait_ms: int) -> None:
        try:
            async with asyncio.timeout(wait_ms / 1000):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _drain(self) -> None:
        if self._sends:
            await asyncio.wait(self._sends, timeout=self._settings.dispatch.drain_ms / 1000)

    async def _close(self) -> None:
        """Cuts off what is still in flight (the next start sends it again) and closes the connectors."""
        left = [*self._sends, *([self._watching] if self._watching is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        stops = [_stop(route) for route in self._started]
        for said in await asyncio.gather(*stops, return_exceptions=True):
            if said is not None:
                _LOG.warning("a connector did not stop", reason=f"{type(said).__name__}: {said}")

    async def _route(self, name: str) -> Route:
        route = self._routes.get(name)
        if route is None:
            route = self._build(name)
            await self._open(route)
        return route

    def _build(self, name: str) -> Route:
        wanted = self._settings.connector(name)
        context = replace(self._context(name, wanted.options), sink=self._sink, timeout_ms=wanted.timeout_ms)
        connector = self._registry.build(wanted.type, context)
        route = Route(connector, Lane(name, wanted, monotonic_ms()))
        self._routes[name] = route
        return route

    async def _open(self, route: Route) -> None:
        await route.connector.start()
        self._started.append(route)

    async def _sink(self, command: OutgoingCommand) -> bool:
        return await self._store.send_redis(command.id, command.connector, command.epoch) == "sent"


async def _stop(route: Route) -> None:
    async with asyncio.timeout(route.lane.settings.timeout_ms / 1000):
        await route.connector.stop()
