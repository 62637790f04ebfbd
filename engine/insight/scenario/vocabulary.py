"""The names a test may use: kinds, commands with their arguments, plans; of the packs it starts and goes on with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace

from engine.matching.decoders import KindDecoder
from engine.model.expr import Expr, ListOf, MapOf
from engine.model.kinds import Kind, Type
from engine.model.plans import Plan
from engine.model.rules import CommandEffect, RuleBase

#: What is known of an argument: its type, its parts, or nothing.
Shape = Type | MapOf | ListOf | None
_ESCALATION = ("coordination", "subject", "step", "reason", "place")


def shape_of(expr: Expr) -> Shape:
    """What is known of an argument with that expression."""
    return expr if isinstance(expr, MapOf | ListOf) else expr.type


def command_effects(part: object) -> Iterator[CommandEffect]:
    """Every command in a rule or plan, however deep."""
    if isinstance(part, CommandEffect):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from command_effects(item)
    elif is_dataclass(part) and not isinstance(part, Kind | Type):
        for each in fields(part):
            value = getattr(part, each.name)
            if isinstance(value, tuple) or is_dataclass(value):
                yield from command_effects(value)


@dataclass(slots=True)
class Vocabulary:
    """Names and their types, over one or several rule bases.

    Attributes:
        kinds: by name; of one declared differently, with all its fields.
        commands: ``connector.verb`` → argument → what is known of it, one entry for each way it is made.
        plans: full names.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    commands: dict[str, dict[str, list[Shape]]] = field(default_factory=dict)
    plans: set[str] = field(default_factory=set)
    _declared: dict[str, list[Kind]] = field(default_factory=dict)
    _decoders: dict[str, list[KindDecoder]] = field(default_factory=dict)

    @classmethod
    def of(cls, rulebases: Iterable[RuleBase]) -> Vocabulary:
        """What those rule bases declare and make."""
        made = cls()
        for rulebase in rulebases:
            for kind in rulebase.kinds.values():
                made._add_kind(kind)
            for rule in rulebase.rules:
                made._add(command_effects((rule.then, rule.exhausted, rule.ended)))
            for plan in rulebase.plans:
                made._add_plan(plan)
        return made

    def _add_kind(self, kind: Kind) -> None:
        declared = self._declared.setdefault(kind.name, [])
        if kind not in declared:
            declared.append(kind)
        whole = {each.name: each for one in declared for each in one.fields}
        self.kinds[kind.name] = replace(kind, fields=tuple(whole.values())) if len(declared) > 1 else kind

    def _add(self, effects: Iterable[CommandEffect]) -> None:
        for effect in effects:
            arguments = self.commands.setdefault(f"{effect.connector}.{effect.verb}", {})
            for name, expr in effect.args:
                arguments.setdefault(name, []).append(shape_of(expr))

    def _add_plan(self, plan: Plan) -> None:
        self.plans.add(plan.name)
        self._add(command_effects(plan))
        if plan.escalation is not None:
            arguments = self.commands.setdefault(".".join(plan.escalation), {})
            for name in _ESCALATION:
                arguments.setdefault(name, []).append(None)

    def decoders(self, kind: str) -> list[KindDecoder]:
        """Read facts of a kind as the engine will, under one rule base or another."""
        if kind not in self._decoders:
            self._decoders[kind] = [KindDecoder(each) for each in self._declared[kind]]
        return self._decoders[kind]
