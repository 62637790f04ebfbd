"""New shapes are tried in a child process, and its death is an answer."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from engine.matching import smoke as smoke_module
from engine.matching.joins import JoinShape, PythonJoiner
from engine.matching.smoke import check_in_child, smoke
from tests.support.joins import join, random_program, shape


def test_sound_shapes_pass_in_a_child() -> None:
    shapes = [
        shape("intent", ("quote", [join("intent", 0, "id")]), ("network", [join("id", 0, "network")])),
        shape("step", ("step", [join("intent", 0), join("index", 0, "next")])),
        shape("a", "b", "c"),
    ]
    assert check_in_child(shapes) is None


def test_random_shapes_pass() -> None:
    for seed in range(50):
        assert smoke(random_program(seed).shapes) is None


def test_each_shape_is_grounded_at_each_of_its_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    grounded: set[tuple[int, str]] = set()

    class Recording(PythonJoiner):
        def add(self, handle, kind, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            found = super().add(handle, kind, values)
            grounded.update((number, kind) for number, _ in found)
            return found

    monkeypatch.setattr(smoke_module, "PythonJoiner", Recording)
    shapes = [
        shape("a", ("b", [join("p", 0)]), ("c", [join("p", 1), join("q", 0, "p")])),
        shape("d", ("e", [join("p", 0), join("p", 0, "q"), join("r", 0, "q")])),
    ]
    assert smoke(shapes) is None
    assert grounded == {(0, "a"), (0, "b"), (0, "c"), (1, "d"), (1, "e")}


def test_shapes_beyond_a_limit_are_named() -> None:
    problem = check_in_child([shape(*["a"] * 17)])
    assert problem is not None
    assert problem.startswith("E360")


def test_the_death_of_the_child_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_module, "_CHILD", f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    assert check_in_child([shape("a", "b")]) == "the joining library died of the joins (signal 11)"


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_module, "_CHILD", "import signal; signal.pause()")
    assert check_in_child([shape("a", "b")], timeout_s=1) == "the joins were not tried out within 1 s"


def test_a_child_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_module, "_CHILD", "raise SystemExit('no such library')")
    problem = check_in_child([shape("a", "b")])
    assert problem is not None
    assert "no such library" in problem


def test_a_difference_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(PythonJoiner):
        def __init__(self, shapes: list[JoinShape]) -> None:
            super().__init__([shape("x", "y")] * len(shapes))

    monkeypatch.setattr(smoke_module, "PythonJoiner", Blind)
    problem = smoke([shape("a", ("b", [join("p", 0)]))])
    assert problem is not None
    assert "join 0" in problem


def test_the_child_finds_the_engine_where_the_parent_found_it() -> None:
    assert os.path.dirname(os.path.dirname(os.path.dirname(smoke_module.__file__))) in [
        os.path.abspath(path) for path in sys.path
    ]
