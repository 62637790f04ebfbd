"""``explain``: why something happened, as a tree of rules, steps and facts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text
from rich.tree import Tree

from engine.cli import output
from engine.cli.connection import connected, rulebase_of
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.insight.because.roots import Answer, Explainer, UnexplainedError, worth_telling
from engine.insight.because.tree import FactReason, Reason
from engine.insight.commands import commands_of
from engine.insight.coordinations.reading import CoordinationError, Known, known_cases, meant
from engine.model.rules import RuleBase
from engine.settings import Settings
from engine.store.redis_store import RedisStore

#: What an answer may be.
_Found = Answer | Reason | FactReason


async def _asked(settings: Settings, words: list[str]) -> tuple[_Found, _Plain]:
    async with connected(settings) as store:
        rulebase = await rulebase_of(store)
        return await _found(store, Explainer(store, rulebase), words), _Plain(rulebase)


async def _found(store: RedisStore, explainer: Explainer, words: list[str]) -> _Found:
    if len(words) == 2:
        return await explainer.of_fact(*words)
    (wanted,) = words
    kind, colon, key = wanted.partition(":")
    if colon and kind in explainer.rulebase.kinds:
        return await explainer.of_fact(kind, key)
    found = await _by_id(store, explainer, wanted)
    return found or await _of_coordination(explainer, await known_cases(store), wanted)


async def _by_id(store: RedisStore, explainer: Explainer, wanted: str) -> Answer | None:
    """A command, an activation or an entry; None: it does not look like one, or the audit does not know it."""
    known = await commands_of(store, 1, only=wanted)
    if not known and await _is_coordination(store, wanted):
        return None
    answer = await explainer.by_id(wanted, known[0].at_ms if known else None)
    return answer if answer.reasons else None


async def _is_coordination(store: RedisStore, wanted: str) -> bool:
    """Whether a coordination is called so: then the audit, which may be long, need not be asked."""
    known = await known_cases(store)
    names = (wanted, wanted.rpartition("/")[0])
    return any(name and name in (each.case.id, each.case.subject) for each in known for name in names)


async def _of_coordination(explainer: Explainer, known: list[Known], wanted: str) -> Reason:
    whose, slash, step = wanted.rpartition("/")
    try:
        if slash:
            try:
                return await explainer.of_step(meant(known, whose), step)
            except CoordinationError:
                pass  # a key may have a slash in it
        return await explainer.of_coordination(meant(known, wanted))
    except CoordinationError as error:
        if error.code != "U150":
            raise
        hint = (
            "give the id of a command (`lockstep commands`), an activation or a journal entry; a coordination, or a"
            " step of one as COORDINATION/STEP; or a fact as KIND KEY"
        )
        raise UnexplainedError("U152", f"nothing is known of '{wanted}'", hint) from error


def explain(
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="ID",
            help="A command, an activation, a journal entry; COORDINATION or COORDINATION/STEP; or a fact: KIND KEY.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Say why something happened: the rule or step, the facts it read, and what made those."""
    if len(wanted) > 2:
        raise typer.BadParameter("give one id, or KIND KEY")
    found, plain = asyncio.run(_asked(place(data, redis, config), wanted))
    if as_json:
        output.print_json(found.as_dicts() if isinstance(found, Answer) else [found.as_dict()])
        return
    grown = Grown(plain)
    match found:
        case Answer():
            for reason in found.reasons:
                output.tree(grown.of_reason(reason, found.command_in(reason)))
            if not any(reason.event.get("coordination") for reason in found.reasons):
                for event in found.noted:
                    rest = {name: value for name, value in event.items() if name != "event"}
                    output.say(f"\nalso noted: {event['event']}  {output.clean(_brief(rest))}", "dim")
        case FactReason():
            output.tree(grown.of_fact(found))
        case _:
            output.tree(grown.of_reason(found))


