"""What does not fit into the joining library is refused before the library sees it, and what is said to fit does."""

from __future__ import annotations

import pytest

from engine.matching.durable_joiner import DurableJoiner
from engine.matching.joins import JoinShape
from engine.matching.shape_limits import (
    MAX_KIND_FIELDS,
    MAX_KIND_PATTERNS,
    MAX_KINDS,
    MAX_PATTERN_JOINS,
    MAX_SHAPE_PATTERNS,
    MAX_SHAPES,
    ShapeLimitError,
    check_limits,
)
from tests.support.joins import join, shape


def refusal(shapes: list[JoinShape]) -> ShapeLimitError:
    with pytest.raises(ShapeLimitError) as caught:
        check_limits(shapes)
    return caught.value


def test_sixteen_patterns_ground_and_seventeen_are_refused() -> None:
    kinds = [f"k{n}" for n in range(MAX_SHAPE_PATTERNS + 1)]
    full = shape(kinds[0], *((kind, [join("p", n)]) for n, kind in enumerate(kinds[1:-1])))
    joiner = DurableJoiner([full])
    found = [joiner.add(handle, kind, {"p": 1}) for handle, kind in enumerate(kinds[:-1])]
    assert found[-1] == [(0, tuple(range(MAX_SHAPE_PATTERNS)))]
    error = refusal([shape("a", "b"), shape(*kinds)])
    assert (error.code, error.shape) == ("E360", 1)


def test_as_many_joins_of_one_pattern_as_allowed_are_all_tested_and_one_more_is_refused() -> None:
    names = [f"f{n}" for n in range(MAX_PATTERN_JOINS + 1)]
    joiner = DurableJoiner([shape("a", ("b", [join(name, 0) for name in names[:-1]]))])
    joiner.add(1, "a", dict.fromkeys(names, 1))
    for handle, name in enumerate(names[:-1], start=2):
        assert joiner.add(handle, "b", {**dict.fromkeys(names, 1), name: 2}) == []
    assert joiner.add(99, "b", dict.fromkeys(names, 1)) == [(0, (1, 99))]
    error = refusal([shape("a", ("b", [join(name, 0) for name in names]))])
    assert (error.code, error.shape) == ("E362", 0)


def test_as_many_patterns_on_one_kind_as_allowed_all_ground_and_one_more_is_refused() -> None:
    # Without lanes the library fails at the 65th (error 303) and writes past a list at the 257th.
    shapes = [shape("a", ("b", [join("p", 0)])) for _ in range(MAX_KIND_PATTERNS)]
    joiner = DurableJoiner(shapes)
    joiner.add(1, "a", {"p": 1})
    assert joiner.add(2, "b", {"p": 2}) == []
    assert joiner.add(3, "b", {"p": 1}) == [(number, (1, 3)) for number in range(MAX_KIND_PATTERNS)]
    joiner.close()
    error = refusal([*shapes, shapes[0]])
    assert (error.code, error.shape) == ("E361", MAX_KIND_PATTERNS)
    assert "`a`" in error.message


@pytest.mark.parametrize("count", [31, 32, 33, 64, 65, 257])
def test_lanes_change_nothing_about_what_grounds(count: int) -> None:
    shapes = [shape("a", ("a", [join("p", 0)])) for _ in range(count)]
    joiner = DurableJoiner(shapes)
    joiner.add(1, "a", {"p": 1})
    expected = [(number, handles) for number in range(count) for handles in ((1, 2), (2, 1))]
    assert joiner.add(2, "a", {"p": 1}) == expected
    joiner.close()


def test_as_many_kinds_as_allowed_all_ground_and_more_are_refused() -> None:
    kinds = [f"k{n}" for n in range(MAX_KINDS + 2)]
    shapes = [shape(left, right) for left, right in zip(kinds[::2], kinds[1::2], strict=True)]
    joiner = DurableJoiner(shapes[:-1])
    for handle, kind in enumerate(kinds[:MAX_KINDS]):
        expected = [(handle // 2, (handle - 1, handle))] if handle % 2 else []
        assert joiner.add(handle, kind, {}) == expected
    joiner.close()
    assert refusal(shapes).code == "E361"


def test_as_many_joined_fields_as_allowed_are_taken_and_more_are_refused() -> None:
    names = [f"f{n}" for n in range(MAX_KIND_FIELDS + 1)]
    shapes = [shape("a", ("b", [join("p", 0, name)])) for name in names]
    joiner = DurableJoiner(shapes[:-1])
    joiner.add(1, "a", {name: n for n, name in enumerate(names)})
    assert joiner.add(2, "b", {"p": MAX_KIND_FIELDS - 1}) == [(MAX_KIND_FIELDS - 1, (1, 2))]
    joiner.close()
    assert refusal(shapes).code == "E362"


def test_too_many_shapes_are_refused() -> None:
    assert refusal([shape("a", "b")] * (MAX_SHAPES + 1)).code == "E361"


def test_a_joiner_refuses_what_does_not_fit() -> None:
    with pytest.raises(ShapeLimitError):
        DurableJoiner([shape(*["a"] * 17)])
