"""Why a command was made: the firing behind it and the facts that it read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.insight.scenario.history import Made
from engine.insight.scenario.moments import after
from engine.insight.scenario.values import spelled, spelled_field
from engine.insight.scenario.vocabulary import command_effects
from engine.matching.engine import Engine
from engine.matching.reads import term_values
from engine.model.exprtools import fields_read
from engine.model.rules import Rule


def because(made: Made, engine: Engine, start_ms: int) -> tuple[str, ...]:
    """The firing behind a command and the facts it read."""
    node = engine.nodes.get(made.rule)
    rule = node.rule if node is not None else None
    lines = [f"{made.command} was made by {made.rule or 'the engine'}{_rule_place(rule) or _step_place(made, engine)}"]
    if made.coordination:
        lines[0] += f" for the coordination {made.coordination}"
    read = _fields_by_alias(rule) if rule is not None else {}
    for fact in made.event.get("facts") or ():
        names = read.get(fact["alias"]) or list(fact["values"])
        values = ", ".join(_said_value(fact, name, engine, start_ms) for name in names if name in fact["values"])
        told = f"{fact['source']} at {after(int(fact['observed_at']) - start_ms)}"
        lines.append(f"  {fact['alias']} = {fact['kind']} {{{values}}}, said by {told}")
    lines += [f"  {name} = {spelled(value)}" for name, value in (made.event.get("bindings") or {}).items()]
    return tuple(lines)


def _said_value(fact: Mapping[str, Any], name: str, engine: Engine, start_ms: int) -> str:
    value = fact["values"][name]
    memory = engine.base.memories.get(fact["kind"])
    if memory is None or name not in memory.kind.positions:
        return f"{name}: {spelled(value)}"
    return f"{name}: {spelled_field(value, memory.kind.field(name).type, start_ms)}"


def _step_place(made: Made, engine: Engine) -> str:
    plan, _, step = made.rule.rpartition(".")
    found = next((s.span for p in engine.rulebase.plans if p.name == plan for s in p.steps if s.name == step), None)
    return f" ({found.file}:{found.line})" if found is not None else ""


def _fields_by_alias(rule: Rule) -> dict[str, list[str]]:
    """The fields a rule reads, in the order it does."""
    read: dict[str, dict[str, None]] = {}
    for term in rule.terms:
        for expr in term_values(term):
            for alias, name in sorted(fields_read(expr)):
                read.setdefault(alias, {})[name] = None
    for effect in command_effects(rule.then):
        for _, expr in effect.args:
            for alias, name in sorted(fields_read(expr)):
                read.setdefault(alias, {})[name] = None
    return {alias: list(names) for alias, names in read.items()}


def _rule_place(rule: Rule | None) -> str:
    return f" ({rule.span.file}:{rule.span.line})" if rule is not None else ""
