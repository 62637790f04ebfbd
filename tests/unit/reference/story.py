"""Kinds, rules and a way to tell small stories with exact times to the reference."""

from __future__ import annotations

from engine.limits import REORG_MEMORY_MS
from engine.model.kinds import Value
from engine.model.rules import Cron, Rule, RuleBase, Schedule
from tests.support import ir
from tests.support.ir import cmp, command, pattern, ref, rule
from tests.support.reference import (
    Advance,
    Assert,
    Firing,
    ReferenceEngine,
    Retract,
    Step,
)
from tests.support.reference.settle import Limits

JOB = ir.kind("job", "id", "id:id owner:id n:int state:open|closed", permanent=True, limit=100)
NET = ir.kind("net", "id", "id:id height:int fee:wei", order=("height",), ttl_ms=30_000)
RATE = ir.kind("rate", "id", "id:id height:int n:int", order=("height",), per_source=True, ttl_ms=60_000)
SEEN = ir.kind(
    "seen",
    "tx",
    "tx:id network:id block:hash?",
    event=True,
    ttl_ms=10 * REORG_MEMORY_MS,
    chain_network="network",
    chain_block="block",
)
RISK = ir.kind("risk", "id", "id:id why:text", concluded=True, permanent=True, limit=100)
NOTE = ir.kind("note", "id", "id:id n:int", permanent=True, limit=100)
LEVEL = ir.kind("level", "id", "id:id n:int", concluded=True, permanent=True, limit=100)
KINDS = (JOB, NET, RATE, SEEN, RISK, NOTE, LEVEL)

OPEN = cmp(ref(JOB, "j", "state"), "==", "open")
JOB_ID = ref(JOB, "j", "id")


class Story:
    """A rule base being told a history; entries get their place in it by themselves."""

    def __init__(self, *rules: Rule, limits: Limits | None = None, **more: Schedule) -> None:
        self.engine = ReferenceEngine(base(*rules, **more), limits=limits, next_fire=every_minute)
        self.log: list[tuple[int, str, int]] = []
        self.firings: list[Firing] = []
        self.ended: list[tuple[int, str]] = []
        self.suspended: list[str] = []
        self.seq = 0

    def tell(self, *steps: Step) -> Story:
        for step in steps:
            for d in self.engine.step(step).decisions:
                self.firings += d.firings
                self.log += [(d.now, f.rule[2:], f.attempt) for f in d.firings]
                self.ended += [(d.now, e.rule[2:]) for e in d.ended]
                self.suspended += d.suspended
        return self

    def says(self, at: int, kind: str, *, source: str = "s", observed_at: int | None = None, **values: Value) -> Story:
        self.seq += 1
        return self.tell(Assert(at, self.seq, kind, source, values, observed_at))

    def job(self, at: int, job_id: str = "a", state: str = "open", n: int = 0, owner: str = "o") -> Story:
        return self.says(at, "job", id=job_id, owner=owner, n=n, state=state)

    def takes_back(self, at: int, kind: str, key: Value, source: str = "s", **more: int) -> Story:
        self.seq += 1
        return self.tell(Retract(at, self.seq, kind, source, (key,), observed_at=more.get("observed_at")))

    def until(self, at: int) -> Story:
        """Everything due up to and at this instant has run."""
        return self.tell(Advance(at + 1))

    def facts(self, kind: str) -> list[tuple[Value, ...]]:
        return [f.values for f in self.engine.facts() if f.kind == kind]

    @property
    def times(self) -> list[int]:
        return [at for at, _, _ in self.log]


def base(*rules: Rule, **schedules: Schedule) -> RuleBase:
    return ir.rule_base(*rules, kinds=KINDS, schedules=tuple(schedules.values()))


def every_minute(cron: Cron, after_ms: int) -> int | None:
    """``cron N`` fires N ms after each full minute."""
    offset = int(cron.expression)
    return ((after_ms - offset) // 60_000 + 1) * 60_000 + offset


def open_job(*more: object, **options: object) -> Rule:
    """Fires on open jobs."""
    terms = [pattern(JOB, "j", OPEN), *more]
    return rule("r", terms, [command("go", id=JOB_ID)], **options)  # type: ignore[arg-type]
