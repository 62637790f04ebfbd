"""Orders to the engine, signed: a rule base to put in force, a pause. Only who holds the secret may give them."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping

from engine.errors import Retry, StoreError
from engine.model.journal import StreamId
from engine.model.signing import signed_fields
from engine.store.redis_store import RedisStore

#: Tries to get a number of our own when several programs of one host sign at the same moment.
_TRIES = 10


def writer_name(program: str) -> str:
    """One writer per program and host, not per process: the engine remembers every writer for good."""
    return f"{program}:{socket.gethostname()}"


async def give_order(
    store: RedisStore, secret: bytes, program: str, op: str, data: Mapping[str, str | int]
) -> StreamId:
    """Append one signed entry to the journal.

    Args:
        store: connected.
        secret: the engine's.
        program: who gives it: ``cli`` or ``daemon``.
        op: ``rulebase`` or ``control``.
        data: what is asked.

    Raises:
        StoreError: Redis is away or refuses.
    """
    writer = writer_name(program)
    text = json.dumps(data, separators=(",", ":"))
    for left in reversed(range(_TRIES)):
        n = await store.last_n(writer) + 1
        fields = signed_fields(op, text, writer, n, secret, program)
        try:
            return await store.append_signed(fields, writer, n, fields["sig"])
        except StoreError as error:
            if error.retry is Retry.NEVER or not left:
                raise
    raise AssertionError("the last try returns or raises")
