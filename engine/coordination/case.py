"""What is remembered of one coordination: everything its verdict and its next act depend on, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from engine.coordination.evaluate import Bound
from engine.coordination.ledger import Amount, Ledger

#: An attempt in one of these may still have an effect.
FLYING: Final = frozenset({"commanded", "submitted", "seen", "unknown", "unconfirmed"})
#: The last attempt is known to have had no effect.
LOST: Final = frozenset({"failed", "refused"})

#: What an alternative does, in this order.
STAGES: Final = ("retry", "undo", "hold", "action", "accept", "escalate", "end")

#: (kind, key) of a fact.
FactName = tuple[str, tuple[Any, ...]]


@dataclass
class Way:
    """Off the good path: what became of the alternatives for an action, or for a relation.

    Attributes:
        cause: why they are asked for; empty while all is well.
        taken: alternatives taken, ``cause:index``.
        counting: alternative → since when it might be taken, for its ``for``.
        active: (cause, alternative, stage) of the one being done.
        hold_until: end of its ``hold``.
        small: its small step.
    """

    cause: str = ""
    taken: list[str] = field(default_factory=list)
    counting: dict[str, int] = field(default_factory=dict)
    active: tuple[str, str, int] | None = None
    hold_until: int | None = None
    small: Run | None = None

    @property
    def awaits_end(self) -> bool:
        """All that is left to do is to end the coordination, once the unwinding is over."""
        return self.active is not None and self.active[2] == len(STAGES) - 1


@dataclass
class Run:
    """An action being carried out: a step's own, an entry of its undo, or a small step.

    Attributes:
        place: where it stands in the plan, see ``outline``.
        status: idle commanded submitted seen confirmed failed refused unknown unconfirmed.
        attempt: commands so far.
        retried: further attempts that ``retry`` has used.
        commands: their ids.
        asked: id of the command that was asked to be withdrawn.
        first_at: nominal time of the first command, or when an action without one began to wait.
        within_from: instant that ``within`` counts from.
        last_at: time of the last command.
        known_at: when the last failure became known.
        confirmed_at: when it was confirmed last.
        is_timed_out: ``within`` has passed without confirmation.
        is_late: it was confirmed after that, or after its undoing began.
        is_surplus: it was confirmed although its value had been returned.
        is_after_end: it was confirmed when a verdict stood already.
        is_called_back: an undo that was on its way when its step's value was accepted after all.
        is_extra: such an undo took effect, although there was nothing left for it to take.
        wants_retry: an alternative asked for another attempt.
        lost: what a reorganisation took from it: ``seen`` or ``confirmed``; empty if nothing.
        bound: aliases bound by its conditions, as they were when used.
        values: lets and aggregates bound by them.
        chosen: condition → text of the match that was bound.
        seen_on: facts that ``seen`` rests on.
        confirmed_on: facts that ``confirmed`` rests on.
        failed_on: facts that the knowledge of its failure rests on.
        stale: matches of ``failed`` that held when it was commanded: they are about earlier attempts.
        spent: matches of ``seen``, without it commands, that belong to attempts without effect.
        spent_before: those that did so before the last attempt was known to have failed.
        has_left: value left its place.
        has_arrived: and arrived.
        gives: what left; None: not known (yet).
        gets: what arrived.
        owes: what it must be paid back with.
        via: where value is in between.
        faults: codes of values that could not be computed, each said once.
        way: what is done off the good path.
    """

    place: str
    status: str = "idle"
    attempt: int = 0
    retried: int = 0
    commands: list[str] = field(default_factory=list)
    asked: str = ""
    first_at: int | None = None
    within_from: int | None = None
    last_at: int | None = None
    known_at: int | None = None
    confirmed_at: int | None = None
    is_timed_out: bool = False
    is_late: bool = False
    is_surplus: bool = False
    is_after_end: bool = False
    is_called_back: bool = False
    is_extra: bool = False
    wants_retry: bool = False
    lost: str = ""
    bound: dict[str, Bound] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    seen_on: list[FactName] = field(default_factory=list)
    confirmed_on: list[FactName] = field(default_factory=list)
    failed_on: list[FactName] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    spent: list[str] = field(default_factory=list)
    spent_before: list[str] = field(default_factory=list)
    has_left: bool = False
    has_arrived: bool = False
    gives: list[Amount] | None = None
    gets: list[Amount] | None = None
    owes: list[Amount] = field(default_factory=list)
    via: str = ""
    faults: list[str] = field(default_factory=list)
    way: Way = field(default_factory=Way)

    @property
    def command(self) -> str:
        """Id of the last command; empty if there was none."""
        return self.commands[-1] if self.commands else ""

    @property
    def has_moved(self) -> bool:
        """Some value is known to have left or arrived."""
        return self.has_left and bool(self.gives or self.gets)

    def begin_attempt(self, command: str, now: int) -> None:
        """Another command of this action goes out. An attempt that an alternative asked for has ``within`` anew."""
        if self.wants_retry:
            self.is_timed_out, self.within_from = False, None
        elif self.attempt:
            self.retried += 1
        self.attempt += 1
        self.commands.append(command)
        self.status, self.known_at, self.wants_retry = "commanded", None, False
        self.failed_on = []
        self.is_called_back = False
        self.last_at = now
        self.first_at = now if self.first_at is None else self.first_at
        self.within_from = now if self.within_from is None else self.within_from

    def with_small(self) -> Iterator[Run]:
        """This run, and the small steps being taken for it, inwards."""
        run: Run | None = self
        while run is not None:
            yield run
            run = run.way.small


@dataclass
class Reserved:
    """What a step has set aside.

    Attributes:
        fact: whose amount it is.
        until: the last instant it stands.
        sample: which sample of that amount was known when the step was confirmed.
    """

    fact: FactName
    until: int
    sample: str = ""


@dataclass
class StepCase:
    """One step of a coordination.

    Attributes:
        name: of the step.
        shown: the state its ``step`` fact tells.
        since: when that state began.
        ready_at: when all it comes after was done.
        run: its own action.
        undos: number of an entry of ``undo`` → its run.
        undo_number: the entry tried last.
        undo_state: "", waiting, running, undone, stuck.
        past: small steps that are over; what they moved stays booked.
        is_dropped: never to be commanded (the other of ``instead_of`` was, or the end came first).
        is_accepted: its value stays where it is and counts as delivered.
        at_once: it is undone without waiting for its evidence.
        effective: for relations: network, time, height, index.
        reserved: what it has set aside.
    """

    name: str
    run: Run
    shown: str = "planned"
    since: int = 0
    ready_at: int | None = None
    undos: dict[int, Run] = field(default_factory=dict)
    undo_number: int = -1
    undo_state: str = ""
    past: list[Run] = field(default_factory=list)
    is_dropped: bool = False
    is_accepted: bool = False
    at_once: bool = False
    effective: dict[str, Any] = field(default_factory=dict)
    reserved: Reserved | None = None

    @property
    def undo(self) -> Run | None:
        """The entry of ``undo`` being carried out."""
        return self.undos.get(self.undo_number)

    @property
    def is_undoing(self) -> bool:
        """Its undoing has begun."""
        return self.at_once or bool(self.undos)

    def called_back(self) -> Iterator[Run]:
        """Undos that were called back, and of which it is not known yet whether they take effect all the same."""
        return (undo for undo in self.undos.values() if undo.is_called_back and undo.status in FLYING)

    def runs(self) -> Iterator[Run]:
        """Every action begun."""
        yield from self.run.with_small()
        for undo in self.undos.values():
            yield from undo.with_small()
        yield from self.past


@dataclass
class Case:
    """One coordination.

    Attributes:
        id: H(plan, keys of its ``for`` facts).
        keys: of the ``for`` facts.
        subject: key of the first, as text.
        revision: of the rule base it began under, and ends under.
        brings: value that lay somewhere when it began.
        bound: the ``for`` facts as they were last.
        is_unwinding: what moved is being taken back; nothing forward is commanded.
        reason: the plan's own, given by the last alternative that decided something.
        unmet: reason of the first term that did not hold when the unwinding began.
        fallback: the engine's reason.
        cancelled_at: when a cancel was heeded.
        breach: number of a broken relation, or None; then ``breach_way`` is what is done about it.
        past: small steps of the relation that are over.
        escalated: reasons that people were called for.
        decreed: verdict and reason that an alternative named.
        verdict: the last one given; empty while open.
        ended_at: when it was given.
        recorded_at: when the last record was made.
        due: instant of its item in the timeline, 0 if none.
        story: what happened, in order; see ``story``.
        story_cut: how many events were left out of it.
        story_texts: the same events as canonical JSON, as far as they were written down; not kept.
    """

    id: str
    plan: str
    keys: tuple[Any, ...]
    subject: str
    revision: str
    started_at: int
    steps: dict[str, StepCase]
    ledger: Ledger = field(default_factory=Ledger)
    brings: list[Amount] = field(default_factory=list)
    bound: dict[str, Bound] = field(default_factory=dict)
    deadline: int | None = None
    start_before: int | None = None
    first_command_at: int | None = None
    is_past_deadline: bool = False
    is_unwinding: bool = False
    reason: str = ""
    unmet: str = ""
    fallback: str = ""
    cancelled_at: int | None = None
    cancel_heard: bool = False
    breach: int | None = None
    breach_way: Way = field(default_factory=Way)
    past: list[Run] = field(default_factory=list)
    escalated: list[str] = field(default_factory=list)
    decreed: tuple[str, str] | None = None
    ended_at: int | None = None
    recorded_at: int = 0
    verdict: str = ""
    verdict_reason: str = ""
    is_provisional: bool = False
    is_stopped: bool = False
    is_upgraded: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    due: int = 0
    story: list[dict[str, Any]] = field(default_factory=list)
    story_cut: int = 0
    story_texts: list[bytes] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """No verdict stands."""
        return self.ended_at is None

    @property
    def has_begun(self) -> bool:
        """Something was commanded, or value moves or has moved; what time alone confirmed is no beginning."""
        runs = (step.run for step in self.steps.values() if not step.is_dropped)
        is_still = all(run.status in ("idle", "confirmed") for run in runs) and not self.ledger.has_moved
        return self.first_command_at is not None or not is_still

    def has_gone_on(self, step: StepCase) -> bool:
        """Nothing of what the step brought is where it brought it: a later step, or its undo, has taken it on."""
        run = step.run
        if not run.has_arrived or run.is_surplus or not run.gets:
            return False
        return not any(self.ledger.lying(a.place, a.asset) for a in run.gets)

    def runs(self) -> Iterator[Run]:
        """Every action begun."""
        for step in self.steps.values():
            yield from step.runs()
        if self.breach_way.small is not None:
            yield from self.breach_way.small.with_small()
        yield from self.past
