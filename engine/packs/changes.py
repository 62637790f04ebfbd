"""What differs between two rule bases, for people and for the rule that kinds with living facts may only grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace

from engine.errors import Problem
from engine.model.kinds import Field, Kind
from engine.model.plans import Plan
from engine.model.rules import Rule, RuleBase, Schedule, Span

#: Attributes of a kind that say how claims live and in which order they stand; facts kept under one reading of them
#: cannot be read under another.
_FIXED = ("key", "order", "per_source", "chain_network", "chain_block", "event", "concluded")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new rule base brings; names in order.

    Attributes:
        rules_renamed: (old, new) of rules that say ``was``.
        kinds_changed: (name, what changed) in words.
    """

    rules_added: tuple[str, ...] = ()
    rules_removed: tuple[str, ...] = ()
    rules_changed: tuple[str, ...] = ()
    rules_renamed: tuple[tuple[str, str], ...] = ()
    kinds_added: tuple[str, ...] = ()
    kinds_removed: tuple[str, ...] = ()
    kinds_changed: tuple[tuple[str, str], ...] = ()
    schedules_added: tuple[str, ...] = ()
    schedules_removed: tuple[str, ...] = ()
    schedules_changed: tuple[str, ...] = ()
    plans_added: tuple[str, ...] = ()
    plans_removed: tuple[str, ...] = ()
    plans_changed: tuple[str, ...] = ()
    packs_changed: tuple[tuple[str, int | None, int | None], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both decide alike (comments and the order of files do not count)."""
        return not any(getattr(self, each.name) for each in fields(self))

    def lines(self) -> list[str]:
        """One line a change, as ``rulebase diff`` prints them."""
        made = [f"pack {name}: version {old or '-'} → {new or '-'}" for name, old, new in self.packs_changed]
        for what in ("rules", "plans", "kinds", "schedules"):
            one = what[:-1]
            made += [f"+ {one} {name}" for name in getattr(self, f"{what}_added")]
            made += [f"- {one} {name}" for name in getattr(self, f"{what}_removed")]
        made += [f"~ rule {old} → {new} (renamed)" for old, new in self.rules_renamed]
        made += [f"~ rule {name}" for name in self.rules_changed]
        made += [f"~ plan {name}" for name in self.plans_changed]
        made += [f"~ kind {name}: {words}" for name, words in self.kinds_changed]
        made += [f"~ schedule {name}" for name in self.schedules_changed]
        return made


def compare(old: RuleBase, new: RuleBase) -> Changes:
    """What ``new`` brings against ``old``; places in files do not count."""
    before, after = {r.name: r for r in old.rules}, {r.name: r for r in new.rules}
    renamed = tuple((r.was, r.name) for r in new.rules if r.was in before and r.was is not None)
    gone, come = {was for was, _ in renamed}, {now for _, now in renamed}
    pairs = [(before[name], after[name]) for name in sorted(before.keys() & after.keys())]
    pairs += [(before[was], after[now]) for was, now in renamed]
    earlier, later = {s.name: s for s in old.schedules}, {s.name: s for s in new.schedules}
    plans_before, plans_after = {p.name: p for p in old.plans}, {p.name: p for p in new.plans}
    packs = sorted(old.packs.keys() | new.packs.keys())
    return Changes(
        rules_added=tuple(sorted(after.keys() - before.keys() - come)),
        rules_removed=tuple(sorted(before.keys() - after.keys() - gone)),
        rules_changed=tuple(b.name for a, b in pairs if not is_same_rule(a, b)),
        rules_renamed=renamed,
        kinds_added=tuple(sorted(new.kinds.keys() - old.kinds.keys())),
        kinds_removed=tuple(sorted(old.kinds.keys() - new.kinds.keys())),
        kinds_changed=tuple(_kinds_changed(old, new)),
        schedules_added=tuple(sorted(later.keys() - earlier.keys())),
        schedules_removed=tuple(sorted(earlier.keys() - later.keys())),
        schedules_changed=tuple(
            name for name in sorted(earlier.keys() & later.keys()) if not _is_same_schedule(earlier[name], later[name])
        ),
        plans_added=tuple(sorted(plans_after.keys() - plans_before.keys())),
        plans_removed=tuple(sorted(plans_before.keys() - plans_after.keys())),
        plans_changed=tuple(
            name
            for name in sorted(plans_before.keys() & plans_after.keys())
            if not is_same_plan(plans_before[name], plans_after[name])
        ),
        packs_changed=tuple(
            (name, old.packs.get(name), new.packs.get(name))
            for name in packs
            if old.packs.get(name) != new.packs.get(name)
        ),
    )


def is_same_rule(one: Rule, other: Rule) -> bool:
    """Whether two rules say the same, wherever they stand and whatever they are called."""
    return _without_places(replace(one, name="", was=None, doc="")) == _without_places(
        replace(other, name="", was=None, doc="")
    )


def is_same_plan(one: Plan, other: Plan) -> bool:
    """Whether two plans say the same, wherever they stand."""
    return _without_places(replace(one, doc="")) == _without_places(replace(other, doc=""))


def _is_same_schedule(one: Schedule, other: Schedule) -> bool:
    return _without_places(one) == _without_places(other)


def _without_places(value: object) -> object:
    """The value as nested tuples, spans left out, kinds by name: what is compared."""
    if isinstance(value, Span):
        return None
    if isinstance(value, Kind):
        return value.name
    if isinstance(value, tuple):
        return tuple(_without_places(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *(_without_places(getattr(value, each.name)) for each in fields(value)))
    return value


def _kinds_changed(old: RuleBase, new: RuleBase) -> Iterator[tuple[str, str]]:
    for name in sorted(old.kinds.keys() & new.kinds.keys()):
        words = [*_refused(old.kinds[name], new.kinds[name]), *_allowed(old.kinds[name], new.kinds[name])]
        if words:
            yield name, ", ".join(words)


def kind_change_problems(old: RuleBase, new: RuleBase) -> list[Problem]:
    """What forbids to read living facts of ``old`` under ``new``: one problem a change.

    A kind may gain optional or defaulted fields and options of an enum; defaults may change, and how long facts stay;
    nothing else. A kind that is gone is no problem of the kinds: its facts are kept, and read if it comes back.
    """
    problems = []
    for name in sorted(old.kinds.keys() & new.kinds.keys()):
        for words in _refused(old.kinds[name], new.kinds[name]):
            hint = "a kind with living facts may only gain optional or defaulted fields; give the new one another name"
            problems.append(Problem("rulebase", 0, 0, "E420", f"the kind '{name}': {words}", hint))
    return problems


def _refused(old: Kind, new: Kind) -> Iterator[str]:
    """Changes under which facts that are kept could not be read."""
    for attribute in _FIXED:
        before, after = getattr(old, attribute), getattr(new, attribute)
        if before != after:
            yield f"'{attribute}' was {_spelled(before)}, is {_spelled(after)}"
    before_fields = {field.name: field for field in old.fields}
    after_fields = {field.name: field for field in new.fields}
    for name, field in before_fields.items():
        yield from _refused_field(field, after_fields.get(name))
    for name, field in after_fields.items():
        if name not in before_fields and not field.optional and field.default is None:
            yield f"the new field '{name}' has no default and may not be absent"


def _refused_field(old: Field, new: Field | None) -> Iterator[str]:
    if new is None:
        yield f"the field '{old.name}' is gone"
        return
    if old.type != new.type and not _is_wider(old, new):
        yield f"the field '{old.name}' was {old.type}, is {new.type}"
    if old.optional and not new.optional and new.default is None:
        yield f"the field '{old.name}' may no longer be absent"


def _is_wider(old: Field, new: Field) -> bool:
    """An enum that only gains options reads all that was kept."""
    return old.type.name == new.type.name == "enum" and set(old.type.options) <= set(new.type.options)


def _allowed(old: Kind, new: Kind) -> Iterator[str]:
    """Changes that kept facts bear."""
    known = {field.name: field for field in old.fields}
    for field in new.fields:
        before = known.get(field.name)
        if before is None and (field.optional or field.default is not None):
            yield f"the new field '{field.name}'"
        elif before is not None and before.default != field.default:
            yield f"the default of '{field.name}'"
        elif before is not None and _is_wider(before, field) and before.type != field.type:
            yield f"more options of '{field.name}'"
    for attribute in ("ttl_ms", "keep_while_used", "permanent", "limit"):
        if getattr(old, attribute) != getattr(new, attribute):
            yield f"'{attribute}' was {_spelled(getattr(old, attribute))}, is {_spelled(getattr(new, attribute))}"


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
