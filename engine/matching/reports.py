"""Entries that are not facts: reports about commands, reorganisations, and the engine's own signed words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine import limits
from engine.errors import FactRejectedError
from engine.matching.envelope import Envelope
from engine.matching.strict_json import parse_object
from engine.model.kinds import COMMAND_STATUSES, FINAL_STATUSES, Value
from engine.model.signing import verify

if TYPE_CHECKING:
    from engine.matching.engine import Engine

#: What an executor may say of a command.
REPORTED: Final = ("submitted", "done", "refused", "failed", "unknown")
#: A status never gives way to one of lower rank; between ``submitted`` and ``unknown`` the last word counts.
_RANK: Final = {"queued": 0, "sent": 1, "submitted": 2, "unknown": 2}
#: Blocks of one reorganisation entry; deeper ones are told in several.
_MAX_BLOCKS: Final = 1_024


class Reports:
    """Takes reports, reorganisations and signed entries on behalf of the engine.

    Attributes:
        writers: writer → last number seen, for entries that carry the engine's signature.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.writers: dict[str, int] = {}

    # -- commands --------------------------------------------------------------
    def report(self, envelope: Envelope, now: int) -> None:
        """An executor's word about a command."""
        body = parse_object(envelope.data)
        command, status = _text(body, "command"), _text(body, "status")
        _refuse_others(body, ("command", "status", "detail"))
        if status not in REPORTED:
            raise FactRejectedError("F310", f"unknown report status {status!r}", f"one of {', '.join(REPORTED)}")
        self._move(command, status, envelope.source, body.get("detail"), now, is_reported=True)

    def _move(self, command: str, status: str, source: str, detail: object, now: int, *, is_reported: bool) -> None:
        engine = self.engine
        memory = engine.base.memories["command"]
        fact = memory.facts.get((command,))
        if fact is None:
            days = limits.COMMAND_KEEP_MS // 86_400_000
            raise FactRejectedError(
                "F309", f"no command {command!r} is known", f"send the id as it was given; it is kept for {days} days"
            )
        position = memory.kind.positions["status"]
        before = fact.values[position]
        said: dict[str, Any] = {
            "event": "reported",
            "command": command,
            "status": status,
            "source": source,
            "detail": detail,
        }
        if before in FINAL_STATUSES:
            if status in FINAL_STATUSES and status != before:
                engine.effects.events.append(said | {"event": "disputed", "stands": before})
            return
        if status == before or (status not in FINAL_STATUSES and _RANK.get(status, 0) < _RANK.get(str(before), 0)):
            return
        if status == "unknown" and before == "submitted" and not is_reported:
            return  # dispatch missed a report that the journal has
        row: dict[str, Value] = dict(zip(memory.kind.positions, fact.values, strict=True))
        engine.effects.put_engine_fact("command", row | {"status": status}, now)
        engine.effects.events.append(said)
        if status in FINAL_STATUSES:
            engine.changes.ended[command] = status
        if engine.driver is not None:
            engine.driver.command_moved(command, status, source)

    # -- chains ----------------------------------------------------------------
    def reorganise(self, envelope: Envelope, now: int) -> None:
        """Blocks left a chain, and others came: what stood on the former is retracted, without tombstone."""
        body = parse_object(envelope.data)
        network = _text(body, "network")
        _refuse_others(body, ("network", "removed", "added"))
        removed, added = _hashes(body, "removed"), _hashes(body, "added")
        if len(removed) + len(added) > _MAX_BLOCKS:
            raise FactRejectedError("F312", f"more than {_MAX_BLOCKS} blocks in one entry", "send several entries")
        gone: set[tuple[str, tuple[Any, ...]]] = set()
        for block in removed:
            gone |= self.engine.base.remove_block(network, block, now)
        if gone and self.engine.driver is not None:
            self.engine.driver.reorganised(gone)
        for block in added:
            self.engine.base.restore_block(network, block)
        self.engine.effects.events.append(
            {"event": "reorg", "network": network, "removed": removed, "added": added, "source": envelope.source}
        )

    # -- signed entries ----------------------------------------------------------
    def signed(self, envelope: Envelope, now: int) -> None:
        """A ``result`` of dispatch or a ``control`` of an operator."""
        self.check_signature(envelope)
        body = parse_object(envelope.data)
        if envelope.op == "control":
            self._control(body)
            return
        command, status = _text(body, "command"), _text(body, "status")
        if status not in COMMAND_STATUSES:
            raise FactRejectedError("F310", f"unknown status {status!r}", f"one of {', '.join(COMMAND_STATUSES)}")
        self._move(command, status, envelope.source, body.get("detail"), now, is_reported=False)

    def check_signature(self, envelope: Envelope) -> None:
        """Refuse what the engine did not sign, or has already read.

        Raises:
            FactRejectedError: F307 or F308.
        """
        if envelope.writer is None or envelope.n is None:
            raise FactRejectedError(
                "F307",
                f"op {envelope.op} needs the engine's signature",
                "senders use assert, retract, reorg and report",
            )
        if not self._is_signed(envelope):
            raise FactRejectedError("F307", f"the signature of op {envelope.op} does not fit", "is it the same secret?")
        last = self.writers.get(envelope.writer, -1)
        if envelope.n <= last:
            raise FactRejectedError(
                "F308", f"writer {envelope.writer} has already said n {envelope.n}", "a signed entry counts once"
            )
        self.writers[envelope.writer] = envelope.n
        self.engine.changes.meta[f"writer:{envelope.writer}"] = str(envelope.n)

    def _is_signed(self, envelope: Envelope) -> bool:
        surroundings = self.engine.surroundings
        if surroundings.recalled is not None:
            return surroundings.recalled.is_signed(self.engine.position)
        return verify(envelope.mapping(), surroundings.secret)

    def _control(self, body: dict[str, Any]) -> None:
        action, what = _text(body, "action"), _text(body, "what")
        if action == "close":
            self._close(what)
            return
        if action not in ("pause", "resume"):
            raise FactRejectedError("F313", f"unknown action {action!r}", "pause, resume or close")
        self.engine.changes.meta[f"paused:{what}"] = "1" if action == "pause" else None
        self.engine.effects.events.append({"event": "control", "action": action, "what": what})
        scope, _, name = what.partition(":")
        if action == "resume" and scope == "rule":
            self.engine.firing.release(name)

    def _close(self, coordination: str) -> None:
        """An operator has seen to what a stopped coordination left.

        Raises:
            FactRejectedError: F321, there is no such coordination, or it is not stopped.
        """
        driver = self.engine.driver
        if driver is None or not driver.close(coordination):
            raise FactRejectedError(
                "F321",
                f"no coordination {coordination} is stopped and open",
                "only what was stopped is closed by hand; send a cancel for others",
            )
        self.engine.effects.events.append({"event": "control", "action": "close", "what": coordination})


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise FactRejectedError("F313", f"data needs a text {name!r}", f'{{"{name}": "…"}}')
    return value


def _refuse_others(body: dict[str, Any], known: tuple[str, ...]) -> None:
    others = [name for name in body if name not in known]
    if others:
        raise FactRejectedError("F313", f"unknown field {others[0]!r} in data", f"it takes {', '.join(known)}")


def _hashes(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise FactRejectedError("F312", f"{name} is a list of block hashes", '{"network": "…", "removed": ["0x…"]}')
    return [item.lower() if item[:2] in ("0x", "0X") else item for item in value]
