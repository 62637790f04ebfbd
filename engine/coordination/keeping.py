"""Coordinations as plain JSON values, and the way back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from engine.coordination.case import Case, Reserved, Run, StepCase, Way
from engine.coordination.evaluate import Bound
from engine.coordination.ledger import Amount, Ledger
from engine.coordination.story import written
from engine.matching.changes import dumps

#: Not kept: it follows from the rest.
_DERIVED: Final = frozenset({"due", "story_texts"})
_STORY: Final = "story"
#: Names of the fields, for a coordination is kept at each of its steps.
_NAMES: Final = {made.__name__: tuple(f.name for f in fields(made)) for made in (Case, StepCase, Run, Way)}


def record(case: Case) -> bytes:
    """Canonical JSON of ``to_json``, without writing the whole story anew."""
    kept = to_json(case)
    before = dumps({name: value for name, value in kept.items() if name < _STORY})
    after = dumps({name: value for name, value in kept.items() if name > _STORY})
    return b'%s,"story":%s,%s' % (before[:-1], written(case), after[1:])


def to_json(case: Case) -> dict[str, Any]:
    """Plain JSON values."""
    kept = {name: getattr(case, name) for name in _names(Case) if name not in _DERIVED}
    kept["keys"] = list(case.keys)
    kept["bound"] = _bounds_json(case.bound)
    kept["brings"] = _amounts_json(case.brings)
    kept["ledger"] = case.ledger.to_json()
    kept["breach_way"] = _way_json(case.breach_way)
    kept["past"] = [_run_json(run) for run in case.past]
    kept["steps"] = [_step_json(step) for step in case.steps.values()]
    kept["decreed"] = None if case.decreed is None else list(case.decreed)
    return kept


def from_json(kept: dict[str, Any]) -> Case:
    """The way back from ``to_json``."""
    values = _known(Case, kept)
    values["keys"] = _frozen(kept["keys"])
    values["bound"] = _bounds(kept["bound"])
    values["brings"] = _amounts(kept["brings"])
    values["ledger"] = Ledger.from_json(kept["ledger"])
    values["breach_way"] = _way(kept["breach_way"])
    values["past"] = [_run(run) for run in kept["past"]]
    values["steps"] = {step["name"]: _step(step) for step in kept["steps"]}
    values["decreed"] = None if kept["decreed"] is None else tuple(kept["decreed"])
    return Case(**values)


def _known(made: type[Case | StepCase | Run | Way], kept: dict[str, Any]) -> dict[str, Any]:
    """What there is of its fields: a record is kept for months, and may be of an earlier version or of a later one."""
    return {name: kept[name] for name in _names(made) if name in kept}


def _names(made: type[Case | StepCase | Run | Way]) -> tuple[str, ...]:
    return _NAMES[made.__name__]


def _step_json(step: StepCase) -> dict[str, Any]:
    kept = {name: getattr(step, name) for name in _names(StepCase)}
    kept["run"] = _run_json(step.run)
    kept["undos"] = [[number, _run_json(run)] for number, run in step.undos.items()]
    kept["past"] = [_run_json(run) for run in step.past]
    reserved = step.reserved
    kept["reserved"] = None if reserved is None else [reserved.fact, reserved.until, reserved.sample]
    return kept


def _step(kept: dict[str, Any]) -> StepCase:
    values = _known(StepCase, kept)
    values["run"] = _run(kept["run"])
    values["undos"] = {number: _run(run) for number, run in kept["undos"]}
    values["past"] = [_run(run) for run in kept["past"]]
    reserved = kept["reserved"]
    if reserved is not None:
        fact, until, sample = reserved
        values["reserved"] = Reserved(_frozen(fact), until, sample)
    return StepCase(**values)


def _run_json(run: Run) -> dict[str, Any]:
    kept = {name: getattr(run, name) for name in _names(Run)}
    kept["bound"] = _bounds_json(run.bound)
    kept["values"] = {name: list(v) if isinstance(v, tuple) else v for name, v in run.values.items()}
    for name in ("gives", "gets"):
        kept[name] = None if kept[name] is None else _amounts_json(kept[name])
    kept["owes"] = _amounts_json(run.owes)
    kept["way"] = _way_json(run.way)
    return kept


def _run(kept: dict[str, Any]) -> Run:
    values = _known(Run, kept)
    values["bound"] = _bounds(kept["bound"])
    values["values"] = {name: _frozen(v) for name, v in kept["values"].items()}
    for name in ("seen_on", "confirmed_on", "failed_on"):
        values[name] = [(kind, _frozen(key)) for kind, key in kept.get(name, ())]
    for name in ("gives", "gets"):
        values[name] = None if kept[name] is None else _amounts(kept[name])
    values["owes"] = _amounts(kept["owes"])
    values["way"] = _way(kept["way"])
    return Run(**values)


def _way_json(way: Way) -> dict[str, Any]:
    kept = {name: getattr(way, name) for name in _names(Way)}
    kept["active"] = None if way.active is None else list(way.active)
    kept["small"] = None if way.small is None else _run_json(way.small)
    return kept


def _way(kept: dict[str, Any]) -> Way:
    values = _known(Way, kept)
    values["active"] = None if kept["active"] is None else tuple(kept["active"])
    values["small"] = None if kept["small"] is None else _run(kept["small"])
    return Way(**values)


def _bounds_json(bounds: dict[str, Bound]) -> dict[str, Any]:
    return {alias: [b.kind, list(b.key), list(b.values), b.at] for alias, b in bounds.items()}


def _bounds(kept: dict[str, Any]) -> dict[str, Bound]:
    return {alias: Bound(kind, _frozen(key), _frozen(values), at) for alias, (kind, key, values, at) in kept.items()}


def _amounts_json(amounts: list[Amount]) -> list[list[str]]:
    """Amounts as decimal strings: other languages would round them."""
    return [[a.asset, str(a.amount), a.place] for a in amounts]


def _amounts(kept: list[list[str]]) -> list[Amount]:
    return [Amount(asset, int(amount), place) for asset, amount, place in kept]


def _frozen(value: Any) -> Any:  # noqa: ANN401 - JSON
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
