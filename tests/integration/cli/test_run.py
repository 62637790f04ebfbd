"""The daemon as a process: how it starts, what it does, how it ends."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.clock import monotonic_ms
from engine.model.journal import ZERO_ID
from engine.store.embedded import EmbeddedServer
from engine.store.redis_store import RedisStore
from tests.integration.cli.conftest import Lockstep, Ran, StartDaemon
from tests.integration.cli.program import PATIENCE_S


def until(look: Callable[[], Ran], is_it: Callable[[Any], bool]) -> Any:  # noqa: ANN401
    """What the program prints, looked at again and again until it is what is waited for."""
    began = monotonic_ms()
    while True:
        seen = look().json
        if is_it(seen):
            return seen
        assert monotonic_ms() - began < PATIENCE_S * 1_000, seen


def both_facts(lockstep: Lockstep, *where: str) -> None:
    assert lockstep("inject", "intent", "id=I1", "network=base", "state=open", *where).code == 0
    assert lockstep("inject", "network", "id=base", "base_fee=29000000000", *where).code == 0


def test_facts_become_a_command_that_can_be_explained(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    running = daemon("--packs", packs)
    running.wait_for("ready")
    both_facts(lockstep)
    (command,) = until(lambda: lockstep("commands", "--json"), lambda found: [c["status"] for c in found] == ["done"])
    assert (command["connector"], command["verb"]) == ("log", "go")
    assert command["args"] == {"intent": "I1", "fee": "29000000000"}
    (why,) = lockstep("explain", command["id"], "--json").json
    assert why["rule"] == "gas.go-when-cheap"
    assert [f["alias"] for f in why["facts"]] == ["i", "n"]
    assert running.stop() == 0
    logged = [line for line in running.lines if line["event"] == "command"]
    assert [line["command"] for line in logged] == [command["id"]]


def test_status_tells_what_only_the_daemon_knows(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    running = daemon("--packs", packs)
    running.wait_for("ready")
    both_facts(lockstep)
    page = until(lambda: lockstep("status", "--json"), lambda found: (found["facts"] or 0) >= 2 and found["active"])
    assert (page["running"], page["role"], page["epoch"], page["lag_ms"]) == (True, "leader", 1, 0)
    assert page["revision"]
    assert page["pending_deadlines"] >= 1
    assert lockstep("doctor").code == 0
    assert running.stop() == 0


def test_a_refused_fact_is_told_to_who_injects_it(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    running = daemon("--packs", packs)
    running.wait_for("ready")
    until(lambda: lockstep("status", "--json"), lambda page: page["revision"])
    ran = lockstep("inject", "network", "id=base")
    assert ran.code == 1
    assert "F220" in ran.err
    assert "base_fee" in ran.err
    assert lockstep("inject", "network", "id=base", "base_fee=5", "--json").json["state"] == "done"
    assert running.stop() == 0


def test_ctrl_c_stops_it_too(daemon: StartDaemon, packs: Path) -> None:
    running = daemon("--packs", packs)
    running.wait_for("ready")
    assert running.stop(signal.SIGINT) == 0
    assert running.said()[-1] == "stopped"


def test_a_killed_daemon_is_continued_and_repeats_nothing(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    first = daemon("--packs", packs)
    first.wait_for("ready")
    both_facts(lockstep)
    (before,) = until(lambda: lockstep("commands", "--json"), lambda found: [c["status"] for c in found] == ["done"])
    first.kill()
    second = daemon("--packs", packs)
    second.wait_for("ready")
    assert lockstep("inject", "network", "id=base", "base_fee=28000000000").code == 0
    until(
        lambda: lockstep("facts", "network", "--json"),
        lambda found: [f["values"]["base_fee"] for f in found] == ["28000000000"],
    )
    assert [c["id"] for c in lockstep("commands", "--json").json] == [before["id"]]
    assert second.stop() == 0


def test_facts_injected_while_nobody_ran_are_processed_at_the_next_start(
    lockstep: Lockstep, daemon: StartDaemon, packs: Path, redis_url: str
) -> None:
    where = ("--redis", redis_url)
    both_facts(lockstep, *where)
    running = daemon("--packs", packs, *where)
    running.wait_for("ready")
    until(lambda: lockstep("status", "--json", *where), lambda page: page["lag_ms"] == 0)
    assert running.stop() == 0
    # The packs came after the facts in the order of the journal; facts of kinds nobody knew were refused.
    assert {r["fields"]["kind"] for r in lockstep("rejected", "--json", *where).json} == {"intent", "network"}


def test_a_standby_takes_over_from_a_killed_leader(
    lockstep: Lockstep, daemon: StartDaemon, packs: Path, redis_url: str
) -> None:
    where = ("--redis", redis_url)
    leader = daemon("--packs", packs, *where)
    leader.wait_for("ready")
    standby = daemon("--packs", packs, *where)
    standby.wait_for("standing by")
    leader.kill()
    assert standby.wait_for("leading")["epoch"] == 2
    standby.wait_for("ready")
    both_facts(lockstep, *where)
    until(lambda: lockstep("commands", "--json", *where), lambda found: [c["status"] for c in found] == ["done"])
    assert standby.stop() == 0


def test_a_stop_does_not_wait_for_a_redis_that_is_away(
    lockstep: Lockstep, daemon: StartDaemon, own_server: EmbeddedServer, tmp_path: Path
) -> None:
    (tmp_path / "quick.yaml").write_text("dispatch: {drain: 1ms}\n")
    running = daemon("--redis", str(own_server.endpoint), "--config", "quick.yaml")
    running.wait_for("ready")
    own_server.stop()
    running.wait_for("redis is away")
    assert running.stop() == 0
    assert "stopping with work in hand; the next start takes it up" in running.said()


async def test_a_daemon_that_lost_its_lease_exits_with_75(
    daemon: StartDaemon, packs: Path, redis_url: str, store: RedisStore
) -> None:
    running = daemon("--packs", packs, "--redis", redis_url)
    running.wait_for("ready")
    owner = await store.lease_owner()
    assert owner is not None
    await store.release_lease(owner)
    await store.acquire_lease("another daemon", 60_000)
    assert running.wait_end() == 75


def test_a_stop_while_redis_is_away_is_taken_at_once(daemon: StartDaemon, tmp_path: Path) -> None:
    running = daemon("--redis", f"unix://{tmp_path}/nobody.sock")
    away = running.wait_for("redis is away")
    assert (away["code"], away["level"]) == ("S101", "warning")
    assert running.stop() == 0


def test_the_built_in_server_may_die_under_the_daemon(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    running = daemon("--packs", packs)
    started = running.wait_for("redis started")
    running.wait_for("ready")
    pid = int(started["details"].partition("pid ")[2].partition(",")[0])
    os.kill(pid, signal.SIGKILL)
    running.wait_for("redis started")
    both_facts(lockstep)
    until(lambda: lockstep("commands", "--json"), lambda found: [c["status"] for c in found] == ["done"])
    assert running.stop() == 0


def test_wrong_packs_at_the_first_start_end_it_with_all_problems(daemon: StartDaemon, packs: Path) -> None:
    (packs / "bad.yaml").write_text("pack: bad\nversion: one\nrules: 7\n")
    running = daemon("--packs", packs)
    assert running.wait_end() == 1
    problems = [event for event in running.said() if "bad.yaml:" in event]
    assert len(problems) == 2


def test_wrong_packs_later_leave_the_right_ones_in_force(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    first = daemon("--packs", packs)
    first.wait_for("ready")
    revision = until(lambda: lockstep("status", "--json"), lambda page: page["revision"])["revision"]
    assert first.stop() == 0
    (packs / "bad.yaml").write_text("pack: bad\nversion: one\n")
    second = daemon("--packs", packs)
    second.wait_for("ready")
    assert "the packs are wrong; the rule base stays as it is" in second.said()
    assert lockstep("status", "--json").json["revision"] == revision
    assert second.stop() == 0


def test_a_push_is_in_force_when_the_command_returns(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    running = daemon()
    running.wait_for("ready")
    ran = lockstep("push", packs, "--json")
    assert (ran.code, ran.json["state"]) == (0, "done")
    assert lockstep("status", "--json").json["revision"] == ran.json["revision"]
    assert lockstep("push", packs, "--json").json["state"] == "same"
    (packs / "gas.yaml").write_text((packs / "gas.yaml").read_text().replace("gwei(30)", "gwei(25)"))
    second = lockstep("push", packs, "--json").json["revision"]
    assert second != ran.json["revision"]
    back = lockstep("activate", ran.json["revision"][:8], "--json").json
    assert (back["revision"], back["replaces"], back["state"]) == (ran.json["revision"], second, "done")
    log = lockstep("rulebase", "log", "--json").json
    assert [(n["revision"], n["in_force"]) for n in log] == [
        (ran.json["revision"], True),
        (second, False),
        (ran.json["revision"], False),
    ]
    assert running.stop() == 0


def test_a_paused_connector_holds_its_commands(lockstep: Lockstep, daemon: StartDaemon, packs: Path) -> None:
    running = daemon("--packs", packs)
    running.wait_for("ready")
    assert lockstep("pause", "connector:log", "--json").json["state"] == "done"
    both_facts(lockstep)
    page = until(lambda: lockstep("status", "--json"), lambda found: found["more"].get("commands_waiting") == "1")
    assert page["paused"] == ["connector:log"]
    assert [c["status"] for c in lockstep("commands", "--json").json] == ["queued"]
    assert lockstep("resume", "connector:log").code == 0
    until(lambda: lockstep("commands", "--json"), lambda found: [c["status"] for c in found] == ["done"])
    assert running.stop() == 0


def test_a_wrong_login_is_a_configuration_error(daemon: StartDaemon, own_server: EmbeddedServer) -> None:
    running = daemon("--redis", f"unix://nobody:secretword@{own_server.endpoint.path}")
    assert running.wait_end() == 78
    assert "secretword" not in json.dumps(running.lines)


def test_a_wrong_configuration_is_told_before_anything_starts(lockstep: Lockstep, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("dtaa: x\n")
    ran = lockstep("run", "--config", "wrong.yaml")
    assert ran.code == 78
    assert "dtaa" in ran.err
    assert not (tmp_path / ".lockstep").exists()


async def test_the_time_of_a_recorded_trace_is_its_entries(
    lockstep: Lockstep, daemon: StartDaemon, packs: Path, redis_url: str, store: RedisStore
) -> None:
    running = daemon("--packs", packs, "--time", "journal", "--redis", redis_url)
    running.wait_for("ready")
    until(lambda: lockstep("status", "--json", "--redis", redis_url), lambda page: page["revision"])
    last = (await store.read_journal(ZERO_ID, 10))[-1][0]
    at = int(last.partition(b"-")[0]) + 86_400_000
    fields = {"op": "assert", "kind": "network", "source": "t", "data": '{"id":"base","base_fee":"1"}'}
    await store.append(fields, f"{at}-0")
    page = until(
        lambda: lockstep("status", "--json", "--redis", redis_url),
        lambda found: found["cursor"]["entry"] == f"{at}-0",
    )
    assert page["cursor"]["now"] == at
    assert running.stop() == 0
