"""The table of verdicts as one plain function, and what it needs to know about how a coordination went.

It reads the record, the plan as written, what was said before, and the movements as they are added up independently.
"""

from __future__ import annotations

from typing import Any

from engine.coordination.case import Case
from tests.support.laws.plans import Pack
from tests.support.laws.value import movements_of
from tests.support.laws.world import LawWorld

Said = dict[str, Any]


def judge(world: LawWorld, record: Said, said: list[Said], at_ms: int) -> None:
    """The verdict of a record must be what the table says.

    Args:
        world: as it is after the record.
        record: the outcome.
        said: everything the audit said of this coordination, the record last.
        at_ms: when it was said.
    """
    case = next(case for case in world.cases if case.id == record["coordination"])
    if any(event["event"] == "outcome" for event in said[:-1]):
        before = [event for event in said[:-1] if event["event"] in ("outcome", "outcome_withdrawn")]
        if before[-1]["event"] == "outcome":
            _amended(before[-1], record)
            return
    expected = verdict_of(world.pack, case, record, said)
    assert record["verdict"] in expected, f"{record['verdict']}, the table says {expected}: {record}"


def _amended(before: Said, record: Said) -> None:
    """A later record keeps the verdict; only stranded value that came where it should raises it."""
    if before["verdict"] != "STRANDED":
        assert record["verdict"] == before["verdict"], "a verdict that stood was changed"


def verdict_of(pack: Pack, case: Case, record: Said, said: list[Said]) -> set[str]:
    """What the table says; more than one only where the record alone cannot tell."""
    events = [event["event"] for event in said]
    decreed = _decreed(pack, record["reason"])
    if decreed is not None and record["verdict"] == decreed:
        return {decreed}
    states = {step["name"]: step["state"] for step in record["steps"]}
    moved = movements_of(case, pack)
    has_moved = any(moved.come.values()) or any(moved.gone.values())
    commanded = any(step.run.commands for step in case.steps.values())
    if "stuck" in states.values():
        return {"STRANDED"}
    if "breach" in events:
        relation = pack.plan["relations"][0]
        return {"FAILED_ORDER" if "order" in relation else "FAILED_ATOMICITY"}
    if is_achieved(pack, case, record, states):
        return {"SETTLED_LATE" if _is_late(case) else "COMPLETED"}
    if is_astray(case, pack, record) and case.is_unwinding and _is_left_alone(case, states):
        return {"STRANDED"}
    if not has_moved:
        if case.cancelled_at is not None:
            return {"CANCELLED"}
        is_begun = commanded or any(state not in ("planned", "ready") for state in states.values())
        is_accepted = any(step.is_accepted for step in case.steps.values())
        return {"FAILED_SAFE"} if is_begun or is_accepted or "unwinding" in events else {"EXPIRED"}
    delivered = any(amount != "0" for here in record["delivered"].values() for amount in here.values())
    astray = is_astray(case, pack, record)
    otherwise = pack.plan.get("outcome", {}).get("otherwise", "UNWOUND")
    if "partial" in pack.plan.get("outcome", {}) and delivered and not astray and _is_partial(pack, record):
        return {"COMPLETED_PARTIAL"}
    if not astray and not delivered and record["refunded"]:
        return {"REFUNDED"}
    if delivered and not astray:
        return {otherwise}
    return {"UNWOUND" if "unwinding" in events else otherwise}


def _decreed(pack: Pack, reason: str) -> str | None:
    """The verdict that the alternative of that reason names."""
    for action in (*pack.places.values(), *pack.plan.get("relations", [])):
        found = action.get("otherwise", {})
        listed = found if isinstance(found, list) else [each for many in found.values() for each in many]
        for each in listed:
            if each.get("reason") == reason and "end" in each:
                return str(each["end"])
    return None


def is_achieved(pack: Pack, case: Case, record: Said, states: dict[str, str]) -> bool:
    """As the plan says, else all steps are confirmed, of two that stand instead of each other one."""
    outcome = pack.plan.get("outcome", {})
    if "achieved" in outcome:
        return _delivered(outcome["achieved"], record) >= 50
    for name, state in states.items():
        partners = [n for n, s in pack.steps.items() if s.get("instead_of") == name]
        partners += [pack.steps[name]["instead_of"]] if "instead_of" in pack.steps[name] else []
        if state != "confirmed" and not (
            state in ("planned", "ready") and any(states[partner] not in ("planned", "ready") for partner in partners)
        ):
            return False
    return True


def _is_partial(pack: Pack, record: Said) -> bool:
    return _delivered(pack.plan["outcome"]["partial"], record) > 0


def _delivered(expression: str, record: Said) -> int:
    """``delivered(place, asset)`` in an expression, read from the record."""
    _, place, _, asset, _ = expression.split('"')
    return int(record["delivered"].get(place, {}).get(asset, "0"))


def _is_late(case: Case) -> bool:
    times = [run.confirmed_at for run in case.runs() if run.status == "confirmed" and run.confirmed_at is not None]
    return case.deadline is not None and bool(times) and max(times) > case.deadline


def is_astray(case: Case, pack: Pack, record: Said) -> bool:
    """Value lies where it is neither delivered nor came from; what is owed as surplus is not astray."""
    moved = movements_of(case, pack)
    surplus = sum(int(amount) for amount in record["surplus"].values())
    out = 0
    for place, here in record["ledger"].items():
        for asset, amount in here.items():
            settled = int(record["delivered"].get(place, {}).get(asset, "0"))
            settled += int(record["refunded"].get(place, {}).get(asset, "0"))
            spot = (place, asset)
            came_from_here = int(amount) - moved.come[spot] + moved.gone[spot] > 0
            if not came_from_here and place != "outside":
                out += int(amount) - settled
    return out > surplus


def _is_left_alone(case: Case, states: dict[str, str]) -> bool:
    """Some step moved value, and it was neither undone nor accepted."""
    moved = [(states[name], step) for name, step in case.steps.items() if step.run.has_left and not step.run.is_surplus]
    return any(state != "undone" and not s.is_accepted for state, s in moved if s.run.gives or s.run.gets)
