import orjson
import pytest

from engine.errors import StoreError
from engine.insight.audit import Fired, Noted, decode
from engine.insight.explain import explain
from engine.model.journal import StreamId
from engine.store.records import AuditEntry

FIRED = {
    "event": "fired",
    "rule": "swap.bridge",
    "revision": "ab12",
    "activation": "ACT",
    "attempt": 1,
    "group": ["I1"],
    "facts": [
        {
            "alias": "i",
            "kind": "intent",
            "key": ["I1"],
            "values": {"id": "I1"},
            "position": "5-0",
            "observed_at": 5,
            "source": "app",
        }
    ],
    "bindings": {"net": "7"},
    "commands": [{"id": "CMD", "connector": "executor", "verb": "bridge", "args": {"amount": "7"}}],
    "asserts": [],
    "concludes": [],
}


def entry(at: str, cause: str, *events: object) -> AuditEntry:
    ms = at.partition("-")[0].encode()
    fields = (("cause", cause.encode()), ("at", ms), ("events", orjson.dumps(list(events))))
    return AuditEntry(StreamId.parse(at), fields)


class Audit:
    """An audit of entries in a list."""

    def __init__(self, *entries: AuditEntry) -> None:
        self.entries = entries
        self.reads = 0

    async def read_audit(self, *, after: StreamId | None, limit: int) -> list[AuditEntry]:
        self.reads += 1
        return [e for e in self.entries if after is None or e.entry > after][:limit]


NOTED = {"event": "superseded", "kind": "quote", "key": "CMD"}
AUDIT = (entry("10-0", "5-0", NOTED), entry("20-0", "6-0", FIRED), entry("30-0", "7-0", NOTED))


@pytest.mark.parametrize("wanted", ["CMD", "ACT", "6-0"])
async def test_a_command_an_activation_and_an_entry_lead_to_the_same_firing(wanted: str) -> None:
    (found,) = await explain(Audit(*AUDIT), wanted)
    assert found.fired is not None
    assert found.fired.rule == "swap.bridge"
    assert found.fired.facts[0].position == "5-0"
    assert found.decision.cause == "6-0"


async def test_a_command_is_found_though_its_time_is_later_than_the_audit_says() -> None:
    (found,) = await explain(Audit(*AUDIT), "CMD", about_ms=25)
    assert found.command is not None
    assert found.command.args == {"amount": "7"}


async def test_the_search_starts_where_the_command_was_made() -> None:
    before = [entry(f"{n}-0", f"{n}-0", FIRED | {"commands": []}) for n in range(1, 2_000)]
    audit = Audit(*before, entry("2000-0", "x", FIRED))
    await explain(audit, "CMD", about_ms=2_000)
    assert audit.reads == 1


async def test_a_decision_without_a_firing_says_what_it_noted() -> None:
    (found,) = await explain(Audit(*AUDIT), "7-0")
    assert found.fired is None
    assert found.noted == (Noted("superseded", {"kind": "quote", "key": "CMD"}),)
    assert found.as_dict()["noted"] == [NOTED]


async def test_an_unknown_id_explains_nothing() -> None:
    assert await explain(Audit(*AUDIT), "nobody") == []


def test_an_entry_of_another_form_is_an_error_with_a_code() -> None:
    with pytest.raises(StoreError, match="S301"):
        decode(AuditEntry(StreamId(1, 0), (("cause", b"x"),)))


def test_a_firing_is_read_as_it_was_written() -> None:
    (event,) = decode(AUDIT[1]).events
    assert isinstance(event, Fired)
    assert (event.rule, event.activation, event.group, event.bindings) == ("swap.bridge", "ACT", '["I1"]', {"net": "7"})
