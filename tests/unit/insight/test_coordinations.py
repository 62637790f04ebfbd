import json
from pathlib import Path

import pytest

from engine import limits
from engine.coordination.case import Case, Run, StepCase
from engine.coordination.driver import Driver
from engine.coordination.keeping import from_json, record, to_json
from engine.coordination.ledger import Ledger
from engine.coordination.story import note
from engine.insight.coordinations.reading import CoordinationError, known_cases, meant
from engine.insight.coordinations.telling import as_dict, with_timeline
from engine.insight.coordinations.timeline import moments
from engine.matching.changes import dumps
from tests.support.kept_world import KeptWorld
from tests.support.world import START
from tests.unit.insight.shop import PACK, order, sold_and_taken_back

DAY = 86_400_000


@pytest.fixture
def world(tmp_path: Path) -> KeptWorld:
    return KeptWorld(tmp_path, PACK)


async def test_a_coordination_is_listed_with_its_verdict_ledger_and_steps(world: KeptWorld) -> None:
    sold_and_taken_back(world)
    (known,) = await known_cases(world)
    told = as_dict(known)
    assert (told["coordination"], told["plan"], told["state"]) == ("O1", "shop.buy", "ended")
    assert (told["verdict"], told["reason"], told["at"]) == ("REFUNDED", "NO_VAN", START + 43_000)
    assert told["ledger"] == {"purse": {"USD": "99"}}
    assert told["refunded"] == {"purse": {"USD": "99"}}
    assert told["fees"] == {"USD": "1"}
    pay, ship = told["steps"]
    assert (pay["state"], pay["undo"][0]["status"]) == ("undone", "confirmed")
    assert pay["confirmed_on"] == [{"kind": "moved", "key": ["m1"]}]
    assert pay["alternatives"] == []
    assert (ship["dropped"], ship["alternatives"]) == (True, ["blocked:0"])
    assert [(c["command"], c["status"]) for c in told["commands"]] == [
        ("bank.pay", "submitted"),
        ("bank.refund", "submitted"),
    ]


async def test_its_timeline_tells_reports_evidence_alternatives_and_records(world: KeptWorld) -> None:
    sold_and_taken_back(world)
    (known,) = await known_cases(world)
    told = with_timeline(known)
    texts = [(each.at_ms - START, each.step, each.text) for each in moments(told)]
    pay, back = (command["id"] for command in told["commands"])
    assert texts == [
        (1_000, "", "began"),
        (1_000, "pay", f"bank.pay  {pay}"),
        (2_000, "pay", "bank.pay is submitted, says executor"),
        (2_000, "pay", "seen"),
        (3_000, "pay", "confirmed, on moved m1 of bank"),
        (3_000, "ship", "ready"),
        (33_000, "ship", "blocked: undo (NO_VAN)"),
        (33_000, "ship", "what moved is taken back: NO_VAN"),
        (33_000, "pay", f"bank.refund  {back}"),
        (33_000, "pay", "undoing"),
        (35_000, "pay", "bank.refund is submitted, says executor"),
        (43_000, "pay", "undone, on moved m2 of bank"),
        (43_000, "", "REFUNDED (NO_VAN)"),
    ]
    assert [record["verdict"] for record in told["records"]] == ["REFUNDED"]
    (way_off,) = [said for said in told["timeline"] if said["event"] == "way_off"]
    assert (way_off["off_path"], way_off["missing"], way_off["cause"][:4]) == ("blocked", ["VAN"], "due:")
    assert all(said["cause"] for said in told["timeline"])


async def test_one_that_left_memory_is_remembered_for_90_days_and_starts_nothing_again(world: KeptWorld) -> None:
    sold_and_taken_back(world)
    world.until(70_000)  # what it had reserved is free again
    (before,) = await known_cases(world)
    world.until(2 * DAY)
    assert not any(name.startswith(b'["p",') and b"ended" not in name for name in world.active_hash)
    (known,) = await known_cases(world)
    left = known.until_ms
    assert left is not None
    assert left == START + 43_000 + limits.KEEP_USED_MS + 1 + limits.DONE_KEEP_MS
    kept, was = with_timeline(known), with_timeline(before)
    assert kept.pop("kept_until") == left
    assert was.pop("kept_until") is None
    assert kept == was
    commands = len(world.sent)
    world.say(2 * DAY + 1, "stock", place="shelf", left="9")
    order(world, 2 * DAY + 2, "O1")
    assert len(world.sent) == commands
    world.restart()
    world.until(left - START + 120_000)
    assert await known_cases(world) == []
    assert world.done_hash == {}
    assert not any(b"ended" in name for name in world.active_hash)


