"""What is told of the network as a whole: its head while the node is well, and what is wrong while it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connectors.base import Observation
from connectors.evm.heads import Head, lag_ms, observed_at_ms, state_of
from connectors.evm.window import PREFIX, Entry

_NETWORK: Final = PREFIX + "network"
_INCIDENT: Final = PREFIX + "incident"
#: Blocks over which the time between blocks is measured.
_PACE_BLOCKS: Final = 20
#: An incident that stays is told again so often.
_INCIDENT_EVERY_MS: Final = 3_600_000
_SEVERITY: Final[Mapping[str, str]] = {"behind": "warning", "slow": "warning", "down": "warning"}


class NetworkReport:
    """The ``network`` fact and the ``incident`` that goes with a node which is not well.

    Attributes:
        notes: what is to be noted with the observations it returned last.
    """

    def __init__(self, connector: str, network: str, chain_id: int, notes: Mapping[str, str]) -> None:
        self._incident_id = f"{connector}:node"
        self._network = network
        self._chain_id = chain_id
        kept = json.loads(notes.get(_NETWORK, "{}"))
        self._fields: dict[str, Any] = kept.get("fields", {})
        self._observed_at_ms: int = kept.get("observed_at", 0)
        self._incident = notes.get(_INCIDENT, "")
        self._incident_told_ms = 0
        self._told_ms = 0
        self.notes: dict[str, str | None] = {}

    def well(
        self,
        head: Head,
        past: Sequence[Entry],
        now_ms: int,
        *,
        behind_after_ms: int,
        renew_ms: int,
        is_catching_up: bool,
    ) -> list[Observation]:
        """The node answered; what is to be told of that, if it is time.

        Args:
            head: what it said.
            past: blocks before it, for the time between blocks.
            now_ms: wall clock.
            behind_after_ms: a head older than that is behind.
            renew_ms: what stays the same is told again so often.
            is_catching_up: events of blocks before the head are still to be told.
        """
        self.notes = {}
        state = state_of(head, now_ms, behind_after_ms)
        if state == "ok" and is_catching_up:
            state = "catching_up"
        fields = head.fields(self._network, self._chain_id)
        if is_catching_up:
            # A block that nobody compares yet: a reorganisation of it would go unnoticed.
            del fields["block_hash"]
        elif (pace := _pace_ms(head, past)) is not None:
            fields["block_time"] = str(pace)
        fields["state"] = state
        changed = {name: value for name, value in self._fields.items() if name != "lag"} != fields
        incidents = self._incident_changes(state, f"the newest block is {lag_ms(head, now_ms)} ms old", now_ms)
        if not changed and now_ms - self._told_ms < renew_ms:
            return incidents
        fields["lag"] = str(lag_ms(head, now_ms))
        self._told_ms = now_ms
        observed = observed_at_ms(head, now_ms, behind_after_ms)
        return [self._fact(fields, observed), *incidents]

    def unwell(self, state: str, words: str, now_ms: int) -> list[Observation]:
        """The node gave nothing that can be believed; what is to be told of that, if it is not told already.

        The values stay the last good ones, and so does the moment at which they were so: the fact ages.
        """
        self.notes = {}
        told = []
        if self._fields and self._fields.get("state") != state:
            told = [self._fact({**self._fields, "state": state}, self._observed_at_ms)]
        return told + self._incident_changes(state, words, now_ms)

    def forget_blocks(self, hashes: frozenset[str]) -> dict[str, str | None]:
        """These blocks were removed; what stood on one must not be told again. Returns the notes."""
        if self._fields.get("block_hash") not in hashes:
            return {}
        self._fields, self._observed_at_ms, self._told_ms = {}, 0, 0
        return {_NETWORK: None}

    def _fact(self, fields: dict[str, Any], observed_at: int) -> Observation:
        self._fields, self._observed_at_ms = fields, observed_at
        kept = {"fields": fields, "observed_at": observed_at}
        self.notes[_NETWORK] = json.dumps(kept, separators=(",", ":"))
        return Observation("assert", dict(fields), kind="network", observed_at_ms=observed_at)

    def _incident_changes(self, state: str, words: str, now_ms: int) -> list[Observation]:
        open_state = "" if state in ("ok", "ahead", "catching_up") else state
        is_same = open_state == self._incident
        if is_same and (not open_state or now_ms - self._incident_told_ms < _INCIDENT_EVERY_MS):
            return []
        self._incident, self._incident_told_ms = open_state, now_ms
        self.notes[_INCIDENT] = open_state or None
        data = {
            "id": self._incident_id,
            "network": self._network,
            "open": bool(open_state),
            "severity": _SEVERITY.get(open_state, "critical") if open_state else "info",
            "reason": f"NODE_{open_state.upper()}: {words}"[:1_000] if open_state else "the node is well again",
        }
        return [Observation("assert", data, kind="incident", observed_at_ms=now_ms)]


def _pace_ms(head: Head, past: Sequence[Entry]) -> int | None:
    """Time between blocks, measured over the last ones."""
    before = [entry for entry in past[-_PACE_BLOCKS:] if entry.number < head.latest.number]
    if not before:
        return None
    first = before[0]
    return max(head.latest.time_ms - first.time_ms, 0) // (head.latest.number - first.number)