class _Plain:
    """What goes without saying of a fact: its key, which names it, and values that are the kind's default."""

    def __init__(self, rulebase: RuleBase) -> None:
        self._kinds = rulebase.kinds

    def values(self, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that are left."""
        declared = self._kinds.get(kind)
        if declared is None:
            return dict(values)
        defaults = {f.name: _word(f.default) for f in declared.fields if f.default is not None}
        return {n: v for n, v in values.items() if n not in declared.key and defaults.get(n) != _word(v)}


class Grown:
    """Trees as they are printed."""

    def __init__(self, plain: _Plain) -> None:
        self._plain = plain

    def of_reason(self, reason: Reason, command: Mapping[str, Any] | None = None) -> Tree:
        """Of something that happened; of one of its commands alone, if that was asked about."""
        tree = Tree(_line(reason), guide_style="dim")
        self._details(tree, reason, command)
        self._below(tree, reason)
        return tree

    def of_fact(self, fact: FactReason) -> Tree:
        """Of a fact."""
        tree = Tree(self._fact_line(fact), guide_style="dim")
        self._below_fact(tree, fact)
        return tree

    def _details(self, tree: Tree, reason: Reason, command: Mapping[str, Any] | None = None) -> None:
        """What it did, and under which revision."""
        event = reason.event
        if "revision" in event:
            tree.add(Text(f"revision {event['revision']}, activation {event.get('activation', '')}", "dim"))
        if event.get("bindings"):
            tree.add(Text(f"where {output.clean(_brief(event['bindings']))}"))
        for each in [command] if command else event.get("commands") or []:
            line = Text(f"{each['connector']}.{each['verb']}  ", "cyan")
            line.append(f"{each['id']}  ", "not bold dim")
            line.append(output.clean(_brief(each["args"])), "default")
            tree.add(line)
        for what in ("asserts", "concludes", "retracts"):
            for each in event.get(what) or []:
                values = self._plain.values(each["kind"], each.get("values") or {})
                line = Text(f"{what} {each['kind']} {_key(each.get('key', []))}  ", "cyan")
                tree.add(line.append(output.clean(_brief(values)), "default"))

    def _below(self, tree: Tree, reason: Reason) -> None:
        for fact in reason.facts:
            self._below_fact(tree.add(self._fact_line(fact)), fact)
        for link in worth_telling(reason.links):
            label = Text(f"{link.label}: " if link.label else "", "dim")
            if link.because is None:
                tree.add(label.append(link.note))
                continue
            branch = tree.add(label.append(_line(link.because)))
            self._details(branch, link.because)
            self._below(branch, link.because)

    def _fact_line(self, fact: FactReason) -> Text:
        read = fact.fact
        line = Text(f"{read.alias} = " if read.alias else "")
        line.append(output.clean(f"{read.kind} {_key(read.key)}"), "green")
        line.append(f"  {output.clean(_brief(self._plain.values(read.kind, read.values)))}")
        if fact.because is None:
            line.append(f"  observed {output.instant(read.observed_at)}", "dim")
            line.append(f", said by {output.clean(read.source)} in {read.position}", "dim")
        if fact.note:
            line.append(f"  ({fact.note})", "dim italic")
        return line

    def _below_fact(self, tree: Tree, fact: FactReason) -> None:
        because = fact.because
        if because is None:
            return
        branch = tree.add(_line(because))
        if _values_moved(fact, because):
            branch.add(Text("its values have followed the facts below since", "dim italic"))
        self._details(branch, because)
        self._below(branch, because)


def _line(reason: Reason) -> Text:
    line = Text(output.clean(reason.title), "bold")
    line.append(f"  {output.instant(reason.at)}, because of {output.clean(reason.cause)}", "not bold dim")
    if reason.note:
        line.append(f"  ({reason.note})", "not bold dim italic")
    return line


def _values_moved(fact: FactReason, because: Reason) -> bool:
    """A conclusion's values follow what they are made of, without a new firing."""
    made = [each for each in because.event.get("concludes") or () if each["kind"] == fact.fact.kind]
    return bool(made) and all(each["values"] != fact.fact.values for each in made)


def _key(key: object) -> str:
    """A key for people: its parts with slashes between."""
    parts = orjson.loads(key) if isinstance(key, str) and key[:1] == "[" else key
    return "/".join(map(str, parts)) if isinstance(parts, list) else str(parts)


def _word(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _brief(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={_word(value)}" for name, value in values.items())


def register(app: typer.Typer) -> None:
    """Add it to the program."""
    app.command()(explain)
