"""What became of each intent, judged by what is there: the daemon's outcomes against the executor's own book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.insight.audit import Decision, Fired, MadeCommand
from engine.insight.demo.book import FEES, POOL, Book
from engine.insight.demo.outcomes import Outcome
from engine.insight.demo.trace import Opening

#: Where the value lies, by outcome: the intent's fields that name place and asset.
_ENDS = {"COMPLETED": ("target", "asset_out"), "REFUNDED": ("source", "asset_in")}
Firing = tuple[Decision, Fired]
Places = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One intent.

    Attributes:
        outcome: the verdict that stands; ``none`` if there is none.
        reason: its reason.
        ledger: (place, asset) → what lies there, by the daemon's ledger; fees at ``fees``.
        places: the same by the executor's book.
        commands: each command with the firing that made it, oldest first.
        problems: what is not as it must be; empty: all is.
    """

    intent: str
    outcome: str
    reason: str
    ledger: Places
    places: Places
    commands: tuple[tuple[MadeCommand, Firing], ...]
    problems: tuple[str, ...]


def judge(
    opening: Opening,
    expected: str,
    intent: Mapping[str, object] | None,
    said: Outcome | None,
    book: Book,
    firings: Iterable[Firing],
) -> Judgement:
    """Judges one intent.

    Args:
        opening: what it began with.
        expected: the outcome it must come to.
        intent: its fact's fields; None if it is not there.
        said: its coordination's outcome; None if there is none.
        book: the executor's.
        firings: every firing there was.
    """
    name = opening.intent
    commands = tuple((c, f) for f in firings for c in f[1].commands if c.args.get("intent") == name)
    verdict, reason = ("none", "") if said is None else (said.verdict, said.reason)
    problems = [] if verdict == expected else [f"the outcome is {verdict}, and must be {expected}"]
    ledger: dict[tuple[str, str], int] = {}
    if said is not None:
        ledger = {**said.ledger, **{(FEES, asset): amount for asset, amount in said.fees.items()}}
        if said.is_provisional:
            problems.append("the outcome is provisional, and must be final")
        problems += _not_alike(ledger, book.places(name))
        problems += _not_there(opening, said, intent)
    problems += _not_kept(opening, book)
    problems += _not_once(name, [command for command, _ in commands], book)
    return Judgement(name, verdict, reason, ledger, book.places(name), commands, tuple(problems))


def _not_alike(ledger: Places, book: Places) -> list[str]:
    """The daemon's ledger and the executor's book agree on every place, to the unit."""
    problems = []
    for place, asset in sorted(ledger.keys() | book.keys()):
        said, there = ledger.get((place, asset), 0), book.get((place, asset), 0)
        if said != there:
            problems.append(f"the ledger has {said} {asset} at {place}, and {there} are there")
    return problems


def _not_there(opening: Opening, said: Outcome, intent: Mapping[str, object] | None) -> list[str]:
    """Is the value where the outcome means it to be, as much of it, and nowhere else?"""
    if intent is None:
        return [f"the intent {opening.intent} is gone"]
    if said.verdict not in _ENDS:
        return []
    place, asset = (str(intent[field]) for field in _ENDS[said.verdict])
    there = said.ledger.get((place, asset), 0)
    problems = []
    if said.verdict == "COMPLETED" and there < int(str(intent["min_out"])):
        problems.append(f"{there} {asset} are less than the {intent['min_out']} asked for")
    if said.verdict == "REFUNDED" and there + said.fees.get(asset, 0) != opening.amount:
        problems.append(f"{there} {asset} and the fees are not the {opening.amount} it began with")
    left = {w: n for w, n in said.ledger.items() if w != (place, asset)}
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
    problems += [f"{command} took effect, and nobody made it" for command in sorted(done - set(ids))]
    return problems
