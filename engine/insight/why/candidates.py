"""Which facts somebody asks about: those named, and for the other patterns the ones that come nearest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from engine.errors import Exit, LockstepError
from engine.insight.matches import guard_of, matches_of
from engine.insight.terms import split
from engine.insight.why.reading import Scene, truth
from engine.matching.engine import Engine
from engine.matching.fact import Fact, Key
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.model.kinds import NUMERIC, Kind
from engine.model.rules import Pattern

#: Matches, and facts of one kind, that are looked at for the nearest.
_LOOK_AT: Final = 5_000
#: Partial tuples kept while the nearest are looked for.
_KEPT: Final = 8
#: Near names in a hint.
_NAMED: Final = 3


class AskedError(LockstepError):
    """The question cannot be understood (exit 2)."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True)
class Tuple:
    """Facts by pattern.

    Attributes:
        facts: None where there is none.
        match: the match they are; None: their equalities do not hold, or one is missing.
        verdict: what the compiled guard says of the match.
    """

    facts: tuple[Fact | None, ...]
    match: Match | None = None
    verdict: int = -1


def asked_facts(
    words: Sequence[str], patterns: Sequence[Pattern], engine: Engine
) -> tuple[dict[str, Fact | None], dict[str, Key]]:
    """The facts that ``alias=key`` words name; None: there is none under that key. And the keys, as typed by the kind.

    Raises:
        AskedError: U160 no such word, U161 no such alias, U162 not a key of that kind.
    """
    by_alias = {pattern.alias: pattern for pattern in patterns}
    facts: dict[str, Fact | None] = {}
    keys: dict[str, Key] = {}
    for word in words:
        alias, equals, text = word.partition("=")
        if not equals or not alias:
            raise AskedError(
                "U160", f"'{word}' names no fact", "write alias=key, as in i=I1; several parts: p=base/uni"
            )
        pattern = by_alias.get(alias)
        if pattern is None:
            close = get_close_matches(alias, by_alias, 1)
            named = ", ".join(f"{each.alias} ({each.kind.name})" for each in patterns)
            hint = f"did you mean {close[0]}? " if close else ""
            raise AskedError("U161", f"no pattern here is called '{alias}'", f"{hint}there are: {named}")
        keys[alias] = key_of(text, pattern.kind)
        facts[alias] = engine.base.memories[pattern.kind.name].facts.get(keys[alias])
    return facts, keys


def key_of(text: str, kind: Kind) -> Key:
    """A key as typed: its only part as it is, several with slashes between or as a JSON list or object.

    Raises:
        AskedError: U162 it does not fit the kind's key.
    """
    parts: list[object] = [text] if len(kind.key) == 1 else list(text.split("/"))
    if text[:1] in ("[", "{"):
        try:
            read = json.loads(text)
        except ValueError as error:
            raise AskedError("U162", f"'{text}' is no JSON: {error}", _form(kind)) from error
        if isinstance(read, dict):
            if set(read) != set(kind.key):
                raise AskedError("U162", f"the key of {kind.name} is {', '.join(kind.key)}", _form(kind))
            read = [read[name] for name in kind.key]
        parts = read
    if len(parts) != len(kind.key):
        raise AskedError(
            "U162", f"the key of {kind.name} has {len(kind.key)} parts, '{text}' has {len(parts)}", _form(kind)
        )
    return tuple(_part(part, kind.field(name).type.name, kind) for part, name in zip(parts, kind.key, strict=True))


def _part(part: object, type_name: str, kind: Kind) -> str | int | bool:
    if type_name in NUMERIC:
        try:
            return int(str(part))
        except ValueError as error:
            raise AskedError("U162", f"'{part}' is no number, as the key of {kind.name} wants", _form(kind)) from error
    if type_name == "bool":
        return str(part).lower() == "true"
    word = str(part)
    return word.lower() if type_name in ("hash", "address") else word


def _form(kind: Kind) -> str:
    return f"write it as {'/'.join(name.upper() for name in kind.key)}"


def near_keys(kind: str, key: Key, engine: Engine) -> list[str]:
    """Keys of that kind that look like one that is not there."""
    texts = ["/".join(map(str, each)) for each in list(engine.base.memories[kind].facts)[:_LOOK_AT]]
    return get_close_matches("/".join(map(str, key)), texts, _NAMED, cutoff=0.5)


class Nearest:
    """Looks for the tuples of facts that come nearest to holding."""

    def __init__(self, engine: Engine, node: RuleNode, scene: Scene, asked: Mapping[str, Fact | None]) -> None:
        self.engine = engine
        self.node = node
        self.scene = scene
        self.asked = asked
        self.patterns = node.rule.patterns

    def found(self, limit: int) -> tuple[list[Tuple], int]:
        """The nearest first, at most ``limit``; and how many more matches there are."""
        if None not in self.asked.values():
            matches = [m for _, m in zip(range(_LOOK_AT), self._fitting(), strict=False)]
            ranked = sorted((self._rank(match) for match in matches), key=lambda each: (each[0], each[1]))
            if ranked:
                found = [Tuple(tuple(match.facts), match, verdict) for _, _, match, verdict in ranked[:limit]]
                return found, len(ranked) - len(found)
        return [Tuple(facts) for facts in self._tuples()[:1]], 0

    def _fitting(self) -> Iterator[Match]:
        for match in matches_of(self.node, self.engine):
            pairs = zip(self.patterns, match.facts, strict=True)
            if all(pattern.alias not in self.asked or self.asked[pattern.alias] is fact for pattern, fact in pairs):
                yield match

    def _rank(self, match: Match) -> tuple[int, str, Match, int]:
        """Those that hold first, then those that come furthest."""
        verdict = guard_of(self.node, match, self.engine, self.scene.now)
        order = 0 if verdict == 0 else 1 + len(self.node.rule.terms) - verdict if verdict > 0 else 1_000
        return order, match.text, match, verdict

    # -- no match ------------------------------------------------------------------
    def _tuples(self) -> list[tuple[Fact | None, ...]]:
        """Tuples whose equalities do not hold, or that lack a fact: those that miss least, pattern by pattern."""
        kept: list[tuple[int, tuple[Fact | None, ...], Scene]] = [(0, (), self.scene)]
        for pattern in self.patterns:
            grown = [each for before in kept for each in self._grown(pattern, *before)]
            kept = sorted(grown, key=lambda each: (each[0], [f.text if f else "" for f in each[1]]))[:_KEPT]
        return [facts for _, facts, _ in kept]

    def _grown(
        self, pattern: Pattern, missed: int, facts: tuple[Fact | None, ...], scene: Scene
    ) -> Iterator[tuple[int, tuple[Fact | None, ...], Scene]]:
        candidates = self._candidates(pattern)
        is_any = False
        for fact in candidates:
            if fact in facts:
                continue  # the same fact never stands for two patterns
            is_any = True
            inner = scene.with_fact(pattern.alias, fact)
            wrong = sum(truth(condition, inner)[0] is False for condition in split(pattern.where))
            yield missed + (10 * bool(wrong)) + wrong, (*facts, fact), inner
        if not is_any:
            yield missed + 100, (*facts, None), scene

    def _candidates(self, pattern: Pattern) -> Sequence[Fact]:
        if pattern.alias in self.asked:
            fact = self.asked[pattern.alias]
            return () if fact is None else (fact,)
        return list(self.engine.base.seated(pattern.kind.name).facts.values())[:_LOOK_AT]
