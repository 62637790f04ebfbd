"""One walk back through the audit finds the whole tree, for causes always come before what they cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from engine.insight.audit import AuditStream, raw_of, read_fact
from engine.insight.because import wants
from engine.insight.because.tree import FactReason, Link, Reason
from engine.insight.because.wants import Event, Want
from engine.model.journal import StreamId
from engine.model.plans import Plan
from engine.model.rules import RuleBase
from engine.store.records import AuditEntry

#: Levels of the tree below its root.
MAX_DEPTH: Final = 8
#: Reasons in one tree.
MAX_REASONS: Final = 300
#: Audit entries looked at for one tree.
LOOK_AT: Final = 200_000
_PAGE: Final = 500
#: Kinds of the engine whose facts the audit says how they came about.
_OF_COORDINATIONS: Final = frozenset({"command", "step", "coordination", "holding", "reservation"})


@dataclass(frozen=True, slots=True)
class Makers:
    """Which facts rules make, by the rule base in force.

    Attributes:
        concluded: kinds that only rules make.
        rules: names of rules, which are the sources of what they assert.
        plans: by name.
    """

    concluded: frozenset[str]
    rules: frozenset[str]
    plans: Mapping[str, Plan]

    @classmethod
    def of(cls, rulebase: RuleBase) -> Makers:
        """Those of a rule base."""
        concluded = frozenset(kind.name for kind in rulebase.kinds.values() if kind.concluded)
        plans = {plan.name: plan for plan in rulebase.plans}
        return cls(concluded, frozenset(rule.name for rule in rulebase.rules), plans)


class Search:
    """Builds one tree."""

    def __init__(self, stream: AuditStream, makers: Makers) -> None:
        self._stream = stream
        self._makers = makers
        self._pending: list[Want] = []
        self._told: dict[tuple[StreamId, int], Reason] = {}

    # -- roots -------------------------------------------------------------------
    def root(self, entry: StreamId, number: int, at: int, cause: str, event: Event) -> Reason:
        """The reason an event is; what is behind it comes with ``fill``."""
        return self._reason(entry, number, at, cause, event, 0)

    def want(self, want: Want) -> None:
        """Something else to be found."""
        self._pending.append(want)

    async def fill(self, newest: StreamId | None = None) -> None:
        """Walk back until everything is found, or the bound is met.

        Args:
            newest: from that entry, it included; None: from the newest there is.
        """
        before = None if newest is None else StreamId(newest.ms, newest.seq + 1)
        seen = 0
        while self._pending and seen < LOOK_AT:
            page = await self._stream.read_audit(before=before, limit=_PAGE, newest_first=True)
            for entry in page:
                self._look(entry)
            seen += len(page)
            if len(page) < _PAGE:
                break
            before = page[-1].entry
        for want in self._pending:
            want.slot.note = want.slot.note or "what made it is not in the audit (any more)"
        self._pending.clear()

    def _look(self, entry: AuditEntry) -> None:
        raw = entry.get("events") or b""
        if not any(want.needle in raw for want in self._pending):
            return
        at, cause, events = raw_of(entry)
        is_more = True
        while is_more:
            is_more = False
            for want in list(self._pending):
                number = self._found(want, entry.entry, events)
                if number is not None:
                    self._pending.remove(want)
                    want.take(self._reason(entry.entry, number, at, cause, events[number], want.depth))
                    is_more = True
        for event in events:
            if event["event"] == "started":
                self._drop(wants.quoted(str(event["coordination"])))

    def _drop(self, needle: bytes) -> None:
        """Nothing of a coordination comes before it began: what was not found did not happen."""
        self._pending = [want for want in self._pending if want.needle != needle]

    @staticmethod
    def _found(want: Want, entry: StreamId, events: Sequence[Event]) -> int | None:
        end = len(events)
        if want.before is not None and want.before[0] == entry:
            end = want.before[1]
        elif want.before is not None and want.before[0] < entry:
            return None
        return next((number for number in range(end - 1, -1, -1) if want.fits(events[number])), None)

    # -- reasons -------------------------------------------------------------------
    def _reason(self, entry: StreamId, number: int, at: int, cause: str, event: Event, depth: int) -> Reason:
        before = self._told.get((entry, number))
        if before is not None:
            return before.told_before()
        rest = {name: value for name, value in event.items() if name not in ("facts", "event")}
        reason = Reason(str(event["event"]), title_of(event), at, cause, str(entry), rest)
        self._told[(entry, number)] = reason
        reason.facts = [FactReason(read_fact(raw)) for raw in event.get("facts") or ()]
        if depth >= MAX_DEPTH or len(self._told) >= MAX_REASONS:
            reason.note = "what is behind it is not shown; ask for it by itself"
            return reason
        for fact in reason.facts:
            self.want_maker(fact, depth + 1, (entry, number))
        for link, needle, fits in self._links(event):
            reason.links.append(link)
            self.want(Want(needle, fits, link, depth + 1, None if _is_together(link) else (entry, number)))
        return reason

    def want_maker(self, fact: FactReason, depth: int = 1, before: tuple[StreamId, int] | None = None) -> None:
        """Have what made a fact found, if a rule or a plan did."""
        found = maker_of(fact, self._makers)
        if found is not None:
            needle, fits = found
            self.want(Want(needle, fits, fact, depth, before))

    def _links(self, event: Event) -> Iterable[tuple[Link, bytes, Any]]:
        """What else led to an event, by its sort."""
        name, whose = str(event["event"]), str(event.get("coordination", ""))
        here = wants.quoted(whose)
        if name == "fired" and whose:
            yield from self._behind_command(event, whose, here)
        elif name == "step":
            yield from _behind_step(event, whose, here)
        elif name == "outcome":
            yield Link("way back"), here, wants.happened(whose, ("unwinding", "breach"))
            for step in event.get("steps") or ():
                label = f"step {step['name']}"
                yield Link(label), here, wants.step_is(whose, step["name"], (step["state"],))
        elif name == "unwinding":
            yield Link("alternative"), here, wants.undoes(whose, str(event.get("step", "")))
        elif name == "way_off" and event.get("off_path") not in ("blocked", "timeout", "breach"):
            state = {"late": "confirmed"}.get(str(event["off_path"]), str(event["off_path"]))
            yield Link("step"), here, wants.step_is(whose, str(event.get("step", "")), (state,))
        elif name == "reported":
            yield Link("command"), wants.quoted(str(event["command"])), wants.sends(str(event["command"]))

    def _behind_command(self, event: Event, whose: str, here: bytes) -> Iterable[tuple[Link, bytes, Any]]:
        """Of a plan's command: the steps it came after, the last attempt, or the way off the good path."""
        place, step = str(event.get("place", "")), str(event.get("step", ""))
        if "!" in place:
            outer = place.rpartition("!")[0]
            yield Link("alternative"), here, wants.happened(whose, ("way_off",), outer)
        elif ".undo" in place:
            yield Link("way back"), here, wants.happened(whose, ("unwinding",))
        else:
            plan = self._makers.plans.get(str(event.get("rule", "")).rpartition(".")[0])
            declared = plan.by_name.get(step) if plan is not None else None
            for name in declared.after if declared is not None else ():
                yield Link(f"after {name}"), here, wants.step_is(whose, name, ("confirmed",))
        if int(event.get("attempt") or 1) > 1:
            yield Link("last attempt"), here, wants.step_is(whose, step, ("failed", "refused"))


