"""The engine's own kinds: commands and their reports, sources, schedules."""

from __future__ import annotations

import json

import pytest

from tests.integration.language.conftest import MakeDaemon, MakeWorld
from tests.integration.language.shop import pack, rule
from tests.support.world import START, World

GO = rule("go", "- order: o", "- command: log.go\n  with: {id: =o.id}", "once: {key: =o.id}")
WATCH = rule(
    "watch",
    "- command: c\n  where: c.verb == 'go'",
    "- conclude: alert\n  with: {id: =c.id, why: '{c.connector}.{c.verb} {c.rule} {c.attempt} {c.status}'}",
)
RETRY = rule(
    "again",
    "- command: c\n  where: c.verb == 'go' and c.status in ['failed', 'refused']",
    "- command: log.again\n  with: {of: =c.id, at: =c.at}",
)


def status(w: World) -> list[str]:
    """What the watching rule sees."""
    return [fact["why"] for fact in w.facts("alert")]


@pytest.mark.parametrize("final", ["done", "failed", "refused"])
def test_the_first_final_report_stands_and_a_contradicting_one_is_a_dispute(world: MakeWorld, final: str) -> None:
    w = world(pack(GO, WATCH, RETRY))
    w.say(0, "order", id="o")
    (made,) = w.commands()
    assert status(w) == ["log.go shop.go 1 queued"]
    w.report(10, made.id, "submitted")
    assert status(w) == ["log.go shop.go 1 submitted"]
    w.report(20, made.id, final, tx="0x1")
    other = "failed" if final == "done" else "done"
    w.report(30, made.id, other)
    w.report(40, made.id, final)
    assert status(w) == [f"log.go shop.go 1 {final}"]
    assert [at for at, _ in w.events("disputed")] == [30]
    again = [(at, args) for at, command, args in w.told() if command == "log.again"]
    assert again == ([] if final == "done" else [(20, {"of": made.id, "at": START})])


def test_unknown_may_still_change(world: MakeWorld) -> None:
    w = world(pack(GO, WATCH))
    w.say(0, "order", id="o")
    (made,) = w.commands()
    w.report(10, made.id, "unknown")
    assert status(w) == ["log.go shop.go 1 unknown"]
    w.report(20, made.id, "done")
    assert status(w) == ["log.go shop.go 1 done"]


def test_a_report_on_a_command_that_never_was_is_refused(world: MakeWorld) -> None:
    w = world(pack(GO))
    w.report(0, "nonsense", "done")
    w.say(0, "order", id="o")
    w.entry(1, op="report", source="x", data=json.dumps({"command": w.commands()[0].id, "status": "finished"}))
    codes = [(r.at, bool(r.message), bool(r.hint)) for r in w.refused()]
    assert codes == [(0, True, True), (1, True, True)]


def test_a_source_falls_silent_after_five_minutes_and_is_heard_again(world: MakeWorld) -> None:
    silent = rule("silent", "- source: s\n  where: s.state == 'silent'", "- command: log.silent\n  with: {id: =s.id}")
    w = world(pack(silent))
    w.say(0, "net", source_="a", id="e", fee="1")
    w.say(200_000, "net", source_="a", id="e", fee="2")
    w.say(250_000, "net", source_="b", id="e", fee="2")
    w.until(500_001)
    assert w.commands() == []
    w.until(500_002)
    assert w.told() == [(500_001, "log.silent", {"id": "a"})]
    w.say(540_000, "net", source_="a", id="e", fee="2")
    w.until(2_000_000)
    assert [(at, args["id"]) for at, _, args in w.told()] == [(500_001, "a"), (550_001, "b"), (840_001, "a")]


def test_a_reporter_with_a_wrong_clock_is_heard_of_once(world: MakeWorld) -> None:
    skewed = rule(
        "skewed", "- source: s\n  where: s.state == 'skewed'", "- command: log.skewed\n  with: {n: =s.skewed}"
    )
    w = world(pack(skewed))
    for at in range(5):
        w.say(at, "net", source_="a", observed_at=60_000 + at, id="e", fee="1")
    assert w.told() == [(0, "log.skewed", {"n": 1})]
    w.say(10, "net", source_="a", id="e", fee="1")
    assert w.facts("source")[0]["state"] == "ok"
    assert w.facts("source")[0]["skewed"] == 5


def test_a_reporter_of_nonsense_becomes_noisy_and_is_heard_of_once(world: MakeWorld) -> None:
    noisy = rule("noisy", "- source: s\n  where: s.state == 'noisy'", "- command: log.noisy\n  with: {n: =s.rejected}")
    w = world(pack(noisy))
    for at in range(25):
        w.say(at, "nonsense", source_="a", id="e")
    assert w.told() == [(19, "log.noisy", {"n": 20})]
    assert w.facts("source")[0]["rejected"] == 25


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("command", {"id": "x", "connector": "a", "verb": "b", "rule": "r", "attempt": 1, "status": "done", "at": 1}),
        ("source", {"id": "x"}),
        ("schedule", {"name": "x", "at": 1, "open": True}),
        ("alert", {"id": "x"}),
    ],
)
def test_what_the_engine_or_rules_make_is_never_injected(
    world: MakeWorld, kind: str, values: dict[str, object]
) -> None:
    w = world(pack(GO))
    w.say(0, kind, **values)  # type: ignore[arg-type]
    w.retract(1, kind, id="x")
    assert [r.code for r in w.refused()] == ["F302", "F302"]
    assert all(r.hint for r in w.refused())


def test_the_program_dispatches_and_takes_reports(daemon: MakeDaemon) -> None:
    watch = WATCH.replace("'go'", "'swap'")
    w = daemon(pack(rule("go", "- order: o", "- command: executor.swap\n  with: {id: =o.id}"), watch))
    w.say(0, "order", id="o")
    (made,) = w.commands()
    stream = "lockstep:{p0}:commands:executor"
    answer = w.client.xread({stream: "0"}, block=20_000)
    fields = {name.decode(): value.decode() for name, value in answer[0][1][0][1].items()}
    assert fields["command"] == made.id
    assert fields["args"] == '{"id":"o"}'
    assert (fields["connector"], fields["verb"], fields["rule"]) == ("executor", "swap", "shop.go")
    w.report(1_000, made.id, "done")
    assert status(w) == ["executor.swap shop.go 1 done"]