async def test_a_coordination_is_meant_by_key_by_id_and_by_the_beginning_of_it(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1, "O1")
    order(world, 2, "O2")
    known = await known_cases(world)
    assert [each.case.subject for each in known] == ["O2", "O1"]
    for words in (("O1", ""), ("O1", "buy"), (known[1].case.id, "shop.buy"), (known[1].case.id[:6], "")):
        assert meant(known, *words) is known[1]
    with pytest.raises(CoordinationError, match="U150") as unknown:
        meant(known, "O3")
    assert unknown.value.hint == "did you mean O2, O1?"
    with pytest.raises(CoordinationError, match="U150"):
        meant(known, "O1", "sell")
    with pytest.raises(CoordinationError, match="U151"):
        meant([*known, *known], "O1")


async def test_a_record_of_an_earlier_or_a_later_version_is_read(world: KeptWorld) -> None:
    sold_and_taken_back(world)
    (known,) = await known_cases(world)
    (name,) = [name for name in world.active_hash if name.startswith(b'["p",')]
    stored = json.loads(world.active_hash[name])
    for part in (stored, stored["steps"][0]):
        part["of_later"] = 1
    run = stored["steps"][0]["run"]
    del stored["story"], stored["story_cut"], run["failed_on"], run["is_called_back"], run["is_extra"]
    world.active_hash[name] = json.dumps(stored).encode()
    (again,) = await known_cases(world)
    assert as_dict(again) == as_dict(known) | {"commands": []}
    world.restart()
    assert world.engine.driver is not None


def test_a_successor_that_is_refused_leaves_no_mark_in_a_story(world: KeptWorld) -> None:
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1, "O1")
    driver = world.engine.driver
    assert isinstance(driver, Driver)
    (case,) = driver.cases.values()
    (kept,) = driver.records().values()
    successor = from_json(kept)
    told, commands = list(case.story), list(case.steps["pay"].run.commands)
    note(successor, 2, "2-0", "unwinding", {})
    successor.steps["pay"].run.commands.append("another")
    assert (case.story, case.steps["pay"].run.commands) == (told, commands)


def test_a_long_story_keeps_its_beginning_and_its_end() -> None:
    case = Case("id", "shop.buy", (("O1",),), "O1", "r", 0, {}, Ledger())
    for number in range(limits.MAX_STORY + 50):
        note(case, number, f"{number}-0", "reported", {"n": number, "facts": [], "step": ""})
    assert len(case.story) == limits.MAX_STORY
    assert case.story_cut == 50
    assert [said["at"] for said in case.story[:20]] == list(range(20))
    assert case.story[20]["at"] == 70
    assert case.story[-1] == {"at": limits.MAX_STORY + 49, "cause": "349-0", "event": "reported", "n": 349}


def test_a_story_is_written_event_by_event_and_reads_as_if_it_were_written_as_a_whole() -> None:
    case = Case("id", "shop.buy", (("O1",),), "O1", "r", 0, {"pay": StepCase("pay", Run("pay"))}, Ledger())
    assert record(case) == dumps(to_json(case))
    for number in range(limits.MAX_STORY + 5):
        note(case, number, f"{number}-0", "réported", {"on": [{"key": ["x", number]}], "step": '"story":0'})
        if number % 7 == 0:
            assert record(case) == dumps(to_json(case))
    again = from_json(json.loads(record(case)))
    note(again, 999, "999-0", "commanded", {})
    note(case, 999, "999-0", "commanded", {})
    assert record(again) == record(case) == dumps(to_json(case))


async def test_a_step_tells_the_audit_the_facts_it_rests_on(world: KeptWorld) -> None:
    sold_and_taken_back(world)
    told = [(at, e) for at, e in world.events("step") if e["state"] == "confirmed"]
    ((at, said),) = told
    assert (at, said["coordination"], said["step"]) == (3_000, json.loads(json.dumps(said["coordination"])), "pay")
    (fact,) = said["facts"]
    assert (fact["alias"], fact["kind"], fact["key"], fact["source"]) == ("m", "moved", ["m1"], "bank")
    assert fact["values"]["amount"] == "99"
