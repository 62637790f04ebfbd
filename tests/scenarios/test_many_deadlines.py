"""A thousand things due at one instant: each once, in order, and soon."""

from __future__ import annotations

from pathlib import Path

from engine.cli.playing import daemon_machinery
from engine.clock import monotonic_ns
from engine.insight.scenario.files import read_files
from engine.insight.scenario.player import play

MANY = 1_000
#: Real nanoseconds for all of it, on a slow machine that does other things too.
PATIENCE_NS = 60 * 10**9


def test_a_thousand_deadlines_at_one_instant(tmp_path: Path) -> None:
    (tmp_path / "due.yaml").write_text(
        """
pack: due
version: 1
kinds:
  task:
    key: [id]
    keep: while_used
    fields: {id: id}
plans:
  - plan: hurry
    for: [{task: t}]
    escalation: ops.page
    steps:
      - step: act
        command: line.act
        with: {task: =t.id}
        within: 1h
"""
    )
    tasks = "\n".join(f"          - task: {{id: T{n:04}}}" for n in range(MANY))
    acts = "\n".join(f"          - {{command: line.act, with: {{task: T{n:04}}}}}" for n in range(MANY))
    pages = "\n".join(
        f"          - {{command: ops.page, with: {{subject: T{n:04}, reason: TIMEOUT}}}}" for n in range(MANY)
    )
    (tmp_path / "due.test.yaml").write_text(
        f"""
tests:
  - test: all at once
    packs: [due.yaml]
    steps:
      - at: 0s
        assert:
{tasks}
        expect:
{acts}
      - at: 3600001ms
        expect:
{pages}
      - at: 3600002ms
"""
    )
    (file,) = read_files([tmp_path / "due.test.yaml"])
    assert file.problems == []
    began = monotonic_ns()
    result = play(file.cases[0], daemon_machinery())
    assert [failure.lines(0) for failure in result.failures] == []
    assert monotonic_ns() - began < PATIENCE_NS
