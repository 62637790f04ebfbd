"""No rule may take back by its own effects what it stands on.

``without`` and the aggregates of a rule must not depend on what the same rule produces, through any chain of rules:
such a rule would make itself false, or true again, within one step. ``exhausted`` is left out: it comes one ``every``
after the last firing, so whatever it causes is a new step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from engine.errors import Problem
from engine.model.kinds import Value
from engine.model.rules import (
    Aggregate,
    AssertEffect,
    CommandEffect,
    ConcludeEffect,
    Effect,
    Pattern,
    Pick,
    RetractEffect,
    Rule,
    Without,
)
from engine.packs.complaints import complain
from engine.packs.joins import Reading, constants_of


class Product(NamedTuple):
    """What one effect changes.

    Attributes:
        kind: the kind of the fact.
        how: the effect's word.
        fixed: fields of a new ``command`` fact that are known and never change.
    """

    kind: str
    how: str
    fixed: tuple[tuple[str, Value], ...] = ()


def check_cycles(rules: tuple[Rule, ...], problems: list[Problem]) -> None:
    """Names each cycle once, at the ``without`` or aggregate it runs through."""
    readers: dict[str, list[tuple[Rule, Reading]]] = {}
    for rule in rules:
        for term in _readings(rule):
            readers.setdefault(term.kind.name, []).append((rule, term))
    for rule in rules:
        for term in _readings(rule):
            if isinstance(term, Without | Aggregate):
                path = _path_back(rule, term, readers)
                if path is not None:
                    _complain(rule, term, path, problems)


def _readings(rule: Rule) -> Iterator[Reading]:
    return (term for term in rule.terms if isinstance(term, Pattern | Pick | Without | Aggregate))


def _products(rule: Rule) -> Iterator[Product]:
    for effect in (*rule.then, *rule.ended):
        yield _product(effect, rule)


def _product(effect: Effect, rule: Rule) -> Product:
    match effect:
        case CommandEffect(connector, verb):
            return Product("command", "command", (("connector", connector), ("verb", verb), ("rule", rule.name)))
        case AssertEffect(kind):
            return Product(kind.name, "assert")
        case RetractEffect(kind):
            return Product(kind.name, "retract")
        case ConcludeEffect(kind):
            return Product(kind.name, "conclude")


def _path_back(
    rule: Rule, term: Without | Aggregate, readers: dict[str, list[tuple[Rule, Reading]]]
) -> list[str] | None:
    """The shortest way from an effect of the rule to what its term reads: rules and kinds in turn."""
    ways: deque[tuple[Rule, list[str]]] = deque([(rule, [rule.name])])
    seen = {rule.name}
    while ways:
        at, path = ways.popleft()
        for product in _products(at):
            step = [*path, f"{product.how} {product.kind}"]
            if product.kind == term.kind.name and _may_match(product, term):
                return [*step, rule.name]
            for reader, reading in readers.get(product.kind, ()):
                if reader.name not in seen and _may_match(product, reading):
                    seen.add(reader.name)
                    ways.append((reader, [*step, reader.name]))
    return None


def _may_match(product: Product, reading: Reading) -> bool:
    """False if a constant in ``where`` contradicts what is fixed about the product."""
    fixed = dict(product.fixed)
    return all(fixed.get(field, value) == value for field, value in constants_of(reading))


def _complain(rule: Rule, term: Without | Aggregate, path: list[str], problems: list[Problem]) -> None:
    word = "without" if isinstance(term, Without) else term.function
    message = f"'{word}: {term.kind.name}' depends on what the rule itself produces: {' → '.join(path)}"
    hint = "use 'once' or 'throttle' to fire once, or let another kind of fact end the cycle"
    complain(problems, term.span, "E330", message, hint)