def _behind_step(event: Event, whose: str, here: bytes) -> Iterable[tuple[Link, bytes, Any]]:
    command, state = str(event.get("command") or ""), str(event["state"])
    if state in ("undoing", "undone", "stuck"):
        yield Link("way back"), here, wants.happened(whose, ("unwinding",))
    if not command:
        return
    needle = wants.quoted(command)
    if state in ("failed", "refused", "unknown", "submitted") or (
        state in ("seen", "confirmed") and not event.get("on")
    ):
        yield Link("report"), needle, wants.reports(command, "")
    else:
        yield Link("command"), needle, wants.sends(command)


def _is_together(link: Link) -> bool:
    """What a coordination says of one decision comes in no order that matters: states are told when it rests."""
    return link.label not in ("command", "last attempt")


def maker_of(fact: FactReason, makers: Makers) -> tuple[bytes, Any] | None:
    """How to know what made a fact; None: a sender did."""
    read = fact.fact
    key = orjson.loads(read.key) if read.key[:1] == "[" else [read.key]
    first = str(key[0]) if key else ""
    if read.kind in makers.concluded or read.source in makers.rules:
        return wants.made_needle(read.kind, key), wants.makes(read.kind, key)
    if read.kind not in _OF_COORDINATIONS:
        return None
    values = read.values
    match read.kind:
        case "command":
            status = str(values.get("status", "queued"))
            fits = wants.sends(first) if status == "queued" else wants.reports(first, status)
            return wants.quoted(first), fits
        case "step" | "reservation":
            whose, step = str(values.get("coordination", "")), str(values.get("name") or values.get("step", ""))
            states = (str(values["state"]),) if read.kind == "step" else ()
            return wants.quoted(whose), wants.step_is(whose, step, states)
        case "coordination":
            events = ("outcome",) if values.get("verdict") else ("started",)
            return wants.quoted(first), wants.happened(first, events)
        case _:
            return wants.quoted(first), wants.happened(first, ("step",))


def _commanded(event: Event) -> str:
    place, rule = str(event.get("place", "")), event["rule"]
    if "!escalate:" in place:
        return f"people were called for {rule}"
    if "!" in place:
        return f"small step {place} of {rule} was commanded"
    return f"{'undo of ' if '.undo' in place else ''}step {rule} was commanded"


def title_of(event: Event) -> str:
    """An event for people."""
    whose = f"{event.get('plan', '')} {event.get('subject', '')}".strip()
    reason = f" ({event['reason']})" if event.get("reason") else ""
    match event["event"]:
        case "fired":
            again = f", attempt {event['attempt']}" if int(event.get("attempt") or 1) > 1 else ""
            return _commanded(event) + again if event.get("coordination") else f"rule {event['rule']} fired{again}"
        case "exhausted" | "ended" | "shadow_fired" | "shadow_exhausted" as word:
            return f"rule {event['rule']} {word.replace('shadow_', 'in shadow ')}"
        case "step":
            return f"step {event['step']} of {whose} is {event['state']}"
        case "outcome":
            return f"{whose} ended {event['verdict']}{reason}"
        case "started":
            return f"{whose} began"
        case "reported":
            return f"command {event['command']} is {event['status']}, says {event['source']}"
        case "unwinding":
            return f"what {whose} moved is taken back{reason}"
        case "way_off":
            does = ", ".join(event.get("does", ()))
            missing = ", ".join(filter(None, event.get("missing", ())))
            lacking = f", {missing} missing" if missing else ""
            return f"{event.get('step') or 'relation'} of {whose} is {event['off_path']}{lacking}: {does}{reason}"
        case "breach":
            return f"{event['relation']} of {', '.join(event.get('steps', ()))} is broken in {whose}"
        case name:
            return str(name)
