"""The daemon: everything put together, started in order, stopped in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from connectors.base import ConnectorContext
from engine import limits
from engine.errors import ConfigError, Exit, LockstepError, PackError, Retry, StoreError, worst_of
from engine.insight.status import STOPPED, write_status
from engine.runtime.candidate import ask_for, candidate_from, store_candidate, try_out
from engine.runtime.dispatch import Dispatch
from engine.runtime.housekeeping import LOOK_EVERY_MS, Housekeeping
from engine.runtime.lease import Lease, owner_name
from engine.runtime.logging import configure, logger
from engine.runtime.loop import Loop
from engine.runtime.notebooks import FULL_AT, DurableNotebook
from engine.runtime.preparing import Preparing
from engine.runtime.results import ResultWriter, until_stored
from engine.runtime.rounds import Rounds
from engine.runtime.timers import AlarmClock
from engine.settings import Settings
from engine.store.embedded import EmbeddedServer
from engine.store.redis_store import RedisStore, connect_with_backoff
from engine.store.secret import ensure_secret, secret_path
from engine.store.url import Endpoint, parse

_LOG = logger("daemon")
_PROGRAM = "daemon"
#: What a stop may take beyond the drain time before the rest is left to the next start.
_STOP_MS = 5_000
_FIGURES_EVERY_MS = 1_000
#: How long to wait before asking a Redis again that was away while standing by.
_STANDBY_RETRY_S = 1
#: What happened to the built-in server that an operator should look at.
_WORRYING = frozenset({"died", "restart_failed", "orphan_stopped", "adopted"})


def serve(settings: Settings) -> Exit:
    """Run the daemon until it is asked to stop, or cannot go on; what it has to say goes to the log."""
    configure(settings.log_level)
    try:
        asyncio.run(Daemon(settings).run())
    except LockstepError as error:
        return _give_up(error)
    except BaseExceptionGroup as group:
        worst = worst_of(group)
        if isinstance(worst, LockstepError):
            return _give_up(worst)
        _LOG.critical("a fault in Lockstep itself", exc_info=worst)
        return Exit.FAULT
    except Exception:  # the outermost supervisor
        _LOG.critical("a fault in Lockstep itself", exc_info=True)
        return Exit.FAULT
    return Exit.OK


def _give_up(error: LockstepError) -> Exit:
    if isinstance(error, PackError):
        for problem in error.problems:
            (_LOG.error if problem.is_error else _LOG.warning)(str(problem))
        _LOG.error("the packs have errors", count=sum(problem.is_error for problem in error.problems))
    else:
        _LOG.error(f"{error.code} {error.message}", hint=error.hint)
    return error.exit_code


class Daemon:
    """One run, from start to stop. ``run`` may be called once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._phase: asyncio.Task[None] | None = None
        self._is_leading = False

    async def run(self) -> None:
        """Start, lead, stop.

        Raises:
            LockstepError: why it could not start or go on.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        self._phase = asyncio.create_task(self._serve())
        try:
            await self._phase
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
        _LOG.info("stopped")

    def _asked_to_stop(self, number: int) -> None:
        """Finish what is in hand; asked again, or before there is anything in hand, stop at once."""
        name = signal.Signals(number).name
        again = self._stopping.is_set()
        _LOG.info("stopping at once" if again else "stopping", signal=name)
        self._stopping.set()
        if self._phase is not None and (again or not self._is_leading):
            self._phase.cancel()

    async def _serve(self) -> None:
        settings = self._settings
        async with self._endpoint() as endpoint:
            named = str(settings.secret_file) if settings.secret_file else None
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret = ensure_secret(secret_path(settings.data, named))
            async with await self._connect(endpoint) as store:
                _LOG.info("connected", redis=str(endpoint))
                lease = Lease(store, owner_name())
                epoch = await self._stand_by(lease)
                try:
                    await self._lead(store, lease, epoch, secret)
                finally:
                    await lease.release()

    @asynccontextmanager
    async def _endpoint(self) -> AsyncIterator[Endpoint]:
        """Where Redis is; the built-in server runs as long as this is open, and is stopped last."""
        if self._settings.redis:
            yield parse(self._settings.redis)
            return
        server = EmbeddedServer(self._settings.data, on_event=_tell)
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        try:
            yield await asyncio.shield(starting)
        finally:
            await asyncio.to_thread(server.stop)
            # A start that was cut off is over once it has noticed the stop.
            await asyncio.wait([starting])

    async def _connect(self, endpoint: Endpoint) -> RedisStore:
        def failed(error: StoreError, tries: int, wait_ms: int) -> None:
            _LOG.warning("redis is away", code=error.code, reason=error.message, hint=error.hint, retry_in_ms=wait_ms)

        try:
            return await connect_with_backoff(endpoint, failed)
        except StoreError as error:
            # Waiting would not help: the login, TLS or the version are wrong, which only the operator can mend.
            raise ConfigError(error.code, error.message, error.hint) from error

    async def _stand_by(self, lease: Lease) -> int:
        while True:
            try:
                epoch = await lease.acquire(lambda owner: _LOG.info("standing by", leader=owner))
            except StoreError as error:
                if error.retry is Retry.NEVER:
                    raise
                _LOG.warning("redis is away", code=error.code, reason=error.message)
                await asyncio.sleep(_STANDBY_RETRY_S)
            else:
                _LOG.info("leading", epoch=epoch)
                return epoch

    async def _lead(self, store: RedisStore, lease: Lease, epoch: int, secret: bytes) -> None:
        """Decide and send until asked to stop; then finish what is in hand."""
        await self._push_packs(store, secret)
        clock = AlarmClock()
        loop = Loop(store, self._settings, lease, secret, clock)
        results = ResultWriter(store, epoch, secret)
        await results.begin()
        surroundings = _Surroundings(store, epoch, clock, loop, self._settings)
        dispatch = Dispatch(store, self._settings, results, loop.paused, epoch, context=surroundings.of)
        loop.on_commit(dispatch.committed)
        keeping = Housekeeping(store, epoch, lambda: loop.applied, lambda: dispatch.waiting)
        preparing = Preparing(store, loop.in_force)
        loop.ready = lambda: preparing.ready
        figures = _Figures(store, lambda: {**_figures_of(loop, dispatch, lease), "prepared": preparing.revision})
        clock.start()
        clock.every("housekeeping", LOOK_EVERY_MS, keeping.wake)
        clock.every("figures", _FIGURES_EVERY_MS, figures.wake)
        clock.every("preparing", _FIGURES_EVERY_MS, preparing.wake)
        self._is_leading = True
        try:
            async with asyncio.TaskGroup() as tasks:
                running = (_watch(lease), keeping.run(), figures.run(), preparing.run())
                beside = [tasks.create_task(each) for each in running]
                deciding = tasks.create_task(loop.run())
                sending = tasks.create_task(_send_once_caught_up(loop, dispatch))
                await self._stopping.wait()
                loop.stop()
                await self._finish(deciding)
                dispatch.stop()
                await self._finish(sending)
                for task in beside:
                    task.cancel()
            await figures.stopped()
        finally:
            clock.stop()

    async def _finish(self, task: asyncio.Task[None]) -> None:
        """Wait for the work in hand, but not for a Redis that does not come back: the next start takes it up."""
        _, late = await asyncio.wait([task], timeout=(self._settings.dispatch.drain_ms + _STOP_MS) / 1000)
        if late:
            _LOG.warning("stopping with work in hand; the next start takes it up")
            task.cancel()

    async def _push_packs(self, store: RedisStore, secret: bytes) -> None:
        """Ask for ``--packs`` if they differ from what is in force. Wrong ones never replace right ones."""
        in_force = await until_stored(store.revision_in_force) or ""
        if self._settings.packs is None:
            if not in_force:
                _LOG.warning("no rule base is in force", hint="push one: lockstep push DIR")
            return
        try:
            candidate = await asyncio.to_thread(candidate_from, [self._settings.packs])
            if candidate.revision == in_force:
                return
            await asyncio.to_thread(try_out, candidate)
        except LockstepError as error:
            if not in_force:
                raise
            _give_up(error)
            _LOG.error("the packs are wrong; the rule base stays as it is", packs=str(self._settings.packs))
            return
        for problem in candidate.warnings:
            _LOG.warning(str(problem))
        await until_stored(lambda: store_candidate(store, candidate, _PROGRAM))
        accept = limits.PUSH_ACCEPT
        await until_stored(lambda: ask_for(store, secret, _PROGRAM, candidate.revision, in_force, accept))
        _LOG.info("rule base asked for", revision=candidate.revision, replaces=in_force)


class _Surroundings:
    """What the connectors of this leadership are built from."""

    def __init__(self, store: RedisStore, epoch: int, clock: AlarmClock, loop: Loop, settings: Settings) -> None:
        self._store = store
        self._epoch = epoch
        self._clock = clock
        self._loop = loop
        self._settings = settings

    def of(self, name: str, options: Mapping[str, Any]) -> ConnectorContext:
        """The context of the connector of that name."""
        notebook = DurableNotebook(self._store, name, self._epoch, self._lag)
        return ConnectorContext(
            name,
            options,
            notebook=notebook,
            pace=partial(self._pace, name),
            read_file=self._settings.read_file,
        )

    async def _lag(self) -> int:
        return await self._store.journal_lag(self._loop.engine.position, FULL_AT)

    def _pace(self, connector: str, name: str, every_ms: int, wake: Callable[[], None]) -> None:
        self._clock.every(f"{connector}:{name}", every_ms, wake)


class _Figures(Rounds):
    """Writes the running daemon's figures, for people alone."""

    def __init__(self, store: RedisStore, figures: Callable[[], Mapping[str, str | int]]) -> None:
        super().__init__()
        self._store = store
        self._figures = figures

    async def look(self) -> None:
        await self._write("leader")

    async def stopped(self) -> None:
        """The last figures of this run."""
        try:
            await self._write(STOPPED)
        except StoreError as error:
            self.put_off(error)

    async def _write(self, role: str) -> None:
        now_ms = await self._store.time_ms()
        await write_status(self._store, {**self._figures(), "role": role}, now_ms)

    def put_off(self, error: StoreError) -> None:
        _LOG.debug("figures not written", code=error.code, reason=error.message)


def _figures_of(loop: Loop, dispatch: Dispatch, lease: Lease) -> dict[str, str | int]:
    return {
        **loop.figures(),
        "paused": " ".join(sorted(loop.paused())),
        "commands_waiting": sum(dispatch.waiting.values()),
        "sends_in_flight": dispatch.in_flight,
        "lease": "certain" if lease.is_certain else "redis is away",
    }


async def _watch(lease: Lease) -> None:
    raise await lease.wait_lost()


async def _send_once_caught_up(loop: Loop, dispatch: Dispatch) -> None:
    """Results that were appended before a crash must have ended their commands before anything is sent again."""
    await loop.caught_up.wait()
    _LOG.info("ready")
    await dispatch.run()


def _tell(word: str, details: str) -> None:
    """What the built-in server's supervisor, a thread of its own, has to say."""
    (_LOG.warning if word in _WORRYING else _LOG.info)(f"redis {word.replace('_', ' ')}", details=details)
