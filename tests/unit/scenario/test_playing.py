"""What a test file says is what is played, and what comes is held against it to the instant and the unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.scenarios import kinds_of, play_text, steps

ORDER = "assert: [{fee: {network: eth, value: 29 gwei}}, {order: {id: A}}]"
BUY = "expect: [{command: shop.buy}]"


def ok(directory: Path, text: str, more: str = "", **packs: str) -> None:
    (result,) = play_text(directory, steps(text, more), packs)
    assert result.failures == []


def fails(directory: Path, text: str, more: str = "", **packs: str) -> list[str]:
    (result,) = play_text(directory, steps(text, more), packs)
    assert result.failures
    return kinds_of(result)


# -- commands and instants --------------------------------------------------------------
def test_a_command_must_be_named_at_its_instant(tmp_path: Path) -> None:
    ok(tmp_path, f"- {{at: 5s, {ORDER}, {BUY}}}")
    assert fails(tmp_path, f"- {{at: 5s, {ORDER}}}") == ["commands"]
    assert fails(tmp_path, f"- {{at: 5s, {ORDER}}}\n- {{at: 6s, {BUY}}}") == ["commands", "commands"]


def test_what_comes_between_steps_must_be_named_at_its_own_instant(tmp_path: Path) -> None:
    late = f"- {{at: 5s, {ORDER}, {BUY}}}\n- at: 20s"
    assert fails(tmp_path, late) == ["commands"]
    ok(tmp_path, late + "\n- {at: 15s, expect: [{command: shop.tell}]}")
    assert fails(tmp_path, late + "\n- {at: 15001ms, expect: [{command: shop.tell}]}") == ["commands", "commands"]


def test_other_commands_may_be_ignored_but_not_those_expected(tmp_path: Path) -> None:
    late = f"- {{at: 5s, {ORDER}, {BUY}}}\n- at: 20s"
    ok(tmp_path, late, "others: ignore")
    assert fails(tmp_path, "- {at: 5s, expect: [{command: shop.buy}]}", "others: ignore") == ["commands"]


def test_an_instant_is_one_entries_first_then_what_is_due_in_order(tmp_path: Path) -> None:
    fee = "assert: {fee: {network: eth, value: 1}}"
    both = "expect: [{command: shop.buy}, {command: shop.tell}]"
    ok(tmp_path, f"- {{at: 0s, {fee}}}\n- {{at: 10s, assert: {{order: {{id: A}}}}}}\n- {{at: 10s, {both}}}")
    swapped = "expect: [{command: shop.tell}, {command: shop.buy}]"
    assert fails(tmp_path, f"- {{at: 0s, {fee}}}\n- {{at: 10s, assert: {{order: {{id: A}}}}, {swapped}}}") == [
        "commands"
    ]


def test_a_test_ends_with_its_last_step(tmp_path: Path) -> None:
    ok(tmp_path, f"- {{at: 5s, {ORDER}, {BUY}}}\n- {{at: 14999ms}}")


def test_steps_repeat_until_and_including_the_end(tmp_path: Path) -> None:
    text = "- {at: 1s, every: 2s, until: 5s, assert: {order: {id: A}}, expect: []}"
    (result,) = play_text(tmp_path, steps(text), {})
    assert result.ok
    assert list(result.case.instants) == [1_000, 3_000, 5_000]


@pytest.mark.parametrize(
    ("argument", "fits"),
    [
        ("fee: 29 gwei", True),
        ("fee: 29000000000", True),
        ('fee: "29000000000"', True),
        ("fee: 29000000001", False),
        ("until: 65s", True),
        ("until: 1800000065000", True),
        ("until: 2027-01-15T08:01:05Z", True),
        ("until: 65001ms", False),
        ("order: A", True),
        ("order: a", False),
        ("parts: {network: eth}", True),
        ("parts: {list: [A, x]}", True),
        ("parts: {list: [A]}", False),
        ("parts: {other: eth}", False),
    ],
)
def test_arguments_are_read_with_their_type(tmp_path: Path, argument: str, fits: bool) -> None:
    text = f"- {{at: 5s, {ORDER}, expect: [{{command: shop.buy, with: {{{argument}}}}}]}}"
    (result,) = play_text(tmp_path, steps(text), {})
    assert result.ok is fits


def test_what_must_never_be_made_fails_where_it_is(tmp_path: Path) -> None:
    more = "never: [{command: shop.buy, with: {order: A}}]"
    assert fails(tmp_path, f"- {{at: 5s, {ORDER}, {BUY}}}", more) == ["never"]
    ok(tmp_path, f"- {{at: 5s, {ORDER}, {BUY}}}", more.replace("A}", "B}"))


# -- what is said -------------------------------------------------------------------------
def test_values_have_units_and_moments_count_from_the_start(tmp_path: Path) -> None:
    ok(
        tmp_path,
        """
        - at: 5s
          assert: {fee: {network: eth, value: 31 gwei, at: 7s}}
          facts: {fee: {value: 31000000000, at: 2027-01-15T08:00:07Z}}
        """,
    )


def test_source_observed_at_and_seq_are_those_of_the_step(tmp_path: Path) -> None:
    ok(
        tmp_path,
        """
        - {at: 5s, source: a, observed_at: 4s, seq: 7, assert: {fee: {network: eth, value: 31 gwei}}}
        - {at: 6s, source: a, observed_at: 3s, assert: {fee: {network: eth, value: 40 gwei}}}
        - {at: 6s, facts: [{fee: {value: 31 gwei}}, {source: {id: a, superseded: 1}}]}
        """,
    )


def test_a_retraction_takes_a_fact_away(tmp_path: Path) -> None:
    ok(
        tmp_path,
        """
        - {at: 5s, assert: {fee: {network: eth, value: 31 gwei}}, facts: {fee: {network: eth}}}
        - {at: 6s, retract: {fee: {network: eth}}, facts: {without: {fee: {network: eth}}}}
        """,
    )


def test_a_rejection_must_be_named(tmp_path: Path) -> None:
    twice = "- {at: 5s, assert: {order: {id: A, note: x}}}\n- {at: 6s, assert: {order: {id: A, note: y}}%s}"
    assert fails(tmp_path, twice % "") == ["rejected"]
    ok(tmp_path, twice % ", rejected: [{code: F305}]")
    ok(tmp_path, twice % "", "rejected: [{code: F305}]")
    ok(tmp_path, twice % "", "others: ignore")
    assert fails(tmp_path, twice % ", rejected: [{code: F303}]") == ["rejected", "rejected"]


def test_what_the_engine_would_refuse_can_be_said_on_purpose(tmp_path: Path) -> None:
    ok(tmp_path, "- {at: 5s, assert: {orders: {id: A}}, rejected: [{code: F301}]}")
    ok(tmp_path, "- {at: 5s, assert: {order: {ident: A}}, rejected: [{code: F221}]}")
    ok(tmp_path, "- {at: 5s, assert: {cheap: {network: eth}}, rejected: [{code: F302}]}")


# -- commands after they were made -------------------------------------------------------
def test_a_command_is_sent_at_the_end_of_its_instant(tmp_path: Path) -> None:
    ok(tmp_path, f"- {{at: 5s, {ORDER}, {BUY}, facts: {{command: {{verb: buy, status: sent, at: 5s}}}}}}")


def test_a_report_goes_to_the_newest_open_command_that_fits(tmp_path: Path) -> None:
    two = """
        - at: 5s
          assert: [{fee: {network: eth, value: 1}}, {order: {id: A}}, {order: {id: B}}]
          expect: [{command: shop.buy, with: {order: A}}, {command: shop.buy, with: {order: B}}]
        - {at: 6s, report: {command: shop.buy, status: done}}
        - {at: 7s, report: {command: shop.buy, status: refused, detail: {why: "no", code: 7}}}
        - at: 7s
          facts: [{command: {status: done}}, {command: {status: refused}}, {without: {command: {status: sent}}}]
        """
    ok(tmp_path, two)
    assert fails(tmp_path, two + "- {at: 8s, report: {command: shop.buy, status: done}}") == ["report"]


def test_a_report_may_come_in_the_instant_of_its_command(tmp_path: Path) -> None:
    report = "report: {command: shop.buy, with: {order: A}, status: done}"
    ok(tmp_path, f"- {{at: 5s, {ORDER}, {report}, {BUY}, facts: {{command: {{verb: buy, status: done}}}}}}")


def test_a_command_nobody_reports_on_for_ten_minutes_is_unknown(tmp_path: Path) -> None:
    made = f"- {{at: 5s, {ORDER}, {BUY}}}\n"
    known = "facts: {command: {verb: buy, status: sent, at: 5s}}"
    unknown = "facts: {command: {verb: buy, status: unknown, at: 5s}}"
    ok(tmp_path, f"{made}- {{at: 604999ms, {known}}}\n- {{at: 605s, {unknown}}}", "others: ignore")
    ok(
        tmp_path,
        f"{made}- {{at: 300s, restart: true}}\n- {{at: 604999ms, {known}}}\n- {{at: 900s, {unknown}}}",
        "others: ignore",
    )


def test_a_report_in_time_keeps_a_command_from_being_unknown(tmp_path: Path) -> None:
    made = f"- {{at: 5s, {ORDER}, {BUY}}}\n"
    submitted = "facts: {command: {verb: buy, status: submitted}}"
    report = "report: {command: shop.buy, status: submitted}"
    ok(tmp_path, f"{made}- {{at: 605s, {report}, {submitted}}}\n- {{at: 2000s, {submitted}}}", "others: ignore")
    late = "report: {command: shop.buy, status: done}"
    ok(tmp_path, f"{made}- {{at: 606s, {late}, facts: {{command: {{verb: buy, status: done}}}}}}", "others: ignore")


def test_a_command_that_expired_before_it_could_be_taken_is_not_sent(tmp_path: Path) -> None:
    pack = """
        pack: fees
        kinds:
          order: {key: [id], ttl: 1h, fields: {id: id, by: timestamp}}
        rules:
          - rule: buy
            when: [{order: o}]
            then:
              - command: shop.buy
                expires: =o.by
        """
    for by, status in (("4999ms", "expired"), ("5s", "sent")):
        text = f"- {{at: 5s, assert: {{order: {{id: A, by: {by}}}}}, {BUY}, facts: {{command: {{status: {status}}}}}}}"
        ok(tmp_path, text, fees=pack)


# -- time, restarts, pushes ----------------------------------------------------------------
def test_no_occurrence_of_a_schedule_is_missed_over_a_long_pause(tmp_path: Path) -> None:
    pack = """
        pack: fees
        schedules: [{schedule: hourly, every: 1h, missed: skip}]
        rules:
          - rule: on-the-hour
            when: [{schedule: s, where: 's.name == "hourly"'}]
            then: [{command: shop.open, with: {at: =s.at}}]
        """
    ok(tmp_path, "- {at: 1h, every: 1h, until: 5h, expect: [{command: shop.open}]}", fees=pack)
    assert fails(tmp_path, "- at: 1h", fees=pack) == ["commands"]


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    ok(
        tmp_path,
        f"""
        - {{at: 5s, {ORDER}, {BUY}}}
        - {{at: 5s, restart: true}}
        - {{at: 9s, restart: true, facts: {{command: {{verb: buy, status: sent}}}}}}
        - {{at: 15s, restart: true, expect: [{{command: shop.tell}}]}}
        - {{at: 15s, facts: {{cheap: {{network: eth}}}}}}
        - {{at: 20s, restart: true, facts: {{cheap: {{network: eth}}}}}}
        """,
    )


def test_a_push_puts_other_packs_in_force(tmp_path: Path) -> None:
    other = """
        pack: fees
        version: 2
        kinds:
          fee:
            key: [network]
            ttl: 1h
            fields: {network: id, value: wei, at: timestamp?}
        rules:
          - rule: sell
            when: [{fee: f}]
            then: [{command: shop.sell, with: {network: =f.network}}]
        """
    text = """
        - {at: 5s, assert: {fee: {network: eth, value: 40 gwei}}}
        - {at: 6s, push: other.yaml, expect: [{command: shop.sell, with: {network: eth}}]}
        - {at: 7s, restart: true}
        - {at: 8s, assert: {fee: {network: base, value: 1}}, expect: [{command: shop.sell}]}
        - {at: 30s}
        """
    ok(tmp_path, text, other=other)


def test_a_push_that_is_refused_leaves_the_packs_in_force(tmp_path: Path) -> None:
    other = "pack: fees\nkinds:\n  fee: {key: [network], ttl: 1h, fields: {network: id}}\n"
    text = f"""
        - {{at: 5s, assert: {{fee: {{network: eth, value: 29 gwei}}}}}}
        - {{at: 6s, push: other.yaml, rejected: [{{code: F317}}]}}
        - {{at: 7s, assert: {{order: {{id: A}}}}, {BUY}}}
        """
    ok(tmp_path, text, other=other)


def test_a_chain_without_end_is_an_alarm(tmp_path: Path) -> None:
    pack = """
        pack: fees
        kinds:
          ball: {key: [id], ttl: 1h, fields: {id: id, n: int}}
        rules:
          - rule: throw
            when: [{ball: b}]
            per: =b.n
            then: [{assert: ball, with: {id: =b.id, n: =b.n + 1}}]
        """
    assert fails(tmp_path, "- {at: 1s, assert: {ball: {id: a, n: 1}}}", fees=pack) == ["alarm"]


# -- like and setup --------------------------------------------------------------------------
def test_a_test_like_another_has_its_steps_up_to_and_including_a_moment(tmp_path: Path) -> None:
    text = f"""
        setup:
          - {{at: 9s, assert: {{fee: {{network: base, value: 99 gwei}}}}}}
        tests:
          - test: first
            packs: [fees.yaml]
            steps:
              - {{at: 5s, {ORDER}, {BUY}}}
              - {{at: 6s, every: 1s, until: 12s, assert: {{order: {{id: A}}}}}}
              - {{at: 15s, expect: [{{command: shop.tell}}]}}
          - test: second
            like: first
            until: 8s
            steps:
              - {{at: 10s, retract: {{fee: {{network: eth}}}}}}
              - {{at: 30s, facts: {{fee: {{network: base}}}}}}
          - test: third
            like: second
            until: 5s
            steps:
              - {{at: 15s, expect: [{{command: shop.tell}}]}}
        """
    first, second, third = play_text(tmp_path, text, {})
    assert [r.failures for r in (first, second, third)] == [[], [], []]
    assert list(second.case.instants) == [5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 30_000]
    assert list(third.case.instants) == [5_000, 9_000, 15_000]
