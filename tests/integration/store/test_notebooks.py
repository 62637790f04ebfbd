"""What a connector notes survives, is fenced, and enters together with what it has seen."""

from __future__ import annotations

import pytest

from engine.errors import StoreError
from engine.model.journal import ZERO_ID
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore

SEEN = {"op": "assert", "kind": "network", "source": "eth", "data": '{"id":"ethereum"}'}


async def lead(store: RedisStore) -> int:
    answer = await store.acquire_lease("a", 60_000)
    assert isinstance(answer, Leading)
    return answer.epoch


async def journal_length(store: RedisStore) -> int:
    return len(await store.read_journal(ZERO_ID, 100))


async def test_notes_are_kept_changed_and_taken_out_a_notebook_each(store: RedisStore) -> None:
    epoch = await lead(store)
    assert await store.note_down("eth", epoch, "1", {"head": "7", "nonce": "ü\n"}, [])
    assert await store.note_down("base", epoch, "1", {"head": "9"}, [])
    assert await store.read_notes("eth") == {"head": "7", "nonce": "ü\n"}
    assert await store.note_down("eth", epoch, "2", {"head": "8", "nonce": None}, [])
    assert await store.read_notes("eth") == {"head": "8"}
    assert await store.read_notes("base") == {"head": "9"}


async def test_a_write_repeated_after_a_lost_answer_is_made_once(store: RedisStore) -> None:
    epoch = await lead(store)
    for _ in range(2):
        assert await store.note_down("eth", epoch, "1:1", {"head": "7"}, [SEEN, SEEN])
    assert await journal_length(store) == 2
    assert await store.note_down("eth", epoch, "1:2", {}, [SEEN])
    assert await journal_length(store) == 3


async def test_a_stale_daemon_notes_and_observes_nothing(store: RedisStore) -> None:
    epoch = await lead(store)
    assert not await store.note_down("eth", epoch - 1, "1", {"head": "7"}, [SEEN])
    assert await store.read_notes("eth") == {}
    assert await journal_length(store) == 0


async def test_what_cannot_enter_the_journal_is_not_noted_either(store: RedisStore) -> None:
    epoch = await lead(store)
    await store._wire.call("SET", store.keys.journal, "no stream")
    with pytest.raises(StoreError):
        await store.note_down("eth", epoch, "1", {"head": "7"}, [SEEN])
    assert await store.read_notes("eth") == {}


async def test_five_hundred_observations_enter_in_their_order(store: RedisStore) -> None:
    epoch = await lead(store)
    assert await store.note_down("eth", epoch, "1", {}, [SEEN | {"seq": str(n)} for n in range(500)])
    entries = await store.read_journal(ZERO_ID, 1_000)
    assert [fields[fields.index(b"seq") + 1] for _, fields in entries] == [str(n).encode() for n in range(500)]
