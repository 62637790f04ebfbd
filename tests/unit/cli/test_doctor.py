from dataclasses import replace
from pathlib import Path

import pytest

from engine.insight.doctor import Finding, Vitals, examine
from engine.insight.status import JournalEnds, status_of
from engine.model.journal import StreamId
from engine.store.server import ServerReport

SERVER = ServerReport(
    version="7.2.4",
    mode="standalone",
    role="master",
    aof_enabled=True,
    appendfsync="always",
    maxmemory_policy="noeviction",
    used_memory_bytes=1 << 20,
    maxmemory_bytes=1 << 30,
    connected_clients=1,
    connected_replicas=0,
    uptime_seconds=5,
    last_error="",
)
META = {"cursor": "5000-0@5000", "epoch": "3", "revision": "ab12"}
FIGURES = {"role": "leader", "facts": "4", "written_at": "5000"}


def vitals(tmp_path: Path) -> Vitals:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    secret.chmod(0o600)
    status = status_of(META, FIGURES, JournalEnds(1, StreamId(5_000, 0), None), {}, 6_000)
    return Vitals(SERVER, status, StreamId(5_000, 0), 6_000, secret)


def found(looked: Vitals, name: str) -> Finding:
    (finding,) = [f for f in examine(looked) if f.name == name]
    return finding


def test_a_sound_deployment_has_nothing_but_ok(tmp_path: Path) -> None:
    assert {f.state for f in examine(vitals(tmp_path))} == {"ok"}


@pytest.mark.parametrize(
    ("server", "name", "state"),
    [
        (replace(SERVER, version="6.0.16"), "version", "bad"),
        (replace(SERVER, role="slave"), "role", "bad"),
        (replace(SERVER, connected_replicas=2), "role", "warn"),
        (replace(SERVER, aof_enabled=False), "persistence", "bad"),
        (replace(SERVER, last_error="aof_last_write_status: err"), "persistence", "bad"),
        (replace(SERVER, appendfsync="everysec"), "persistence", "warn"),
        (replace(SERVER, appendfsync=""), "persistence", "warn"),
        (replace(SERVER, maxmemory_policy="allkeys-lru"), "eviction", "bad"),
        (replace(SERVER, maxmemory_bytes=0), "memory", "warn"),
        (replace(SERVER, used_memory_bytes=1_000_000_000), "memory", "bad"),
    ],
)
def test_what_loses_a_guarantee_is_found_with_a_hint(
    tmp_path: Path, server: ServerReport, name: str, state: str
) -> None:
    finding = found(replace(vitals(tmp_path), server=server), name)
    assert finding.state == state
    assert finding.hint


def test_a_led_journal_is_found(tmp_path: Path) -> None:
    assert "by 4000 ms" in found(replace(vitals(tmp_path), journal_last=StreamId(10_000, 0)), "journal").message


def test_a_waiting_entry_is_found(tmp_path: Path) -> None:
    looked = vitals(tmp_path)
    assert found(replace(looked, status=replace(looked.status, lag_ms=9_000)), "journal").state == "bad"


def test_a_secret_others_can_read_is_found(tmp_path: Path) -> None:
    looked = vitals(tmp_path)
    looked.secret.chmod(0o644)
    assert found(looked, "secret").state == "bad"


def test_figures_of_a_daemon_that_is_gone_are_not_taken_for_a_running_one() -> None:
    ends = JournalEnds(2, StreamId(20_000, 0), StreamId(18_000, 0))
    status = status_of(META, FIGURES, ends, {}, 20_000)
    assert not status.running
    assert status.role == "none"
    assert status.lag_ms == 2_000


def test_an_empty_redis_has_a_status() -> None:
    status = status_of({}, {}, JournalEnds(0, StreamId(0, 0), None), {}, 1)
    assert status.as_dict()["cursor"] == {"entry": "0-0", "now": 0}
    assert (status.revision, status.facts, status.running) == ("", None, False)


def test_open_incidents_are_shown_and_no_more_than_anyone_reads(tmp_path: Path) -> None:
    looked = replace(vitals(tmp_path), incidents=(("alpha:node", "NODE_DOWN: no answer"),))
    assert found(looked, "incident").message == "alpha:node: NODE_DOWN: no answer"
    many = replace(looked, incidents=tuple((f"n{number}", "x") for number in range(30)))
    shown = [f.message for f in examine(many) if f.name == "incident"]
    assert (len(shown), shown[-1]) == (11, "20 more")
