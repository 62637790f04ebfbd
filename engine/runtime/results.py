"""What dispatch tells the journal: signed ``result`` entries, in the order of their numbers.

A result may be appended twice: after a crash, or when Redis took one and its answer was lost. That is harmless, because
a command only ever moves forward by results: queued → sent → submitted → one final status, ``unknown`` from any that
is not final, and out of ``unknown`` only to a final one. A result that would not move it changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from engine.errors import LeaseLostError, Retry, StoreError
from engine.limits import MAX_JSON_INT
from engine.model.journal import StreamId
from engine.model.signing import signed_fields
from engine.runtime.logging import logger

#: ``source`` of the entries.
SOURCE = "lockstep-dispatch"
#: The writer their signature is by.
WRITER = "dispatch"
#: Numbers of one epoch begin at epoch * this, so that they rise over restarts without being stored.
NUMBERS_PER_EPOCH = 2**32
#: Bytes of a result's ``detail``; far below what an entry may have.
MAX_DETAIL_BYTES = 16 * 1024
_MAX_DEPTH = 8
_NUMBER_USED = "S140"
#: How long to wait before asking a Redis again that was away.
STORE_RETRY_MS = 250

T = TypeVar("T")
_LOG = logger("dispatch")


async def until_stored(call: Callable[[], Awaitable[T]]) -> T:
    """Repeats a call that stands repetition for as long as Redis is away.

    Raises:
        StoreError: one that waiting does not help.
    """
    while True:
        try:
            return await call()
        except StoreError as error:
            if error.retry is Retry.NEVER:
                raise
            await redis_is_away(error)


async def redis_is_away(error: StoreError) -> None:
    """Says so, and waits a moment."""
    _LOG.warning("redis is away", code=error.code, reason=error.message)
    await asyncio.sleep(STORE_RETRY_MS / 1000)


class SignedJournal(Protocol):
    """Where signed entries go."""

    async def append_signed(self, fields: Mapping[str, str | bytes], writer: str, n: int, signature: str) -> StreamId:
        """Appends; the very same entry again is taken once. Raises StoreError S140 if the number is used."""
        ...

    async def claim_numbers(self, writer: str, n: int) -> None:
        """All numbers of that writer up to ``n`` count as used."""
        ...

    async def last_n(self, writer: str) -> int:
        """The last number that writer has used."""
        ...


class ResultWriter:
    """Signs and appends the results of one epoch."""

    def __init__(self, store: SignedJournal, epoch: int, secret: bytes) -> None:
        self._store = store
        self._secret = secret
        self._epoch = epoch
        self._n = epoch * NUMBERS_PER_EPOCH
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """From now on no earlier epoch can tell anything.

        To be called before the loop catches up with the journal. A daemon that was only held up may still have the
        answer to a try of its own in hand: told before this, it is known before the command is sent again; told later,
        it could end a command as failed while this daemon's try of it takes effect.
        """
        await until_stored(lambda: self._store.claim_numbers(WRITER, self._epoch * NUMBERS_PER_EPOCH))

    async def write(self, command_id: str, status: str, detail: Mapping[str, Any]) -> None:
        """One result, durable when this returns. One at a time: the numbers rise in the journal's order.

        Raises:
            LeaseLostError: a later epoch has written results.
        """
        entry = {"command": command_id, "status": status, "detail": bounded(detail)}
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        async with self._lock:
            while True:
                self._n += 1
                try:
                    await self._append(text, self._n)
                except StoreError as error:
                    if error.code != _NUMBER_USED:
                        raise
                    await self._catch_up()
                else:
                    return

    async def _append(self, text: str, number: int) -> None:
        fields = signed_fields("result", text, WRITER, number, self._secret, SOURCE)
        while True:
            try:
                await self._store.append_signed(fields, WRITER, number, fields["sig"])
            except StoreError as error:
                if error.retry is Retry.NEVER or error.code == _NUMBER_USED:
                    raise
                await redis_is_away(error)
            else:
                return

    async def _catch_up(self) -> None:
        last = await until_stored(lambda: self._store.last_n(WRITER))
        if last >= (self._epoch + 1) * NUMBERS_PER_EPOCH:
            later = last // NUMBERS_PER_EPOCH
            raise LeaseLostError("L103", f"epoch {later} writes results; this one is {self._epoch}", "it leads now")
        self._n = max(self._n, last)


def bounded(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The detail as exact JSON the journal takes: no fractions, no large bare integers, not too deep, not too long."""
    exact = {str(name): _exact(value, 1) for name, value in detail.items()}
    size = len(json.dumps(exact, ensure_ascii=False).encode("utf-8", "replace"))
    return exact if size <= MAX_DETAIL_BYTES else {"cut": f"{size} bytes of detail; {MAX_DETAIL_BYTES} are kept"}


def _exact(value: object, depth: int) -> Any:  # noqa: ANN401 - JSON
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # A lone surrogate cannot be stored as UTF-8.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return value if abs(value) <= MAX_JSON_INT else str(value)
    if depth >= _MAX_DEPTH:
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _exact(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(inner, depth + 1) for inner in value]
    return str(value)
