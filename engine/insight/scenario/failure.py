"""What a test found: failures with their differences and reasons, and the whole result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from engine.insight.scenario.case import Case
from engine.insight.scenario.history import Committed, Made, Noted
from engine.insight.scenario.moments import after
from engine.insight.scenario.outcomes import Outcome

#: Failures kept of one test: what comes after these follows from them.
MAX_FAILURES: Final = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as expected.

    Attributes:
        at_ms: unix ms of the instant.
        kind: commands, never, outcome, facts, rejected, refused, report, restart, push or alarm.
        message: on one line.
        diff: (sign, text): ``-`` expected and missing, ``+`` came unexpected, ``?`` how the two differ, space: as it
            should be.
        because: explanation, one line each.
        where: ``file:line`` of the expectation, or of the test.
    """

    at_ms: int
    kind: str
    message: str
    where: str
    diff: tuple[tuple[str, str], ...] = ()
    because: tuple[str, ...] = ()

    def as_dict(self, start_ms: int) -> dict[str, Any]:
        """The form ``test --json`` prints."""
        return {
            "at": self.at_ms,
            "after_ms": self.at_ms - start_ms,
            "kind": self.kind,
            "where": self.where,
            "message": self.message,
            "diff": [f"{sign} {text}" for sign, text in self.diff],
            "because": list(self.because),
        }

    def lines(self, start_ms: int) -> list[str]:
        """As plain text."""
        head = f"{after(self.at_ms - start_ms)}: {self.message}  ({self.where})"
        return [head, *(f"  {sign} {text}" for sign, text in self.diff), *(f"    {text}" for text in self.because)]


@dataclass(slots=True)
class Result:
    """What became of a test.

    Attributes:
        noted: everything the audit says.
        committed: the state at the end.
        elapsed_ns: real time it took.
        simulated_ms: virtual time that passed.
    """

    case: Case
    failures: list[Failure] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    committed: Committed = field(default_factory=Committed)
    elapsed_ns: int = 0
    simulated_ms: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """The form ``test --json`` prints."""
        start = self.case.start_ms
        return {
            "test": self.case.name,
            "file": self.case.span.file,
            "ok": self.ok,
            "seconds": self.elapsed_ns // 1_000_000 / 1_000,
            "simulated_ms": self.simulated_ms,
            "commands": [
                {
                    "at": made.at_ms,
                    "after_ms": made.at_ms - start,
                    "id": made.id,
                    "command": made.command,
                    "args": made.args,
                    "rule": made.rule,
                }
                for made in self.made
            ],
            "outcomes": [outcome.as_dict(start) for outcome in self.outcomes],
            "problems": [failure.as_dict(start) for failure in self.failures],
        }
