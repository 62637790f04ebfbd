"""Entries that are facts: what sources assert and retract, and why it is refused."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from engine.errors import FactRejectedError
from engine.matching.envelope import Envelope
from engine.matching.fact import Claim
from engine.matching.factbase import FactBase
from engine.matching.memory import Taken, orderly
from engine.matching.tombstones import Word

if TYPE_CHECKING:
    from engine.matching.engine import Engine

_REFUSALS: Final[dict[Taken, tuple[str, str, str]]] = {
    Taken.CONFLICT: ("F305", "an event cannot change", "send a new key, or retract the event first"),
    Taken.FULL: ("F306", "the kind holds as many facts as its limit allows", "retract some, or raise `limit`"),
}


class Intake:
    """Takes facts into the fact base on behalf of the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.base = engine.base

    def asserted(self, envelope: Envelope, now: int) -> None:
        """A source asserts a fact.

        Raises:
            FactRejectedError: F301 to F306, or what its decoder says.
        """
        memory = self.base.memories.get(envelope.kind)
        if memory is None:
            raise _unknown_kind(envelope.kind, self.base)
        kind = memory.kind
        if kind.engine or kind.concluded:
            who = "the engine" if kind.engine else "rules"
            raise FactRejectedError("F302", f"facts of kind {kind.name} are made by {who} alone", "choose another kind")
        decoder = self.base.decoders[kind.name]
        values = decoder.decode(envelope.data)
        at = envelope.observed_at
        has_observed_at = at is not None
        if at is None:
            at = now
        elif at > now + self.engine.surroundings.max_skew_ms:
            raise _skewed(at, now)
        if self.base.removed_blocks:
            removed = self.base.stands_on_removed(memory, values, now)
            if removed is not None:
                raise FactRejectedError(
                    "F304", f"block {removed[1]} of {removed[0]} was reorganised away", "send what the new chain says"
                )
        claim = Claim(envelope.source, values, at, envelope.seq, self.engine.position, envelope.data)
        taken = self.base.put(memory, decoder.key_of(values), claim, now, has_observed_at=has_observed_at)  # type: ignore[arg-type]
        if taken is Taken.SUPERSEDED:
            self._superseded(envelope, now)
        elif taken is Taken.CONFLICT or taken is Taken.FULL:
            code, message, hint = _REFUSALS[taken]
            raise FactRejectedError(code, f"{kind.name}: {message}", hint)

    def _superseded(self, envelope: Envelope, now: int) -> None:
        self.engine.sources.superseded(envelope.source, now)
        self.engine.effects.events.append({"event": "superseded", "kind": envelope.kind, "source": envelope.source})

    def retracted(self, envelope: Envelope, now: int) -> None:
        """A source retracts what it claimed.

        Raises:
            FactRejectedError: F301 to F303, or what its decoder says.
        """
        memory = self.base.memories.get(envelope.kind)
        if memory is None:
            raise _unknown_kind(envelope.kind, self.base)
        if memory.kind.engine or memory.kind.concluded:
            hint = "it goes when what made it no longer holds; retract what it stands on"
            raise FactRejectedError("F302", f"facts of kind {memory.name} are not retracted by senders", hint)
        key, order = self.base.decoders[memory.name].decode_retract(envelope.data)
        at = now if envelope.observed_at is None else envelope.observed_at
        if at > now + self.engine.surroundings.max_skew_ms:
            raise _skewed(at, now)
        word = Word(envelope.source, at, envelope.seq, envelope.observed_at is not None)
        taken = self.base.retract(memory, key, orderly(order or ()), word, now)  # type: ignore[arg-type]
        if not taken:
            self._superseded(envelope, now)


def _skewed(at: int, now: int) -> FactRejectedError:
    message = f"observed_at {at} is {at - now} ms ahead of the entry's time {now}"
    return FactRejectedError("F303", message, "set the sender's clock; observed_at is unix milliseconds")


def _unknown_kind(name: str, base: FactBase) -> FactRejectedError:
    known = sorted(n for n, m in base.memories.items() if not m.kind.engine)
    close = get_close_matches(name, known, 1)
    hint = f"known kinds: {', '.join(known[:40])}" if known else "push a pack that declares it"
    hint = f"did you mean {close[0]}? {hint}" if close else hint
    return FactRejectedError("F301", f"no pack in force declares a kind {name!r}", hint)
