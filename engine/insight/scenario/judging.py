"""Holds what came against what was expected: commands in order, facts, rejections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.insight.scenario.history import Made, Refused
from engine.insight.scenario.values import canonical, spelled, spelled_field
from engine.insight.scenario.wanted import WantedCommand, WantedFact, WantedRejection
from engine.matching.engine import Engine
from engine.matching.fact import Fact

Diff = tuple[tuple[str, str], ...]


def show_args(args: Mapping[str, Any]) -> str:
    """Arguments as a test spells them."""
    return ", ".join(f"{name}: {spelled(value)}" for name, value in args.items())


def show_made(made: Made) -> str:
    """A command that was made, on one line."""
    return f"{made.command}  {show_args(made.args)}"


class Comparison:
    """The commands of one instant beside those expected of it, aligned so that as many as can agree do.

    Attributes:
        missing: expected and not made.
        absent: those of ``missing`` beside which no other command of that name was made.
        all_unexpected: made and not expected, in this place or with these arguments.
        diff: both, in order.
    """

    def __init__(self, expected: Sequence[WantedCommand], made: Sequence[Made]) -> None:
        self.missing: list[WantedCommand] = []
        self.absent: list[WantedCommand] = []
        self.all_unexpected: list[Made] = []
        self._lines: list[tuple[str, str]] = []
        self._align(expected, made)

    @property
    def diff(self) -> Diff:
        """As lines."""
        return tuple(self._lines)

    def _align(self, expected: Sequence[WantedCommand], made: Sequence[Made]) -> None:
        best = _common(expected, made)
        row = column = 0
        missing: list[WantedCommand] = []
        unexpected: list[Made] = []
        while row < len(expected) or column < len(made):
            if row < len(expected) and column < len(made):
                is_pair = expected[row].fits(made[column].command, made[column].args)
                if is_pair and best[row][column] == best[row + 1][column + 1] + 1:
                    self._say(missing, unexpected)
                    self._lines.append((" ", show_made(made[column])))
                    row, column = row + 1, column + 1
                    continue
            if column == len(made) or (row < len(expected) and best[row + 1][column] >= best[row][column + 1]):
                missing.append(expected[row])
                row += 1
            else:
                unexpected.append(made[column])
                column += 1
        self._say(missing, unexpected)

    def _say(self, missing: list[WantedCommand], unexpected: list[Made]) -> None:
        """What stands between two commands that agree; those of one name are shown beside each other."""
        self.missing += missing
        self.all_unexpected += unexpected
        for wanted in missing:
            self._lines.append(("-", wanted.shown))
            beside = next((made for made in unexpected if made.command == wanted.command), None)
            if beside is None:
                self.absent.append(wanted)
            else:
                unexpected.remove(beside)
                self._lines.append(("+", show_made(beside)))
                self._lines += [("?", text) for text in _differences(wanted, beside)]
        self._lines += [("+", show_made(made)) for made in unexpected]
        missing.clear()
        unexpected.clear()


def _differences(wanted: WantedCommand, made: Made) -> Iterable[str]:
    for name, value in wanted.differing(made.args):
        came = spelled(made.args[name]) if name in made.args else "nothing"
        # A number and the text of it look alike without quotes.
        came = canonical(made.args[name]) if came == value.shown else came
        yield f"{name}: expected {value.shown}, came {came}"


def _common(expected: Sequence[WantedCommand], made: Sequence[Made]) -> list[list[int]]:
    """Length of the longest common run of the rests, by (row, column)."""
    best = [[0] * (len(made) + 1) for _ in range(len(expected) + 1)]
    for row in range(len(expected) - 1, -1, -1):
        for column in range(len(made) - 1, -1, -1):
            if expected[row].fits(made[column].command, made[column].args):
                best[row][column] = best[row + 1][column + 1] + 1
            else:
                best[row][column] = max(best[row + 1][column], best[row][column + 1])
    return best


# -- facts ----------------------------------------------------------------------------
def fact_disagreement(wanted: WantedFact, engine: Engine, start_ms: int) -> Diff:
    """What is not as wanted; empty: all is."""
    memory = engine.base.memories.get(wanted.kind)
    facts = list(memory.facts.values()) if memory is not None else []
    fitting = [fact for fact in facts if _fits(wanted, fact)]
    if wanted.is_absent:
        return tuple(("+", show_fact(fact, start_ms)) for fact in fitting)
    if fitting:
        return ()
    fields = engine.base.memories[wanted.kind].kind if memory is not None else None
    shown = (
        f"{n}: {spelled_field(v, fields.field(n).type, start_ms) if fields else spelled(v)}" for n, v in wanted.values
    )
    lines = [("-", f"{wanted.kind} {{{', '.join(shown)}}}")]
    near = sorted(facts, key=lambda fact: -sum(_has(fact, name, value) for name, value in wanted.values))[:3]
    lines += [("+", show_fact(fact, start_ms)) for fact in near] or [("+", f"there is no {wanted.kind}")]
    return tuple(lines)


def _fits(wanted: WantedFact, fact: Fact) -> bool:
    return all(_has(fact, name, value) for name, value in wanted.values)


def _has(fact: Fact, name: str, value: object) -> bool:
    position = fact.memory.kind.positions.get(name)
    return position is not None and fact.values[position] == value


def show_fact(fact: Fact, start_ms: int, names: Iterable[str] = ()) -> str:
    """A fact on one line, with all fields that are there or with those named."""
    kind = fact.memory.kind
    shown = list(names) or [each.name for each in kind.fields]
    pairs = ((kind.field(name), fact.values[kind.positions[name]]) for name in shown if name in kind.positions)
    parts = (f"{f.name}: {spelled_field(value, f.type, start_ms)}" for f, value in pairs if value is not None)
    return f"{kind.name} {{{', '.join(parts)}}}"


# -- rejections ------------------------------------------------------------------------
def take_rejections(wanted: Iterable[WantedRejection], came: list[Refused]) -> list[WantedRejection]:
    """Take from ``came`` what was wanted, one for each; gives those that did not come."""
    missing = []
    for each in wanted:
        found = next((refused for refused in came if refused.code == each.code), None)
        if found is None:
            missing.append(each)
        else:
            came.remove(found)
    return missing
