"""Compiles a rule into Python functions: its guard, its bindings, its effects."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from engine.errors import EvaluationError
from engine.matching import functions, runtime
from engine.matching.code import code_of
from engine.matching.compiled import CompiledEffect, CompiledRule
from engine.matching.emit import emit
from engine.matching.rule_writer import RuleWriter, effect_source
from engine.model.rules import Rule

_GLOBALS: dict[str, Any] = {
    name: getattr(functions, name)
    for name in (
        "ceil_bps",
        "ceil_div",
        "floor_bps",
        "floor_div",
        "join_text",
        "largest",
        "magnitude",
        "mod",
        "mul_div_ceil",
        "mul_div_floor",
        "multiply",
        "pow10",
        "render",
        "smallest",
    )
} | {name: getattr(runtime, name) for name in ("t_ge", "t_gt", "t_le", "t_lt", "wire_int", "wire_json", "wire_number")}
_GLOBALS["EvaluationError"] = EvaluationError
_BUILTINS: dict[str, Any] = {}


def _reads_time(rule: Rule, source: str) -> bool:
    return rule.window is not None or any(word in source for word in ("t_lt(", "t_le(", "t_gt(", "t_ge("))


def compile_rule(rule: Rule, given: Mapping[str, str] | None = None) -> CompiledRule:
    """Generate and compile the rule's functions.

    Args:
        rule: the rule.
        given: names that are bound from outside → source of their value.
    """
    writer = RuleWriter(rule, given or {})
    writer.note_reads()
    env = "(" + "".join(f"{name}, " for name in writer.env) + ")"
    text = [*writer.guard_source("guard", "0", ""), *writer.guard_source("bind", env, "None")]
    for seat in writer.ripening:
        text += writer.ripening_source(f"ripening{seat}", seat)
    groups = (("then", rule.then), ("ended", rule.ended), ("exhausted", rule.exhausted))
    for group, effects in groups:
        for number, effect in enumerate(effects):
            text += writer.value_source(f"{group}{number}", effect_source(effect))
    single = {
        "per": rule.per,
        "priority": rule.priority,
        "once_key": rule.once.key if rule.once else None,
        "throttle_per": rule.throttle.per if rule.throttle else None,
    }
    for name, expression in single.items():
        if expression is not None:
            text += writer.value_source(name, partial(emit, expression))
    source = "\n".join(text)
    scope: dict[str, Any] = {"__builtins__": _BUILTINS, **_GLOBALS}
    exec(code_of(source, f"<rule {rule.name}>"), scope)  # noqa: S102 - our own text; see emit.py
    return CompiledRule(
        rule=rule,
        plan=writer.plan,
        guard=scope["guard"],
        bind=scope["bind"],
        ripening={seat: scope[f"ripening{seat}"] for seat in writer.ripening},
        masks=tuple(writer.masks),
        inner=tuple(writer.inner),
        is_timed=_reads_time(rule, source),
        labels=tuple(writer.labels),
        then=tuple(CompiledEffect(e, scope[f"then{n}"]) for n, e in enumerate(rule.then)),
        ended=tuple(CompiledEffect(e, scope[f"ended{n}"]) for n, e in enumerate(rule.ended)),
        exhausted=tuple(CompiledEffect(e, scope[f"exhausted{n}"]) for n, e in enumerate(rule.exhausted)),
        per=scope.get("per"),
        priority=scope.get("priority"),
        once_key=scope.get("once_key"),
        throttle_per=scope.get("throttle_per"),
        source=source,
    )
