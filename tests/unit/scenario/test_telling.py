"""A failure says what was expected, what came, when, and why; for people, for programs and for build servers."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from engine.insight.scenario.coverage import Coverage
from engine.insight.scenario.failure import Failure, Result
from engine.insight.scenario.history import Noted
from engine.insight.scenario.junit import write_junit
from engine.insight.scenario.outcomes import disagreement, read_outcomes
from engine.insight.scenario.wanted import WantedOutcome
from engine.model.rules import Span
from tests.support.scenarios import play_text, read_text, steps

FEE = "assert: {fee: {network: eth, value: 29 gwei}}"
ORDER = "assert: {order: {id: A}}"
START = 1_800_000_000_000


def failure_of(directory: Path, text: str) -> Failure:
    """The first of one test."""
    (result,) = play_text(directory, steps(text), {})
    return result.failures[0]


# -- differences ---------------------------------------------------------------------------
def test_a_command_with_other_arguments_is_shown_beside_the_one_expected(tmp_path: Path) -> None:
    expect = "expect: [{command: shop.buy, with: {order: A, fee: 28 gwei}}]"
    failure = failure_of(tmp_path, f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {ORDER}, {expect}}}")
    assert failure.at_ms == START + 2_000
    assert [sign for sign, _ in failure.diff] == ["-", "+", "?"]
    assert failure.diff[0][1] == "shop.buy  order: A, fee: 28000000000"
    assert failure.diff[1][1].startswith("shop.buy  order: A, fee: 29000000000, until: 1800000062000")
    assert failure.diff[2][1] == "fee: expected 28000000000, came 29000000000"


def test_commands_that_agree_are_aligned_with_their_expectations(tmp_path: Path) -> None:
    entries = ", ".join(f"{{order: {{id: {name}}}}}" for name in "ABC")
    expect = "expect: [{command: shop.buy, with: {order: A}}, {command: shop.buy, with: {order: C}}]"
    failure = failure_of(tmp_path, f"- {{at: 1s, {FEE}}}\n- {{at: 2s, assert: [{entries}], {expect}}}")
    assert [(sign, text[:18]) for sign, text in failure.diff] == [
        (" ", "shop.buy  order: A"),
        ("+", "shop.buy  order: B"),
        (" ", "shop.buy  order: C"),
    ]


# -- reasons -------------------------------------------------------------------------------
def test_an_unexpected_command_is_explained_by_the_facts_behind_it(tmp_path: Path) -> None:
    failure = failure_of(tmp_path, f"- {{at: 1s, source: rpc, {FEE}}}\n- {{at: 2s, {ORDER}}}")
    assert failure.because == (
        "shop.buy was made by fees.buy (fees.yaml:19)",
        "  f = fee {value: 29000000000, network: eth}, said by rpc at 1s",
        "  o = order {id: A}, said by test at 2s",
    )


def test_a_missing_command_is_explained_by_the_first_term_that_did_not_hold(tmp_path: Path) -> None:
    text = f"""
        - {{at: 1s, assert: {{fee: {{network: eth, value: 31 gwei}}}}}}
        - {{at: 2s, {ORDER}, expect: [{{command: shop.buy}}]}}
        """
    assert failure_of(tmp_path, text).because == (
        "fees.buy (fees.yaml:19) for fee eth, order A:",
        "  fee: f does not hold (GAS_CAP), line 21",
        "    f.value <= gwei(30)  is false: f.value is 31000000000",
    )


def test_a_missing_command_may_miss_facts_time_or_an_edge(tmp_path: Path) -> None:
    expect = "expect: [{command: shop.buy}]"
    cases = {
        f"- {{at: 1s, {FEE}, {expect}}}": "there is no order (o, line 25)",
        f"- {{at: 1s, {FEE}}}\n- {{at: 90s, {ORDER}, {expect}}}": "fresh: 60s, but it was observed 89s ago",
    }
    for text, reason in cases.items():
        (result,) = play_text(tmp_path, steps(text, "others: ignore"), {})
        assert reason in " ".join(result.failures[0].because)
    tell = "expect: [{command: shop.tell}]"
    failure = failure_of(tmp_path, f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {tell}}}")
    assert "'for' is over at 11s" in failure.because[-1]
    failure = failure_of(tmp_path, f"- {{at: 1s, {FEE}}}\n- {{at: 11s, {tell}}}\n- {{at: 12s, {tell}}}")
    assert "has fired for that at 11s" in failure.because[-1]


def test_an_absent_fact_is_shown_beside_the_nearest(tmp_path: Path) -> None:
    failure = failure_of(tmp_path, f"- {{at: 1s, {FEE}, facts: {{fee: {{network: eth, value: 1}}}}}}")
    assert failure.diff == (("-", "fee {network: eth, value: 1}"), ("+", "fee {network: eth, value: 29000000000}"))


# -- outcomes --------------------------------------------------------------------------------
def _noted(at_ms: int, **event: object) -> Noted:
    return Noted(START + at_ms, "cause", {"coordination": "c1", "plan": "p.swap", "subject": '["I1"]', **event})


def _said(**more: object) -> Noted:
    base = {"event": "outcome", "verdict": "REFUNDED", "reason": "LOST", "provisional": False, "fees": {"USDC": "5"}}
    return _noted(300_000, **(base | {"ledger": {"eth": {"USDC": "95", "DAI": "0"}}} | more))


def test_an_outcome_is_held_to_everything_it_names_and_nothing_else() -> None:
    span = Span("it.test.yaml", 1, 1)
    outcomes = read_outcomes([_said()])
    fine = [
        WantedOutcome(span),
        WantedOutcome(span, ("I1",), "swap", "REFUNDED", "LOST", START + 300_000, False),
        WantedOutcome(span, ("I1",), "p.swap", ledger={"eth": {"USDC": "95"}}, fees={"USDC": "5"}, surplus={}),
        WantedOutcome(span, ("I2",), verdict="none"),
    ]
    assert [disagreement(wanted, outcomes, START) for wanted in fine] == [(), (), (), ()]
    wrong = [
        WantedOutcome(span, ("I2",), verdict="REFUNDED"),
        WantedOutcome(span, ("I1",), "other", "REFUNDED"),
        WantedOutcome(span, verdict="none"),
        WantedOutcome(span, reason="GONE"),
        WantedOutcome(span, at_ms=START + 299_999),
        WantedOutcome(span, provisional=True),
        WantedOutcome(span, ledger={"eth": {"USDC": "94"}}),
        WantedOutcome(span, ledger={}),
        WantedOutcome(span, fees={}),
        WantedOutcome(span, delivered={"base": {"WETH": "1"}}),
        WantedOutcome(span, report={"fill_bps": "1"}),
    ]
    assert all(disagreement(wanted, outcomes, START) for wanted in wrong)


def test_a_withdrawn_outcome_is_none_until_it_is_given_again() -> None:
    span = Span("it.test.yaml", 1, 1)
    noted = [_said(provisional=True), _noted(310_000, event="outcome_withdrawn"), _said()]
    assert not disagreement(WantedOutcome(span, verdict="none"), read_outcomes(noted[:2]), START)
    assert disagreement(WantedOutcome(span, verdict="none"), read_outcomes(noted), START)


# -- forms -----------------------------------------------------------------------------------
def test_programs_get_commands_outcomes_and_problems_of_each_test(tmp_path: Path) -> None:
    (result,) = play_text(tmp_path, steps(f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {ORDER}}}"), {})
    told = result.as_dict()
    assert {"test", "ok", "seconds", "commands", "outcomes", "problems"} <= told.keys()
    assert (told["test"], told["ok"], told["simulated_ms"]) == ("it", False, 2_000)
    (command,) = told["commands"]
    assert (command["at"], command["after_ms"]) == (START + 2_000, 2_000)
    assert (command["command"], command["rule"], command["args"]["fee"]) == ("shop.buy", "fees.buy", "29000000000")
    (problem,) = told["problems"]
    assert problem["diff"][0].startswith("+ shop.buy")


def test_the_same_test_gives_the_same_commands_each_time(tmp_path: Path) -> None:
    text = steps(f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {ORDER}, expect: [{{command: shop.buy}}]}}")
    first, second = (play_text(tmp_path, text, {})[0].as_dict() for _ in range(2))
    assert first["commands"] == second["commands"]


def test_build_servers_get_a_suite_for_each_file(tmp_path: Path) -> None:
    text = steps(f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {ORDER}}}") + "  - {test: broken, packs: [fees.yaml], until: 1s}\n"
    file = read_text(tmp_path, text, {})
    results: list[Result] = play_text(tmp_path, steps(f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {ORDER}}}"), {})
    write_junit(tmp_path / "out" / "report.xml", [(file, results)])
    suite = ElementTree.parse(tmp_path / "out" / "report.xml").getroot()[0]  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "1")
    failure, error = suite.find("testcase/failure"), suite.find("testcase/error")
    assert failure is not None
    assert error is not None
    assert "shop.buy was made by fees.buy" in str(failure.text)
    assert "E704" in str(error.text)


def test_coverage_names_rules_that_never_fired_and_terms_that_never_failed(tmp_path: Path) -> None:
    text = f"- {{at: 1s, {FEE}}}\n- {{at: 2s, {ORDER}, expect: [{{command: shop.buy}}]}}"
    coverage = Coverage()
    play_text(tmp_path, steps(text), {}, coverage)
    assert [untried.rule for untried in coverage.never_fired()] == ["fees.is-cheap"]
    assert [(u.rule, u.term) for u in coverage.never_false()] == [("fees.buy", "fee: f")]
    play_text(
        tmp_path, steps("- {at: 1s, assert: [{fee: {network: eth, value: 31 gwei}}, {order: {id: A}}]}"), {}, coverage
    )
    assert coverage.never_false() == []
