"""From files, or from the form kept in Redis, to a checked rule base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import PackError, Problem
from engine.limits import MAX_PACK_BYTES, MAX_PACK_FILES
from engine.model.rules import RuleBase
from engine.packs.checker import check_packs
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode
from engine.packs.packfile import Pack, add_file
from engine.packs.reader import read
from engine.packs.sources import SHIPPED, Source, find_sources, from_blob, revision_of, shipped, to_blob


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of the packs.

    Attributes:
        rulebase: None if a problem is an error.
        problems: errors and warnings of all files, by file, line and column.
        blob: the canonical form, from which ``load_blob`` makes the same rule base; empty if there is none.
    """

    rulebase: RuleBase | None
    problems: list[Problem]
    blob: bytes

    @property
    def warnings(self) -> list[Problem]:
        """Problems that do not keep the packs from being pushed."""
        return [problem for problem in self.problems if not problem.is_error]


def load_paths(paths: Sequence[Path]) -> LoadResult:
    """Checks the packs at those paths.

    Args:
        paths: files, or directories with all ``*.yaml`` and ``*.yml`` below them; ``*.test.yaml`` is passed over. The
            packs that come with the engine are added when one names them in ``use:``.
    """
    problems: list[Problem] = []
    sources = find_sources(paths, problems)
    roots = _read_all(sources, problems)
    heads = [_head(tree) for tree in roots.values()]
    for pack in SHIPPED:
        if any(pack in uses for _, uses in heads) and all(name != pack for name, _ in heads):
            added = shipped(pack, sources)
            sources = sources + added
            roots |= _read_all(added, problems)
    rulebase = _check(roots, problems)
    found = _in_order(problems, {source.name: source.shown for source in sources})
    if any(problem.is_error for problem in found):
        return LoadResult(None, found, b"")
    blob = to_blob(sources)
    return LoadResult(replace(rulebase, revision=revision_of(blob)), found, blob)


def load_blob(blob: bytes) -> RuleBase:
    """The rule base of a canonical form.

    Raises:
        PackError: it is none, or the packs have errors in this version of the engine.
    """
    problems: list[Problem] = []
    try:
        if len(blob) > MAX_PACK_BYTES * MAX_PACK_FILES:
            raise ValueError(f"{len(blob)} bytes are too many")
        sources = from_blob(blob)
    except ValueError as error:
        raise PackError([Problem("rulebase", 0, 0, "E118", f"not a rule base: {error}")]) from None
    rulebase = _check(_read_all(sources, problems), problems)
    if any(problem.is_error for problem in problems):
        raise PackError(_in_order(problems, {}))
    return replace(rulebase, revision=revision_of(blob))


def _read_all(sources: list[Source], problems: list[Problem]) -> dict[str, Node]:
    """The tree of each file that has one."""
    trees = ((source.name, read(source.name, source.raw, problems)) for source in sources)
    return {name: tree for name, tree in trees if tree is not None}


def _check(roots: dict[str, Node], problems: list[Problem]) -> RuleBase:
    packs: dict[str, Pack] = {}
    for name in sorted(roots):
        add_file(roots[name], packs, problems)
    return check_packs(packs, problems)


def _head(root: Node) -> tuple[str, list[str]]:
    """The name of a file's pack and the packs it uses, as far as they can be read."""
    if not isinstance(root, MapNode):
        return "", []
    name, use = root.get("pack"), root.get("use")
    items = use.items if isinstance(use, ListNode) else (use,)
    uses = [each.text for each in items if isinstance(each, ScalarNode)]
    return name.text if isinstance(name, ScalarNode) else "", uses


def _in_order(problems: list[Problem], shown: dict[str, str]) -> list[Problem]:
    """By file as the user named it, line and column; each once."""
    return sorted({replace(problem, file=shown.get(problem.file, problem.file)) for problem in problems})
