"""What fits into one network of the joining library, checked before the library sees a shape.

Some of these bounds the library reports late and in mid-propagation, and one it oversteps in silence, into memory that
is not its own. The numbers come from its source (``rete.h``, ``state.h``, ``events.c``) and are pinned by tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import LockstepError
from engine.matching.joins import JoinShape, joined_fields

#: Patterns of one shape: a frame of the library holds so many facts.
MAX_SHAPE_PATTERNS: Final = 16
#: Joins of one pattern: of the library's 31 terms, three are the opening, the join that always holds and the closing.
MAX_PATTERN_JOINS: Final = 28
#: Shapes of one ruleset: 4,096 actions, one is the probe's.
MAX_SHAPES: Final = 4_095
#: Kinds of one ruleset: 512 children of the root node, one slot must stay empty, one kind is the probe's.
MAX_KINDS: Final = 510
#: Joined fields of one kind: 254 properties less id, sid, kind, the constant and the lanes.
MAX_KIND_FIELDS: Final = 218
#: The library pushes all children of a node that a fact may pass on a stack of 64. So the patterns on a kind are
#: spread over lanes, each a node of its own: at most 31 lanes beside 32 patterns are on the stack at once.
LANE_PATTERNS: Final = 32
MAX_KIND_PATTERNS: Final = LANE_PATTERNS * 32


class ShapeLimitError(LockstepError):
    """The shapes do not fit the joining library (E360 patterns, E361 shapes, E362 joins and fields).

    Attributes:
        shape: index of the first shape that is too much, or None when it is their number.
    """

    def __init__(self, code: str, message: str, hint: str, shape: int | None = None) -> None:
        super().__init__(code, message, hint)
        self.shape = shape


def check_limits(shapes: Sequence[JoinShape]) -> None:
    """Refuse, before the library sees them, shapes that it would refuse late or not survive.

    Raises:
        ShapeLimitError: E360, E361 or E362.
    """
    if len(shapes) > MAX_SHAPES:
        raise ShapeLimitError(
            "E361", f"{len(shapes)} different joins, at most {MAX_SHAPES}", "let rules share their patterns and joins"
        )
    on_kind: dict[str, int] = {}
    for number, shape in enumerate(shapes):
        if len(shape.patterns) > MAX_SHAPE_PATTERNS:
            raise ShapeLimitError(
                "E360",
                f"{len(shape.patterns)} patterns are joined, at most {MAX_SHAPE_PATTERNS}",
                "conclude a fact from some of them and match on that",
                number,
            )
        for pattern in shape.patterns:
            if len(pattern.joins) > MAX_PATTERN_JOINS:
                raise ShapeLimitError(
                    "E362",
                    f"a pattern on `{pattern.kind}` has {len(pattern.joins)} equality joins, at most"
                    f" {MAX_PATTERN_JOINS}",
                    "put some of them into a check",
                    number,
                )
            on_kind[pattern.kind] = on_kind.get(pattern.kind, 0) + 1
            if on_kind[pattern.kind] > MAX_KIND_PATTERNS:
                raise ShapeLimitError(
                    "E361",
                    f"more than {MAX_KIND_PATTERNS} patterns of different joins are on `{pattern.kind}`",
                    "let rules share their patterns and joins",
                    number,
                )
    if len(on_kind) > MAX_KINDS:
        raise ShapeLimitError("E361", f"{len(on_kind)} kinds are joined, at most {MAX_KINDS}", "join fewer kinds")
    for kind, fields in joined_fields(shapes).items():
        if len(fields) > MAX_KIND_FIELDS:
            raise ShapeLimitError(
                "E362", f"{len(fields)} fields of `{kind}` are joined, at most {MAX_KIND_FIELDS}", "join fewer fields"
            )
