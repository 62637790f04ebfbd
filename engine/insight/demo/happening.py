"""One line of the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Who(Enum):
    """Who is speaking; the value is what the timeline calls them."""

    SEEN = "seen"
    ASKED = "asked"
    REFUSED = "refused"
    RULE = "rule fires"
    COMMAND = "command"
    OUTCOME = "outcome"
    EXECUTOR = "executor"
    CHAIN = "chain"
    SENT = "sent"
    WAITS = "waits"
    STAGE = "demo"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, at a moment of the server's clock, in a sentence."""

    at_ms: int
    who: Who
    text: str
