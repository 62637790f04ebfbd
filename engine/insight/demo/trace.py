"""The recorded trace: what reporters said and when, relative to its beginning."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError

#: ``@1500`` in a trace is the moment 1,500 ms after it began.
_MOMENT = re.compile(r"@(-?\d{1,12})")
TRACE = Path(__file__).resolve().parents[3] / "rules" / "demo" / "trace.jsonl"


@dataclass(frozen=True, slots=True)
class Opening:
    """Value that lies somewhere before anything happens."""

    intent: str
    place: str
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an entry to send, or (``hold``) something to wait for before going on."""

    at_ms: int
    fields: Mapping[str, Any]
    hold: Mapping[str, Any] | None

    def entry(self, began_ms: int) -> list[str]:
        """The words after ``XADD key *``."""
        words = []
        for name, value in self.fields.items():
            moved = _moved(value, began_ms)
            words += [name, moved if isinstance(moved, str) else json.dumps(moved, separators=(",", ":"))]
        return words


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole recording.

    Attributes:
        opening: what is where at the beginning.
        expect: intent → the outcome it must come to.
    """

    opening: tuple[Opening, ...]
    expect: Mapping[str, str]
    lines: tuple[Line, ...]


def load(path: Path = TRACE) -> Trace:
    """Reads a trace.

    Raises:
        ConfigError: it is not there, or not in the form described here (C140).
    """
    try:
        head, *rows = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        opening = tuple(Opening(o["intent"], o["place"], o["asset"], int(o["amount"])) for o in head["opening"])
        lines = tuple(_line(row) for row in rows)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            "C140", f"{path} is no trace: {error!r}", "reinstall Lockstep, or restore the file"
        ) from error
    return Trace(opening, dict(head["expect"]), lines)


def _line(row: dict[str, Any]) -> Line:
    at_ms = int(row.pop("at"))
    hold = row.pop("hold", None)
    row.pop("why", None)
    return Line(at_ms, row, hold)


def _moved(value: Any, began_ms: int) -> Any:  # noqa: ANN401 - JSON
    """The value with its moments put where the clock is."""
    if isinstance(value, str):
        found = _MOMENT.fullmatch(value)
        return began_ms + int(found[1]) if found else value
    if isinstance(value, dict):
        return {name: _moved(inner, began_ms) for name, inner in value.items()}
    return value
