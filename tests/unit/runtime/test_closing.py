"""A coordination whose ledger did not add up stays until somebody who saw to its value says so."""

import json
from pathlib import Path

import pytest

from engine.coordination.driver import Driver
from engine.matching.changes import dumps
from engine.model.signing import signed_fields
from tests.support.journal_engine import SECRET
from tests.support.kept_world import KeptWorld
from tests.unit.insight.shop import PACK, moved, order

DAY = 86_400_000


@pytest.fixture
def world(tmp_path: Path) -> KeptWorld:
    world = KeptWorld(tmp_path, PACK)
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    order(world, 1_500, "O2")
    # More arrives than has left.
    moved(world, 2_000, "m1", "O1", "101", "till")
    return world


def driver_of(world: KeptWorld) -> Driver:
    driver = world.engine.driver
    assert isinstance(driver, Driver)
    return driver


def close(world: KeptWorld, at: int, what: str, n: int) -> None:
    fields = signed_fields("control", json.dumps({"action": "close", "what": what}), "cli", n, SECRET)
    world.raw(at, [word.encode() for pair in fields.items() for word in pair])


def test_what_is_stopped_is_counted_until_it_is_closed_and_then_forgotten_like_any(world: KeptWorld) -> None:
    driver = driver_of(world)
    case = next(case for case in driver.cases.values() if case.subject == "O1")
    assert (case.is_stopped, case.is_open, world.engine.figures()["stopped_coordinations"]) == (True, True, 1)
    world.restart()
    assert world.engine.figures()["stopped_coordinations"] == 1
    close(world, 5_000, case.id, 1)
    assert world.engine.figures()["stopped_coordinations"] == 0
    ((_, said),) = world.events("outcome")
    assert (said["verdict"], said["reason"], said["provisional"]) == ("STRANDED", "LEDGER", False)
    world.restart()
    world.until(DAY + 10_000)
    assert [each.subject for each in driver_of(world).cases.values() if each.id == case.id] == []
    (kept,) = [json.loads(record)["case"] for name, record in world.done_hash.items() if name == case.id.encode()]
    assert (kept["verdict"], kept["verdict_reason"], kept["is_stopped"]) == ("STRANDED", "LEDGER", True)


def test_only_what_is_stopped_is_closed_by_hand_and_only_once(world: KeptWorld) -> None:
    cases = {case.subject: case.id for case in driver_of(world).cases.values()}
    for n, what in enumerate([cases["O2"], "nobody", cases["O1"], cases["O1"]]):
        close(world, 5_000 + n, what, n)
    assert [refused.code for refused in world.refused()] == ["F321", "F321", "F321"]
    assert [said["what"] for _, said in world.events("control")] == [cases["O1"]]


def test_conditions_that_an_earlier_version_judged_without_a_coordination_are_dropped_at_a_start(
    world: KeptWorld,
) -> None:
    confirmed = dumps(["g", "shop.buy#pay.confirmed", [["O1"]]])
    name, record = confirmed.replace(b"O1", b"O9"), world.active_hash[confirmed]
    world.active_hash[name] = record.replace(b"O1", b"O9")
    # No alarm, as there would be for any other difference.
    world.restart()
    world.until(10_000)
    assert name not in world.active_hash
