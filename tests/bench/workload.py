"""The same work for Lockstep and for its peer: keyed facts of ten kinds, and rules of one condition spread over them.

Rule ``n`` looks at kind ``n mod 10`` and holds where ``value > span - 100 + 37 n mod 100``; values are drawn from
``0 … span - 1``. So ``span`` says how often a rule holds: of 1,000, each holds for one value in twenty (and with 100
rules every other fact fires one); of 100,000, for one in two thousand. Of ten facts, nine give one of the 1,000 first
keys a new value and one is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

KINDS: Final = 10
KEYS_PER_KIND: Final = 100
#: One fact in two hundred fires something when there are 100 rules.
QUIET: Final = 100_000
#: Every other fact fires something when there are 100 rules.
BUSY: Final = 1_000


class Change(NamedTuple):
    """The fact of kind number ``kind`` under ``key`` now has ``value``."""

    kind: int
    key: int
    value: int


def threshold(rule: int, span: int) -> int:
    """Above which value that rule holds."""
    return span - 100 + rule * 37 % 100


def changes(count: int, span: int, seed: int) -> Iterator[Change]:
    """The facts, in order: nine changes of value in ten."""
    rng = Random(seed)
    fresh = KEYS_PER_KIND
    for number in range(count):
        if number % 10 == 0:
            yield Change(number // 10 % KINDS, fresh, rng.randrange(span))
            fresh += 1
        else:
            yield Change(rng.randrange(KINDS), rng.randrange(KEYS_PER_KIND), rng.randrange(span))


def pack(rules: int, span: int, version: int = 1) -> str:
    """The rules as a pack; each firing is one command for the executor ``act``."""
    lines = ["pack: bench", f"version: {version}", "kinds:"]
    for kind in range(KINDS):
        lines += [f"  kind_{kind}:", "    key: [key]", "    ttl: 1h", "    fields: {key: int, value: int}"]
    lines.append("rules:")
    for rule in range(rules):
        lines += [
            f"  - rule: rule-{rule}",
            "    when:",
            f"      - kind_{rule % KINDS}: m",
            f"        where: m.value > {threshold(rule, span)}",
            "    then:",
            "      - command: act.note",
            "        with: {key: =m.key, value: =m.value}",
        ]
    return "\n".join(lines) + "\n"


def entry(change: Change) -> list[str]:
    """The words of its XADD after the key: the fact as any service sends it."""
    data = f'{{"key":{change.key},"value":{change.value}}}'
    return ["*", "op", "assert", "kind", f"kind_{change.kind}", "source", "bench", "data", data]
