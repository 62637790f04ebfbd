"""Random packs of one plan: steps in chains and diamonds, ways off the good path, undo, relations, bounds in time.

A pack is the JSON document that a pack file holds, so that the judges can read what the plan says without the
engine's own model of it. Everything that a history can tell is in the kinds: ``deal`` begins a coordination, ``news``
is evidence about one step, ``gate`` is what conditions wait for, ``pool`` is what steps reserve of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hypothesis import strategies as st

from engine.insight.scenario.case import Base
from engine.packs.bundle import load_blob
from engine.packs.sources import Source, to_blob

Doc = dict[str, Any]
Draw = st.DrawFn

#: Gates that conditions wait for.
GATES: Final = ("g0", "g1")

_KINDS: Final[Doc] = {
    "deal": {
        "key": ["id"],
        "keep": "while_used",
        "fields": {
            "id": "id",
            "least": {"type": "uint256", "default": "50"},
            "rank": {"type": "int", "default": "0"},
            "deadline": {"type": "timestamp", "default": "4000000000000"},
            "start_by": {"type": "timestamp", "default": "4000000000000"},
        },
    },
    "cancel": {"key": ["id"], "keep": "while_used", "fields": {"id": "id"}},
    "news": {
        "key": ["id"],
        "keep": "while_used",
        "chain": {"network": "network", "block": "block"},
        "fields": {
            "id": "id",
            "deal": "id",
            "step": "id",
            "what": "id",
            "amount": {"type": "uint256", "default": "0"},
            "network": {"type": "id", "default": "n"},
            "block": "hash?",
            "height": {"type": "int", "default": "0"},
        },
    },
    "gate": {"key": ["id"], "permanent": "true", "limit": "100", "fields": {"id": "id", "open": "bool"}},
    "pool": {
        "key": ["id"],
        "order": ["height"],
        "ttl": "100s",
        "fields": {"id": "id", "available": "uint256", "height": "int"},
    },
}

#: after, by name of the step; ``~`` before a name: it stands instead of that one.
_SHAPES: Final[tuple[dict[str, list[str]], ...]] = (
    {"a": []},
    {"a": [], "b": ["a"]},
    {"a": [], "b": ["a"], "c": ["b"]},
    {"a": [], "b": []},
    {"a": [], "b": ["a"], "c": ["a"]},
    {"a": [], "b": ["~a"], "c": ["a"]},
    {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]},
)


@dataclass(frozen=True)
class Pack:
    """A pack of one plan.

    Attributes:
        text: the file.
    """

    text: str

    @cached_property
    def plan(self) -> Doc:
        """The plan as it is written."""
        plans: list[Doc] = json.loads(self.text)["plans"]
        return plans[0]

    @cached_property
    def steps(self) -> dict[str, Doc]:
        """Its steps by name."""
        return {step["step"]: step for step in self.plan["steps"]}

    @cached_property
    def base(self) -> Base:
        """As the engine takes it."""
        blob = to_blob([Source("laws.yaml", self.text.encode(), "laws.yaml")])
        return Base(load_blob(blob), blob)

    def action(self, place: str) -> Doc:
        """What a place of the plan says, as commands carry it: ``a``, ``a.undo0``, ``a!failed1``."""
        return _places(self.plan)[place]

    @cached_property
    def places(self) -> dict[str, Doc]:
        """Every action by its place."""
        return _places(self.plan)

    def __repr__(self) -> str:
        return json.dumps(self.plan, indent=1)


def _places(plan: Doc) -> dict[str, Doc]:
    found: dict[str, Doc] = {}

    def small(place: str, alternatives: dict[str, list[Doc]]) -> None:
        for cause, listed in alternatives.items():
            for number, each in enumerate(listed):
                if "command" in each:
                    inner = f"{place}!{cause}{number}"
                    found[inner] = each
                    small(inner, each.get("otherwise", {}))

    for step in plan["steps"]:
        found[step["step"]] = step
        small(step["step"], step.get("otherwise", {}))
        for number, undo in enumerate(step.get("undo", [])):
            found[f"{step['step']}.undo{number}"] = undo
            small(f"{step['step']}.undo{number}", undo.get("otherwise", {}))
    for number, relation in enumerate(plan.get("relations", [])):
        small(f"@{number}", {"breach": relation.get("otherwise", [])})
    return found


@st.composite
def packs(draw: Draw) -> Pack:
    """A pack of one plan."""
    shape = draw(st.sampled_from(_SHAPES))
    steps: list[Doc] = []
    for name, after in shape.items():
        steps.append(draw(_steps(name, [n for n in after if n[0] != "~"], steps)))
        instead = [n[1:] for n in after if n[0] == "~"]
        if instead:
            steps[-1] |= {"instead_of": instead[0]}
    plan: Doc = {"plan": "p", "for": [{"deal": "d"}], "escalation": "ops.page", "steps": steps}
    if draw(st.booleans()):
        plan["deadline"] = "=d.deadline"
    if draw(_one_in(4)):
        plan["start"] = {"before": "=d.start_by"}
    if draw(_one_in(3)):
        plan["outcome"] = draw(_outcomes(steps))
    if len(steps) > 1 and draw(_one_in(4)):
        plan["relations"] = [draw(_relations(steps))]
    return pack_of(plan)


def pack_of(plan: Doc) -> Pack:
    """The pack of a plan."""
    return Pack(json.dumps({"pack": "laws", "version": "1", "kinds": _KINDS, "plans": [plan]}))


def _one_in(number: int) -> st.SearchStrategy[bool]:
    return st.sampled_from([False] * (number - 1) + [True])


# -- steps -------------------------------------------------------------------------------
def _news(alias: str, place: str, what: str) -> Doc:
    where = f'{alias}.deal == d.id and {alias}.step == "{place}" and {alias}.what == "{what}"'
    return {"news": alias, "where": where}


def _verb(place: str) -> str:
    """The command of a place; its verb names it."""
    return "do." + place.replace(".", "_").replace("!", "_").replace("@", "r")


@st.composite
def _steps(draw: Draw, name: str, after: list[str], before: list[Doc]) -> Doc:
    step: Doc = {"step": name}
    if after:
        step["after"] = after
    form = draw(st.sampled_from(["command"] * 7 + ["awaited"]))
    reserves = False
    if form == "command":
        step |= _command(name)
        reserves = draw(_when(step))
    draw(_evidence(step, name, form))
    source = "home" if not after else f"at-{after[0]}"
    asset = "USD" if not after else _asset_of(before, after[0])
    draw(_moves(step, name, source, asset, is_told=form == "awaited"))
    if draw(st.booleans()):
        step["within"] = draw(st.sampled_from(["20s", "60s"]))
    if form == "command" and draw(_one_in(3)):
        step["retry"] = {"waits": draw(st.sampled_from([["0s"], ["5s"], ["5s", "10s"]]))}
        _fit(step)
    draw(_ways(step, name, 0, has_reasons="when" in step))
    if "moves" not in step or draw(st.sampled_from([True, True, True, True, False])):
        step["undo"] = draw(_undos(name, step))
    else:
        step["irreversible"] = "true"
    if reserves:
        step["reserve"] = {
            "of": "pool",
            "field": "available",
            "amount": "60",
            "for": draw(st.sampled_from(["30s", "1h"])),
        }
    step["effective"] = {"network": "n", "height": "=h.height"} if _needs_height(step) else {"time": "=now"}
    if step["effective"] == {"time": "=now"}:
        del step["effective"]
    return step


def _needs_height(step: Doc) -> bool:
    return any(term.get("news") == "h" for term in step.get("confirmed", []))


def _fit(action: Doc) -> None:
    """``within`` is at least as long as the waits."""
    if action.get("within") == "20s" and sum(int(w[:-1]) for w in action["retry"]["waits"]) > 20:
        action["within"] = "60s"


def _command(place: str) -> Doc:
    return {"command": _verb(place), "with": {"deal": "=d.id", "place": place, "attempt": "=attempt"}}


def _asset_of(steps: list[Doc], name: str) -> str:
    moves = next(step for step in steps if step["step"] == name).get("moves", {})
    return str(moves.get("gets", {"asset": "USD"})["asset"])


@st.composite
def _when(draw: Draw, step: Doc) -> bool:
    """A condition, or none; whether the step reserves of its pool."""
    kind = draw(st.sampled_from(["none", "none", "gate", "gate", "two", "pool"]))
    terms = [{"gate": "g", "where": 'g.id == "g0" and g.open', "reason": "SHUT"}]
    if kind == "two":
        terms.append({"gate": "k", "where": 'k.id == "g1" and k.open', "reason": "CLOSED"})
    if kind == "pool":
        terms = [{"pool": "pool", "where": 'pool.id == "p"', "reason": "DRY"}]
    if kind != "none":
        step["when"] = terms
        if draw(_one_in(4)):
            step["for"] = "7s"
    if draw(_one_in(5)):
        step["priority"] = "=d.rank"
    if draw(_one_in(5)):
        step["expires"] = "=now + seconds(15)"
    return kind == "pool"


@st.composite
def _evidence(draw: Draw, action: Doc, place: str, form: str) -> None:
    """What shows how far an action has come: reports alone, or news."""
    if form == "awaited" or draw(st.booleans()):
        kind = draw(st.sampled_from(["one", "one", "sum", "height"]))
        if kind == "sum":
            over = {"of": "f.amount", "over": "news", "as": "f", "where": _news("f", place, "arrived")["where"]}
            action["confirmed"] = [{"sum": "got"} | over, {"check": "got >= 60"}]
        else:
            action["confirmed"] = [_news("h" if kind == "height" else "t", place, "arrived")]
    if form == "awaited" or draw(st.booleans()):
        action["seen"] = [_news("l", place, "left")]
    if draw(_one_in(4)):
        action["final"] = [_news("z", place, "final")]
    if form != "awaited":
        for name in ("failed", "unused"):
            if draw(_one_in(3)):
                action[name] = [_news(name[0], place, name)]


def _shown_amount(action: Doc) -> str:
    terms = action.get("confirmed", [{}])
    if "sum" in terms[0]:
        return "=got"
    return f"={terms[0]['news']}.amount" if "news" in terms[0] else ""


@st.composite
def _moves(draw: Draw, action: Doc, name: str, source: str, asset: str, *, is_told: bool) -> None:
    """Value that the step moves: amounts from its evidence, from the plan, or from the ledger."""
    kind = draw(st.sampled_from(["moves"] * 5 + ["none"]))
    if kind == "none":
        return
    left = draw(st.sampled_from(["100", "held"]))
    gives: Doc = {"asset": asset, "amount": "100", "place": source}
    if "seen" in action:
        gives["amount"] = "=l.amount"
    elif left == "held" and source != "home":
        gives["amount"] = f'=holding("{source}", "{asset}")'
    other = draw(_one_in(4))
    target = {"USD": "EUR", "EUR": "USD"}[asset] if other else asset
    gets: Doc = {"asset": target, "amount": "90", "place": f"at-{name}"}
    shown = _shown_amount(action)
    if shown:
        gets["amount"] = shown
    elif "holding" in gives["amount"]:
        gets["amount"] = "80"
    action["moves"] = {"gives": gives, "gets": gets}
    if draw(_one_in(6)):
        action["moves"]["via"] = f"via-{name}"
    if not is_told and draw(_one_in(8)):
        del action["moves"]["gives"]


# -- ways off ------------------------------------------------------------------------------
_CAUSES: Final = ("blocked", "failed", "refused", "timeout", "unknown", "unconfirmed", "late")


@st.composite
def _ways(draw: Draw, action: Doc, place: str, depth: int, *, has_reasons: bool, is_step: bool = True) -> None:
    causes = draw(st.lists(st.sampled_from(_CAUSES), max_size=2, unique=True))
    made: dict[str, list[Doc]] = {}
    for cause in causes:
        if cause in ("blocked", "late") and (not is_step or (cause == "blocked" and not has_reasons)):
            continue
        number = draw(st.sampled_from([1, 1, 2, 3]))
        made[cause] = [draw(_alternatives(action, place, cause, n, depth, has_reasons)) for n in range(number)]
    if made:
        action["otherwise"] = made


@st.composite
def _alternatives(draw: Draw, action: Doc, place: str, cause: str, number: int, depth: int, has_reasons: bool) -> Doc:
    deeds = ["escalate", "undo", "accept", "hold", "end"] + ["small"] * (depth < 1)
    if "command" in action and cause != "blocked" and place[0] != "@":
        deeds += ["retry", "retry"]
    chosen = draw(st.lists(st.sampled_from(deeds), min_size=1, max_size=2, unique=True))
    made: Doc = {"reason": f"R-{place}-{cause}-{number}".upper().replace("!", "-").replace(".", "-").replace("@", "R")}
    made["reason"] = made["reason"].replace("-", "_")
    if "undo" in chosen and "accept" in chosen:
        chosen.remove("accept")
    for deed in chosen:
        match deed:
            case "hold":
                made["hold"] = "9s"
            case "end":
                made["end"] = draw(st.sampled_from(["UNWOUND", "STRANDED", "FAILED_SAFE"]))
            case "small":
                inner = f"{place}!{cause}{number}"
                made |= _command(inner)
                draw(_small(made, inner, depth))
            case _:
                made[deed] = "true"
    if draw(_one_in(3)):
        made["for"] = draw(st.sampled_from(["4s", "30s"]))
    if draw(_one_in(4)):
        made["when"] = [{"gate": f"w{depth}", "where": f'w{depth}.id == "g1" and w{depth}.open'}]
    if has_reasons and cause == "blocked" and draw(_one_in(3)):
        made["missing"] = [draw(st.sampled_from(sorted({t["reason"] for t in action["when"] if "reason" in t})))]
    return made


@st.composite
def _small(draw: Draw, small: Doc, place: str, depth: int) -> None:
    if draw(st.booleans()):
        small["confirmed"] = [_news(f"v{depth}", place, "arrived")]
    if draw(st.booleans()):
        small["within"] = "20s"
    if draw(_one_in(3)) and "retry" not in small:
        small["retry"] = {"waits": ["5s"]}
    if draw(_one_in(3)):
        small["moves"] = {
            "gives": {"asset": "USD", "amount": "10", "place": "home"},
            "gets": {"asset": "USD", "amount": "10", "place": draw(st.sampled_from(["home", "elsewhere"]))},
        }
    if draw(_one_in(3)):
        draw(_ways(small, place, depth + 1, has_reasons=False, is_step=False))


@st.composite
def _undos(draw: Draw, name: str, step: Doc) -> list[Doc]:
    made: list[Doc] = []
    for number in range(draw(st.sampled_from([1, 1, 1, 2]))):
        place = f"{name}.undo{number}"
        undo: Doc = dict(_command(place))
        if number == 0 and draw(_one_in(3)):
            undo["when"] = [{"gate": "u", "where": 'u.id == "g1" and u.open'}]
        if draw(st.booleans()):
            undo["confirmed"] = [_news("b", place, "arrived")]
        if draw(_one_in(3)):
            undo["failed"] = [_news("e", place, "failed")]
        if draw(st.booleans()):
            undo["within"] = "20s"
        if draw(st.booleans()):
            undo["retry"] = {"waits": draw(st.sampled_from([["0s"], ["5s"]]))}
        moves = step.get("moves")
        if "confirmed" in undo and moves is not None and "gives" in moves and draw(st.booleans()):
            undo["moves"] = {"gets": dict(moves["gives"]) | {"amount": "=b.amount"}}
        if draw(_one_in(4)):
            draw(_ways(undo, place, 1, has_reasons=False, is_step=False))
        made.append(undo)
        if "when" not in undo:
            break
    return made


# -- the whole -------------------------------------------------------------------------------
@st.composite
def _outcomes(draw: Draw, steps: list[Doc]) -> Doc:
    moving = [step["step"] for step in steps if "moves" in step]
    if not moving:
        return {"otherwise": "FAILED_SAFE"}
    last = moving[-1]
    asset = _asset_of(steps, last)
    made: Doc = {"achieved": f'=raw(delivered("at-{last}", "{asset}")) >= d.least'}
    if draw(st.booleans()):
        made["partial"] = f'=raw(delivered("at-{last}", "{asset}")) > 0'
    return made


@st.composite
def _relations(draw: Draw, steps: list[Doc]) -> Doc:
    names = [step["step"] for step in steps]
    first, second = draw(st.sampled_from([(x, y) for x in names for y in names if x != y]))
    has_heights = all(_needs_height(s) for s in steps if s["step"] in (first, second))
    made: Doc = {"together": [first, second], "within": "10s"}
    if has_heights and draw(st.booleans()):
        made = {"order": [first, second]}
    if draw(_one_in(3)):
        made["otherwise"] = [draw(_alternatives({}, "@0", "breach", 0, 1, has_reasons=False))]
    return made
