"""Try shapes on the joining library in a child process, which may die of them, before the daemon loads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from engine.errors import LockstepError
from engine.matching.durable_joiner import DurableJoiner
from engine.matching.joins import Join, JoinPattern, JoinShape, PythonJoiner

#: A shape with n patterns on one kind that are joined alike has n! groundings; n is cut to this.
_MAX_ALIKE: Final = 6
#: Above so many patterns near misses are left out: they would double the groundings with each pattern.
_MAX_MISSED: Final = 8
#: A rule base of 4,000 shapes takes about a minute.
CHILD_TIMEOUT_S: Final = 120

_CHILD: Final = "import sys; from engine.matching.smoke import main; main(sys.stdin.read())"

_Fact = tuple[str, dict[str, int]]


def smoke(shapes: Sequence[JoinShape]) -> str | None:
    """Ground every shape, with facts made for it, by the library and in Python; returns what differs, or None.

    Raises:
        ShapeLimitError: the shapes do not fit the library.
        JoinError: the library failed.
    """
    library, plain = DurableJoiner(shapes, name="smoke", min_dead=1), PythonJoiner(shapes)
    handle = 0
    for number, shape in enumerate(shapes):
        for turn in range(len(shape.patterns)):
            added = []
            for kind, values in _facts_for(shape, turn, fresh=(number * 16 + turn) << 16):
                handle += 1
                expected, found = plain.add(handle, kind, values), library.add(handle, kind, values)
                if expected != found:
                    return f"join {number} ({shape}): {found} instead of {expected} after {kind} {values}"
                added.append(handle)
            for gone in added:
                library.remove(gone)
                plain.remove(gone)
            # Else joins without equality would also ground the dead of all shapes before.
            while library.maintain(lambda: True):
                pass
    library.close()
    return None


def _facts_for(shape: JoinShape, turn: int, fresh: int) -> Iterator[_Fact]:
    """One fact for each pattern, which together fit the shape, from the ``turn``-th on; before each a near miss."""
    values = _common_values(shape, fresh)
    miss = fresh + (1 << 15)
    alike: dict[str, int] = {}
    count = len(shape.patterns)
    for position in [(turn + step) % count for step in range(count)]:
        pattern = shape.patterns[position]
        alike[pattern.kind] = alike.get(pattern.kind, 0) + 1
        if alike[pattern.kind] > _MAX_ALIKE:
            continue
        if pattern.joins and count <= _MAX_MISSED:
            miss += 1
            yield pattern.kind, {**values[position], pattern.joins[-1].field: miss}
        yield pattern.kind, values[position]


def _common_values(shape: JoinShape, fresh: int) -> list[dict[str, int]]:
    """For each pattern its joined fields, with equal values where the joins, taken together, ask for it."""
    values: list[dict[str, int]] = [{} for _ in shape.patterns]
    for position, pattern in enumerate(shape.patterns):
        for join in pattern.joins:
            fresh += 2
            mine = values[position].setdefault(join.field, fresh)
            theirs = values[join.other].setdefault(join.other_field, fresh + 1)
            for row in values:
                row.update({name: mine for name, value in row.items() if value == theirs})
    return values


def check_in_child(shapes: Sequence[JoinShape], timeout_s: int = CHILD_TIMEOUT_S) -> str | None:
    """Run ``smoke`` in a child process; returns what went wrong, or None.

    Whatever the library does to the child, this process is safe: the answer is then how the child died.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=_to_json(shapes),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            # The child finds the engine where this process found it, installed or not.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return f"the joins were not tried out within {timeout_s} s"
    if child.returncode < 0:
        return f"the joining library died of the joins (signal {-child.returncode})"
    if child.returncode != 0:
        return f"the trial of the joins failed: {child.stderr.strip().splitlines()[-1:] or child.returncode}"
    problem: str | None = json.loads(child.stdout)["problem"]
    return problem


def main(text: str) -> None:
    """What the child runs: shapes as JSON in, ``{"problem": text or null}`` on standard output."""
    try:
        problem = smoke(_from_json(text))
    except LockstepError as error:
        problem = str(error)
    sys.stdout.write(json.dumps({"problem": problem}))


def _to_json(shapes: Sequence[JoinShape]) -> str:
    return json.dumps(
        [[[p.kind, [[j.field, j.other, j.other_field] for j in p.joins]] for p in shape.patterns] for shape in shapes]
    )


def _from_json(text: str) -> list[JoinShape]:
    return [
        JoinShape(tuple(JoinPattern(kind, tuple(Join(*join) for join in joins)) for kind, joins in patterns))
        for patterns in json.loads(text)
    ]
