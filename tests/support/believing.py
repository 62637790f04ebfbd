"""A notebook in memory, and what an engine that reads its journal would believe; to test what watches, alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connectors.base import Observation
from engine.matching.decoders import KindDecoder
from engine.packs.bundle import load_paths

_STANDARD = load_paths([Path(__file__).resolve().parents[2] / "rules" / "standard"]).rulebase
assert _STANDARD is not None
_DECODERS: Final = {name: KindDecoder(kind) for name, kind in _STANDARD.kinds.items()}


class CutOffError(BaseException):
    """The daemon was killed at this write."""


@dataclass
class Belief:
    """One fact as believed."""

    fields: dict[str, Any]
    observed_at_ms: int
    order: tuple[Any, ...]


class BelievingNotebook:
    """Keeps notes and journal; ``facts`` is what the journal makes of the standard kinds, slowly and obviously.

    Attributes:
        notes: by name.
        journal: all observations, in order.
        refused: claims on removed blocks.
        cut_at: the write of this number (from 0) is not done and raises; None: none is.
    """

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.journal: list[Observation] = []
        self.refused: list[Observation] = []
        self.writes = 0
        self.cut_at: int | None = None
        self._facts: dict[tuple[str, tuple[str, ...]], Belief] = {}
        self._removed: set[tuple[str, str]] = set()

    async def read(self) -> dict[str, str]:
        return dict(self.notes)

    async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
        assert len(notes) <= 1_000
        assert len(observations) <= 500
        if self.writes == self.cut_at:
            raise CutOffError
        self.writes += 1
        for name, text in notes.items():
            if text is None:
                self.notes.pop(name, None)
            else:
                self.notes[name] = text
        for observation in observations:
            self.journal.append(observation)
            self._take(observation)

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all facts of that kind, by key."""
        return [each.fields for (named, _), each in sorted(self._facts.items()) if named == kind]

    def fact(self, kind: str) -> dict[str, Any]:
        """Of the only one."""
        (found,) = self.facts(kind)
        return found

    def observed_at_ms(self, kind: str) -> int:
        """Of the only one."""
        (found,) = [each.observed_at_ms for (named, _), each in self._facts.items() if named == kind]
        return found

    def said(self, op: str, kind: str = "") -> list[dict[str, Any]]:
        """The data of all observations of that sort."""
        return [dict(each.data) for each in self.journal if each.op == op and each.kind == kind]

    def _take(self, observation: Observation) -> None:
        data = json.loads(json.dumps(observation.data))
        assert not any(isinstance(value, float) for value in data.values())
        if observation.op == "reorg":
            for block in data["removed"]:
                self._removed.add((data["network"], block))
            for each, belief in list(self._facts.items()):
                if self._block(each[0], belief.fields) in self._removed:
                    del self._facts[each]
            for block in data["added"]:
                self._removed.discard((data["network"], block))
            return
        decoder = _DECODERS[observation.kind]
        # What the engine would refuse is refused here too, with its own words.
        values = decoder.decode(json.dumps(observation.data).encode())
        if self._block(observation.kind, data) in self._removed:
            self.refused.append(observation)
            return
        key = (observation.kind, tuple(map(str, decoder.key_of(values))))
        before = self._facts.get(key)
        observed = observation.observed_at_ms or 0
        order = (*decoder.order_of(values), 0) if decoder.kind.order else (observed,)
        if before is not None and order < before.order:
            return
        self._facts[key] = Belief(data, observed, order)

    def _block(self, kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
        declared = _DECODERS[kind].kind
        if declared.chain_network is None or declared.chain_block is None:
            return ("", "")
        return (str(data.get(declared.chain_network, "")), str(data.get(declared.chain_block, "")))
