"""The joining library is only ever used in the way that was found safe; each test pins one part of that way."""

from __future__ import annotations

import json
from itertools import product
from types import SimpleNamespace
from typing import Any

import durable_rules_engine as library
import pytest

from engine.matching import network
from engine.matching.durable_joiner import DurableJoiner
from engine.matching.network import ALPHABET, MAX_SESSION_FACTS
from engine.matching.shape_limits import MAX_KIND_FIELDS
from tests.support.joins import random_program, run_program

Call = tuple[str, tuple[Any, ...], Any]


class Spy:
    """Stands in for the library's module, passes every call on and writes it down."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.error = library.error
        self._rulesets: set[object] = set()

    def __getattr__(self, name: str) -> object:
        function = getattr(library, name)

        def call(*args: object) -> object:
            answer = function(*args)
            if name == "create_ruleset":
                self._rulesets.add(answer)
            # Joiners that earlier tests left to the garbage collector are not of interest.
            if name == "create_ruleset" or args[0] in self._rulesets:
                self.calls.append((name, args, answer))
            return answer

        return call

    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(args[1]) for name, args, _ in self.calls if name == "assert_fact"]


@pytest.fixture(scope="module")
def calls() -> Spy:
    """Everything that 40 random programs made the library do."""
    spy = Spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "_engine", spy)
        for seed in range(40):
            program = random_program(seed)
            joiner = DurableJoiner(program.shapes, "spied", program.min_dead, program.max_session_facts)
            run_program(program, joiner)
            joiner.close()
    return spy


def fnv1a_32(text: str) -> int:
    """The library's hash, its only notion of which fact, session or property is which."""
    code = 2166136261
    for byte in text.encode():
        code = (code ^ byte) * 16777619 & 0xFFFFFFFF
    return code


def test_nothing_is_ever_retracted_updated_or_posted_as_a_list(calls: Spy) -> None:
    assert {name for name, _, _ in calls.calls} == {
        "create_ruleset",
        "assert_fact",
        "start_action_for_state",
        "complete_and_start_action",
        "delete_state",
    }


def test_rules_hold_positive_patterns_with_equality_joins_only(calls: Spy) -> None:
    for name, args, _ in calls.calls:
        if name != "create_ruleset":
            continue
        for rule, body in json.loads(args[1]).items():
            assert set(body) == {"all", "count"}
            assert body["count"] == 1
            if rule == "probe":
                continue
            for pattern in body["all"]:
                ((alias, condition),) = pattern.items()
                assert len(alias) == 1
                assert set(condition) == {"$and"}
                for term in condition["$and"]:
                    ((prop, value),) = term.items()
                    assert not prop.startswith("$")
                    assert isinstance(value, int) or [type(v) for v in value.values()] == [str]


def test_every_pattern_after_the_first_ends_with_a_join_that_always_holds(calls: Spy) -> None:
    seen = 0
    for name, args, _ in calls.calls:
        if name == "create_ruleset":
            for rule, body in json.loads(args[1]).items():
                for pattern in body["all"][1:]:
                    (condition,) = pattern.values()
                    assert condition["$and"][-1] == {"u": {"a": "u"}}, rule
                    seen += 1
    assert seen > 100
    assert all(fact["u"] == 1 for fact in calls.facts() if fact["k"] != 0)


def test_facts_carry_small_integers_and_nothing_else(calls: Spy) -> None:
    for fact in calls.facts():
        values = {name: value for name, value in fact.items() if name not in ("id", "sid")}
        assert all(type(value) is int and 0 <= value < 2**31 for value in values.values())


