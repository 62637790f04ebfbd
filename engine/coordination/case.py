"""What is remembered of one coordination: everything its verdict and its next act depend on, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from engine.coordination.evaluate import Bound
from engine.coordination.ledger import Amount, Ledger

#: Statuses of a run. ``idle``: not commanded (yet, or again).
OPEN = frozenset({"commanded", "submitted", "seen", "unknown", "unconfirmed"})
LOST = frozenset({"failed", "refused"})


@dataclass
class Run:
    """An action being carried out: a step's own, one of its undo's, or a small step's.

    Attributes:
        place: where its conditions stand in the plan, e.g. ``bridge``, ``bridge.undo0``, ``swap!blocked1``.
        status: idle commanded submitted seen confirmed failed refused unknown unconfirmed.
        attempt: commands so far.
        command: id of the last one.
        first_at: nominal time of the first command.
        last_at: time of the last command.
        known_at: when the last failure became known.
        confirmed_at: when it was confirmed last.
        is_timed_out: ``within`` has passed without confirmation.
        is_late: it was confirmed after that, or after it was being undone.
        lost: what a reorganisation took from it: ``seen`` or ``confirmed``; empty if nothing.
        bound: aliases bound by its conditions, as they were when used.
        values: lets and aggregates bound by them.
        evidence: (kind, key) of the facts that seen and confirmed rest on.
        gives: booked as leaving.
        gets: booked as arrived.
        via: where it is in between.
    """

    place: str
    status: str = "idle"
    attempt: int = 0
    command: str = ""
    commands: list[str] = field(default_factory=list)
    first_at: int | None = None
    last_at: int | None = None
    known_at: int | None = None
    confirmed_at: int | None = None
    is_timed_out: bool = False
    is_late: bool = False
    lost: str = ""
    bound: dict[str, Bound] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    evidence: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    gives: list[Amount] = field(default_factory=list)
    gets: list[Amount] = field(default_factory=list)
    via: str = ""

    @property
    def has_left(self) -> bool:
        """Value left its place, as far as is known."""
        return bool(self.gives or self.gets)


@dataclass
class StepCase:
    """One step of a coordination.

    Attributes:
        name: of the step.
        shown: the state its ``step`` fact tells.
        since: when that state began.
        ready_at: when all it comes after was done.
        run: its own action.
        undo: the action that takes it back, and its number.
        undo_state: "", waiting, running, undone, stuck.
        small: a small step being taken.
        cause: why it is off the good path, and since when.
        taken: alternatives taken, ``cause:index``.
        counting: alternative → since when it may be taken, for its ``for``.
        active: (cause, index, stage) of the alternative being done.
        hold_until: end of a ``hold``.
        is_dropped: never to be commanded (the other of ``instead_of`` was, or the end came first).
        is_accepted: its value stays where it is and counts as delivered.
        at_once: it is undone without waiting for what is in flight.
        effective: for relations: network, time, height, index.
        reserved: what it has set aside, as the reservation names it; with until when, of which fact, and the position
            of that fact's claim when the step was confirmed.
        wants_retry: an alternative asked for another attempt.
    """

    name: str
    run: Run
    shown: str = "planned"
    since: int = 0
    ready_at: int | None = None
    undo: Run | None = None
    undo_number: int = -1
    undo_tries: int = 0
    undo_state: str = ""
    small: Run | None = None
    cause: str = ""
    cause_since: int = 0
    taken: list[str] = field(default_factory=list)
    counting: dict[str, int] = field(default_factory=dict)
    active: tuple[str, int, int] | None = None
    hold_until: int | None = None
    wants_retry: bool = False
    is_dropped: bool = False
    is_accepted: bool = False
    at_once: bool = False
    effective: dict[str, Any] = field(default_factory=dict)
    reserved: str = ""
    reserved_until: int | None = None
    reserved_position: str = ""
    reserved_fact: tuple[str, tuple[Any, ...]] | None = None


@dataclass
class Case:
    """One coordination.

    Attributes:
        id: H(plan, keys of its ``for`` facts).
        keys: of the ``for`` facts.
        subject: key of the first, as text.
        revision: of the rule base it began under, and ends under.
        is_unwinding: what moved is being taken back; nothing forward is commanded.
        reason: given by the last alternative that named one.
        cancelled_at: when a cancel was heeded.
        breach: number of a broken relation, or None.
        escalated: reasons that people were called for.
        verdict: the last one given; empty while open.
        due: instant of its item in the timeline, 0 if none.
    """

    id: str
    plan: str
    keys: tuple[Any, ...]
    subject: str
    revision: str
    started_at: int
    steps: dict[str, StepCase]
    ledger: Ledger = field(default_factory=Ledger)
    bound: dict[str, Bound] = field(default_factory=dict)
    deadline: int | None = None
    start_before: int | None = None
    first_command_at: int | None = None
    is_past_deadline: bool = False
    is_unwinding: bool = False
    has_undone: bool = False
    reason: str = ""
    cancelled_at: int | None = None
    cancel_heard: bool = False
    breach: int | None = None
    relations_taken: list[str] = field(default_factory=list)
    escalated: list[str] = field(default_factory=list)
    ended_at: int | None = None
    verdict: str = ""
    verdict_reason: str = ""
    is_provisional: bool = False
    is_stopped: bool = False
    is_upgraded: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    due: int = 0

    @property
    def is_open(self) -> bool:
        """No verdict stands."""
        return self.ended_at is None

    def runs(self) -> list[Run]:
        """Every action begun."""
        found = []
        for step in self.steps.values():
            found += [run for run in (step.run, step.undo, step.small) if run is not None]
        return found


def to_json(case: Case) -> dict[str, Any]:
    """Plain JSON values."""
    kept = {f.name: getattr(case, f.name) for f in fields(case) if f.name not in ("steps", "ledger", "bound", "due")}
    kept["keys"] = list(case.keys)
    kept["bound"] = {alias: _bound_json(bound) for alias, bound in case.bound.items()}
    kept["ledger"] = case.ledger.to_json()
    kept["steps"] = [_step_json(step) for step in case.steps.values()]
    return kept


def from_json(kept: dict[str, Any]) -> Case:
    """The way back from ``to_json``."""
    values = dict(kept)
    values["keys"] = _frozen(kept["keys"])
    values["ledger"] = Ledger.from_json(kept["ledger"])
    values["bound"] = {alias: _bound(bound) for alias, bound in kept["bound"].items()}
    values["steps"] = {step["name"]: _step(step) for step in kept["steps"]}
    return Case(**values)


def _bound_json(bound: Bound) -> list[Any]:
    return [bound.kind, list(bound.key), list(bound.values), bound.at]


def _bound(kept: list[Any]) -> Bound:
    return Bound(kept[0], _frozen(kept[1]), _frozen(kept[2]), kept[3])


def _run_json(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    kept = {f.name: getattr(run, f.name) for f in fields(run) if f.name not in ("bound", "gives", "gets", "values")}
    kept["bound"] = {alias: _bound_json(bound) for alias, bound in run.bound.items()}
    kept["values"] = {name: list(v) if isinstance(v, tuple) else v for name, v in run.values.items()}
    kept["gives"] = [[a.asset, str(a.amount), a.place] for a in run.gives]
    kept["gets"] = [[a.asset, str(a.amount), a.place] for a in run.gets]
    return kept


def _run(kept: dict[str, Any] | None) -> Run | None:
    if kept is None:
        return None
    values = dict(kept)
    values["bound"] = {alias: _bound(bound) for alias, bound in kept["bound"].items()}
    values["values"] = {name: _frozen(v) for name, v in kept["values"].items()}
    values["evidence"] = [(kind, _frozen(key)) for kind, key in kept["evidence"]]
    for name in ("gives", "gets"):
        values[name] = [Amount(asset, int(amount), place) for asset, amount, place in kept[name]]
    return Run(**values)


def _step_json(step: StepCase) -> dict[str, Any]:
    kept = {f.name: getattr(step, f.name) for f in fields(step) if f.name not in ("run", "undo", "small")}
    kept["active"] = None if step.active is None else list(step.active)
    return kept | {"run": _run_json(step.run), "undo": _run_json(step.undo), "small": _run_json(step.small)}


def _step(kept: dict[str, Any]) -> StepCase:
    values = dict(kept)
    for name in ("run", "undo", "small"):
        values[name] = _run(kept[name])
    for name in ("active", "reserved_fact"):
        values[name] = None if kept[name] is None else _frozen(kept[name])
    return StepCase(**values)


def _frozen(value: Any) -> Any:  # noqa: ANN401 - JSON
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


__all__ = ["LOST", "OPEN", "Case", "Run", "StepCase", "from_json", "to_json"]
