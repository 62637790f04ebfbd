"""What became of each intent, judged by what is there: the facts in Redis against the executor's own book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.insight.audit import Decision, Fired, MadeCommand
from engine.insight.demo.book import FEES, POOL, Book
from engine.insight.demo.trace import Opening
from engine.insight.facts import StoredFact

#: Where the value is said to be, by outcome.
_ENDS = {"COMPLETED": ("target", "asset_out"), "REFUNDED": ("source", "asset_in")}
Firing = tuple[Decision, Fired]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One intent.

    Attributes:
        outcome: the verdict that stands as a fact; ``none`` if there is none.
        reason: its reason.
        places: (place, asset) → what lies there, by the executor's book.
        commands: each command with the firing that made it, oldest first.
        problems: what is not as it must be; empty: all is.
    """

    intent: str
    outcome: str
    reason: str
    places: Mapping[tuple[str, str], int]
    commands: tuple[tuple[MadeCommand, Firing], ...]
    problems: tuple[str, ...]


def judge(
    opening: Opening, expected: str, facts: Iterable[StoredFact], book: Book, firings: Iterable[Firing]
) -> Judgement:
    """Judges one intent.

    Args:
        opening: what it began with.
        expected: the outcome it must come to.
        facts: facts of the kinds ``intent`` and ``swap_outcome``.
        book: the executor's.
        firings: every firing there was.
    """
    name = opening.intent
    mine = {fact.kind: fact.values for fact in facts if fact.key == (name,)}
    commands = tuple((c, f) for f in firings for c in f[1].commands if c.args.get("intent") == name)
    said = mine.get("swap_outcome", {})
    outcome = str(said.get("verdict", "none"))
    problems = [] if outcome == expected else [f"the outcome is {outcome}, and must be {expected}"]
    if outcome in _ENDS and "intent" in mine:
        problems += _not_there(opening, outcome, mine["intent"], said, book)
    problems += _not_kept(opening, book)
    problems += _not_once(name, [command for command, _ in commands], book)
    return Judgement(name, outcome, str(said.get("reason", "")), book.places(name), commands, tuple(problems))


def _not_there(
    opening: Opening, outcome: str, intent: Mapping[str, object], said: Mapping[str, object], book: Book
) -> list[str]:
    """Is the value where the outcome says, as much as it says, and nowhere else?"""
    name = opening.intent
    place, asset = (str(intent[field]) for field in _ENDS[outcome])
    amount = int(str(said["amount"]))
    problems = []
    if (said["place"], said["asset"]) != (place, asset):
        problems.append(f"it says {said['asset']} on {said['place']}, and {outcome} means {asset} on {place}")
    there = book.held[name, place, asset]
    if there != amount:
        problems.append(f"it says {amount} {asset} on {place}, and {there} are there")
    if outcome == "COMPLETED" and there < int(str(intent["min_out"])):
        problems.append(f"{there} {asset} are less than the {intent['min_out']} asked for")
    if outcome == "REFUNDED" and there + book.held[name, FEES, asset] != opening.amount:
        problems.append(f"{there} {asset} and the fees are not the {opening.amount} it began with")
    left = {w: n for w, n in book.places(name).items() if w != (place, asset) and w[0] != FEES}
    problems += [f"{n} {asset} are still at {place}" for (place, asset), n in left.items()]
    return problems


def _not_kept(opening: Opening, book: Book) -> list[str]:
    """Nothing was made or lost: what it began with is at places, kept as fees, or was given in exchange."""
    asset, name = opening.asset, opening.intent
    now = sum(n for (intent, _, what), n in book.held.items() if (intent, what) == (name, asset))
    given = book.held[name, POOL, asset]
    return [] if now == opening.amount and given >= 0 else [f"{opening.amount} {asset} have become {now}"]


def _not_once(name: str, commands: list[MadeCommand], book: Book) -> list[str]:
    """Every command took effect once, and nothing took effect that was not commanded."""
    ids = [command.id for command in commands]
    problems = [
        f"{c.verb} {c.id} took effect {book.carried_out[c.id]} times" for c in commands if book.carried_out[c.id] != 1
    ]
    problems += [f"{id_} was made twice" for id_ in {i for i in ids if ids.count(i) > 1}]
    done = {command for command, (intent, _) in book.verbs.items() if intent == name}
    problems += [f"{command} took effect, and no rule made it" for command in sorted(done - set(ids))]
    return problems