def test_every_joined_field_is_always_present(calls: Spy) -> None:
    joined: set[str] = set()
    per_kind: dict[int, set[str]] = {}
    for name, args, _ in calls.calls:
        if name == "create_ruleset":
            kinds = {
                (next(iter(pattern))): condition["$and"][0]["k"]
                for body in json.loads(args[1]).values()
                for pattern in body["all"]
                for condition in pattern.values()
                if "$and" in condition
            }
            per_kind = {kind: set() for kind in kinds.values()}
            for body in json.loads(args[1]).values():
                aliases = {next(iter(p)): next(iter(p.values())) for p in body["all"]}
                for condition in aliases.values():
                    for term in condition.get("$and", []):
                        for prop, value in term.items():
                            if isinstance(value, dict):
                                ((alias, other),) = value.items()
                                per_kind.setdefault(condition["$and"][0]["k"], set()).add(prop)
                                per_kind.setdefault(aliases[alias]["$and"][0]["k"], set()).add(other)
                                joined |= {prop, other}
        elif name == "assert_fact":
            fact = json.loads(args[1])
            assert per_kind.get(fact["k"], set()) <= fact.keys()
    assert len(joined) > 2


def test_no_two_fact_ids_or_session_facts_look_alike_to_the_library() -> None:
    ids = ["".join(letters) for letters in product(ALPHABET, repeat=3)]
    # The library itself adds one fact to each session, of this name.
    ids += [f"sid-{sid}" for sid in ALPHABET]
    assert len(ids) == MAX_SESSION_FACTS + 64
    assert len({fnv1a_32(text) for text in ids}) == len(ids)
    assert [network._fact_id(n) for n in (0, 1, 64, MAX_SESSION_FACTS - 1)] == ["000", "001", "010", "___"]


def test_no_two_property_names_sessions_or_aliases_look_alike_to_the_library() -> None:
    names = [
        "id",
        "sid",
        "k",
        "u",
        "$s",
        "$m",
        *(f"l{n}" for n in range(32)),
        *(f"f{n}" for n in range(MAX_KIND_FIELDS)),
    ]
    assert len({fnv1a_32(name) for name in names}) == len(names)
    assert len({fnv1a_32(sid) for sid in ALPHABET}) == 64
    assert len({fnv1a_32(alias) for alias in "abcdefghijklmnop"}) == 16


def test_the_probe_is_the_first_act_of_every_session(calls: Spy) -> None:
    opened: set[tuple[int, str]] = set()
    deleted = 0
    for name, args, _ in calls.calls:
        if name == "assert_fact":
            fact = json.loads(args[1])
            session = (args[0], fact["sid"])
            assert (fact["k"] == 0) == (session not in opened)
            opened.add(session)
        elif name == "delete_state":
            opened.remove((args[0], args[1]))
            deleted += 1
    assert deleted > 40
    assert not opened


def test_every_assertion_is_drained_before_the_next(calls: Spy) -> None:
    state = "idle"
    for name, _, answer in calls.calls:
        match state, name:
            case "idle", "create_ruleset" | "delete_state":
                pass
            case "idle", "assert_fact":
                state = "asserted"
            case "asserted", "start_action_for_state":
                state = "idle" if answer is None else "draining"
            case "draining", "complete_and_start_action":
                state = "idle" if answer is None else "draining"
            case _:
                pytest.fail(f"{name} while {state}")
    assert state == "idle"


def test_a_rebuild_never_takes_the_session_it_replaces(calls: Spy) -> None:
    last: dict[int, str] = {}
    rebuilds = 0
    for name, args, _ in calls.calls:
        if name == "assert_fact":
            fact = json.loads(args[1])
            if fact["k"] == 0:
                assert last.get(args[0]) != fact["sid"]
                rebuilds += args[0] in last
                last[args[0]] = fact["sid"]
    assert rebuilds > 10


def test_no_grounding_names_a_fact_twice(calls: Spy) -> None:
    seen = 0
    for name, _, answer in calls.calls:
        text = answer[1] if name == "start_action_for_state" and answer else answer
        if name in ("start_action_for_state", "complete_and_start_action") and text:
            ((rule, frame),) = json.loads(text).items()
            if rule != "probe":
                assert [*frame] == list("abcdefghijklmnop"[: len(frame)])
                assert len({fact["id"] for fact in frame.values()}) == len(frame)
                seen += 1
    assert seen > 1000


def test_a_library_error_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise library.error("Could not create ruleset, error code: 106")

    broken = SimpleNamespace(create_ruleset=refuse, error=library.error)
    monkeypatch.setattr(network, "_engine", broken)
    with pytest.raises(network.JoinError, match=r"M101 .*106"):
        DurableJoiner(random_program(0).shapes)
