"""The packs that tests name, each set checked once."""

from __future__ import annotations

from pathlib import Path

from engine.errors import Problem
from engine.insight.scenario.case import Base
from engine.packs.bundle import load_paths
from engine.packs.complaints import complain
from engine.packs.forms import as_scalar
from engine.packs.nodes import ListNode, Node


class Shelf:
    """Finds packs relative to one directory; those of the engine (``use: [standard]``) come by themselves."""

    def __init__(self, directory: Path, loaded: dict[tuple[Path, ...], Base | list[Problem]]) -> None:
        """Makes it.

        Args:
            directory: where the test file lies.
            loaded: what was read before, by resolved paths; shared by all files of a run.
        """
        self._directory = directory
        self._loaded = loaded

    def base(self, node: Node, what: str, problems: list[Problem]) -> Base | None:
        """The packs a node names (one path, or a list), or None after a problem.

        Errors in the packs are problems of the tests that use them, each said at its own place.
        """
        items = node.items if isinstance(node, ListNode) else (node,)
        words = [as_scalar(item, what, problems) for item in items]
        paths = [self._directory / word.text for word in words if word is not None]
        if not paths or len(paths) < len(words):
            if not words:
                complain(problems, node.span, "E703", f"'{what}' names no pack", "packs: [swap.yaml]")
            return None
        key = tuple(path.resolve() for path in paths)
        if key not in self._loaded:
            loaded = load_paths(paths)
            errors = [problem for problem in loaded.problems if problem.is_error]
            self._loaded[key] = Base(loaded.rulebase, loaded.blob) if loaded.rulebase is not None else errors
        found = self._loaded[key]
        if isinstance(found, Base):
            return found
        complain(problems, node.span, "E703", "these packs cannot be used", "their problems are listed beside this one")
        problems += found
        return None
