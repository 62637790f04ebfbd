"""Collects what a batch of decisions changes, and writes it down once per commit, however often it changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.errors import LockstepError
from engine.matching.fact import Claim, Fact, Key
from engine.model.journal import ChangeSet, Cursor, OutboxCommand, Rejection, StreamId
from engine.model.kinds import Value
from engine.model.records import encode_claim, fact_field

if TYPE_CHECKING:
    from engine.matching.group import Group
    from engine.matching.match import Match
    from engine.matching.node import RuleNode
    from engine.matching.tombstones import Tombstone


def dumps(value: object) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()


class Changes:
    """What is not committed yet."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Fact, str], None] = {}
        self._groups: dict[tuple[str, str], Group | None] = {}
        self._distinct: dict[tuple[RuleNode, tuple[Key, ...], int], None] = {}
        self._cases: dict[bytes, Callable[[], bytes | None]] = {}
        self.active: dict[bytes, bytes | None] = {}
        self.meta: dict[str, str | None] = {}
        self.commands: list[OutboxCommand] = []
        self.withdrawn: list[str] = []
        self.ended: dict[str, str] = {}
        self.audit: list[list[tuple[str, bytes]]] = []
        self.rejected: list[Rejection] = []
        self.clock: list[tuple[StreamId, int]] = []
        self.done: dict[bytes, bytes | None] = {}

    # -- noting -----------------------------------------------------------------
    def claim_changed(self, fact: Fact, source: str) -> None:
        """A claim came, changed or went."""
        self._facts[(fact, source if fact.claims is not None else "")] = None

    def group_changed(self, group: Group) -> None:
        """A group began, moved on or ended."""
        self._groups[(group.node.name, group.text)] = group

    def group_renamed(self, rule: str, text: str) -> None:
        """A record under a name that no rule has any more is to be dropped."""
        self._groups[(rule, text)] = None

    def distinct_changed(self, node: RuleNode, match: Match, seat: int) -> None:
        """The values a ``for_distinct`` has seen changed."""
        self._distinct[(node, match.key, seat)] = None

    def distinct_changed_key(self, node: RuleNode, key: tuple[Key, ...], seat: int) -> None:
        """As ``distinct_changed``, for a match that is no more."""
        self._distinct[(node, key, seat)] = None

    def distinct_forgotten(self, rule: str, key: tuple[Key, ...], seat: int) -> None:
        """As ``distinct_changed``, for a rule that is no more."""
        self.active[dumps(["d", rule, key, seat])] = None

    def tombstone_changed(self, kind: str, key: Key, source: str, stone: Tombstone | None) -> None:
        """A tombstone was set or has passed."""
        record = None if stone is None else dumps([list(stone.order), *stone[1:]])
        self.active[dumps(["t", kind, list(key), source])] = record

    def block_changed(self, network: str, block: str, until: int | None) -> None:
        """A block was removed or restored."""
        self.active[dumps(["b", network, block])] = None if until is None else dumps(until)

    def case_changed(self, plan: str, key: object, record: Callable[[], bytes | None]) -> None:
        """A coordination changed; ``record`` writes it down when the commit is made, or gives None if it is gone."""
        self._cases[dumps(["p", plan, key])] = record

    def once_changed(self, name: str, key: Value, at: int | None) -> None:
        """A ``once`` key was remembered or has passed."""
        self.active[dumps(["o", name, key])] = None if at is None else dumps(at)

    def throttle_changed(self, rule: str, per: Value, at: int | None) -> None:
        """A throttle's last firing moved or has passed."""
        self.active[dumps(["h", rule, per])] = None if at is None else dumps(at)

    def suspended_changed(self, rule: str, *, is_suspended: bool) -> None:
        """A rule was suspended after a run-away chain, or let go again."""
        self.active[dumps(["s", rule])] = b"1" if is_suspended else None

    def schedule_changed(self, name: str, at: int) -> None:
        """A schedule is known to have been followed up to ``at``."""
        self.active[dumps(["c", name])] = dumps(at)

    # -- writing down ------------------------------------------------------------
    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit but a cursor."""
        return not (
            self._facts
            or self._groups
            or self._distinct
            or self._cases
            or self.active
            or self.meta
            or self.commands
            or self.withdrawn
            or self.ended
            or self.audit
            or self.rejected
            or self.clock
            or self.done
        )

    def discard(self) -> None:
        """Forget what was noted: it is committed already."""
        self.__init__()  # type: ignore[misc]

    def change_set(self, expect: Cursor, cursor: Cursor, commit_id: str) -> ChangeSet:
        """Everything noted so far as one change set; the collector is empty afterwards."""
        facts: dict[bytes, bytes | None] = {}
        for fact, source in self._facts:
            field = claim_field(fact, source)
            facts[field] = claim_record(fact, source)
        for (rule, text), group in self._groups.items():
            is_gone = group is None or not group.members
            record = None if is_gone or group is None else dumps(group_record(group))
            self.active[dumps(["g", rule, json.loads(text)])] = record
        for name, record_of in self._cases.items():
            self.active[name] = record_of()
        for node, key, seat in self._distinct:
            values = node.distinct.get((key, seat))
            self.active[dumps(["d", node.name, key, seat])] = None if values is None else dumps(values)
        change = ChangeSet(
            expect,
            cursor,
            commit_id,
            facts,
            self.active,
            self.meta,
            self.commands,
            self.withdrawn,
            self.ended,
            self.audit,
            self.rejected,
            self.clock,
            self.done,
        )
        self.__init__()  # type: ignore[misc]
        return change


def claim_field(fact: Fact, source: str) -> bytes:
    """The field of a claim in the ``facts`` hash."""
    return fact_field(fact.memory.name, fact.key, source if fact.claims is not None else None)


def claim_record(fact: Fact, source: str) -> bytes | None:
    """The record of a claim, or None if it is gone."""
    if not fact.is_alive:
        return None
    claim: Claim | None = fact.claim if fact.claims is None else fact.claims.get(source)
    if claim is None:
        return None
    return encode_claim(claim.at, claim.seq, claim.position, claim.source, claim.data)


def group_record(group: Group) -> dict[str, Any]:
    """What is kept of a group; see ``restore.py`` for the way back. Equal groups have equal records."""
    members = {match.text: since for match, since in sorted(group.members.items(), key=lambda m: (m[0].text, -m[1]))}
    record: dict[str, Any] = {
        "since": group.since,
        "state": int(group.state),
        "members": [[json.loads(text), since] for text, since in members.items()],
    }
    if group.due:
        record["due"] = group.due
    if group.moment != group.since:
        record["moment"] = group.moment
    if group.attempt:
        record |= {"fired_at": group.fired_at, "attempt": group.attempt, "activation": group.activation}
        record["match"] = None if group.match is None else json.loads(group.match.text)
    if group.has_fired:
        record["has_fired"] = True
        if group.applied != {"then": (group.fired_at, 1)}:
            record["applied"] = group.applied
    if group.supports:
        record["supports"] = [
            [number, group.supports[number][0].name, list(group.supports[number][1]), _plain(group, number)]
            for number in sorted(group.supports)
        ]
    if group.ended:
        record["ended"] = [_ending(item) for item in group.ended]
    return record


def _ending(item: Any) -> Any:  # noqa: ANN401 - an evaluated effect, or why it could not be
    """Values of an effect of ``ended``: they were evaluated at an instant that nobody can go back to."""
    return {"code": item.code, "message": item.message} if isinstance(item, LockstepError) else item[2]


def _plain(group: Group, number: int) -> list[Any]:
    memory, key = group.supports[number]
    values = memory.supporters[key][(group.node.name, group.text, number)]
    return [list(v) if isinstance(v, tuple) else v for v in values]
