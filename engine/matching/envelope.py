"""The outer form of a journal entry: which operation, about what, by whom.

``docs/facts.md`` is the page for senders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from engine.errors import FactRejectedError
from engine.limits import MAX_DATA_BYTES, MAX_ENVELOPE_BYTES, MAX_JSON_INT
from engine.matching.scalars import id_problem

#: Operations about one kind; the others carry everything in ``data``.
KIND_OPS: Final = frozenset({"assert", "retract"})
OPS: Final = ("assert", "retract", "reorg", "report", "result", "rulebase", "control")
FIELDS: Final = ("op", "kind", "source", "data", "observed_at", "seq", "id", "writer", "n", "sig")

#: ``seq`` and ``n`` are at most that: senders use counters or nanoseconds.
MAX_SEQ: Final = 2**64 - 1

_KNOWN_OPS: Final = {op.encode(): op for op in OPS}
_KIND_OPS: Final = {op.encode(): op for op in sorted(KIND_OPS)}
_KNOWN_FIELDS: Final = frozenset(name.encode() for name in FIELDS)
_SIGNATURE_FIELDS: Final = (b"writer", b"n", b"sig")
_HEX_DIGITS: Final = frozenset(b"0123456789abcdef")
_SHOWN_BYTES: Final = 60
#: Decimal numbers of fewer digits than 2^53 has need no comparison.
_SURELY_SMALL: Final = 15
#: Senders and kinds are few and repeat; their checked text is kept for so many of them.
_REMEMBERED: Final = 4_096


@dataclass(slots=True)
class Envelope:
    """A journal entry's fields, checked one by one but not yet against each other or the rule base.

    Attributes:
        op: one of ``OPS``.
        kind: name of the kind for assert and retract, empty for the others.
        source: who says it.
        observed_at: unix ms, or None: the entry's time.
        seq: the sender's sequence number, or None.
        ref: the sender's reference (field ``id``), echoed in audit and rejections.
        data: JSON text as received, not yet parsed; at most ``MAX_DATA_BYTES``.
        writer: who signed it, or None. ``writer``, ``n`` and ``sig`` come together or not at all.
        n: the writer's strictly rising number.
        sig: the signature, 64 hex digits, not yet verified.
        fields: the entry as it was read, for the signature and for ``rejected``.
    """

    op: str
    kind: str
    source: str
    observed_at: int | None
    seq: int | None
    ref: str | None
    data: bytes
    writer: str | None
    n: int | None
    sig: str | None
    fields: list[bytes]

    def mapping(self) -> dict[str, bytes]:
        """Field name → value, as ``signing.verify`` takes it."""
        return {name.decode(): value for name, value in zip(self.fields[::2], self.fields[1::2], strict=True)}


def _shown(value: bytes) -> str:
    text = repr(value[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"))
    return text if len(value) <= _SHOWN_BYTES else f"{text}… ({len(value)} bytes)"


def _remembered_id(name: str) -> Callable[[bytes], str]:
    """A reader of the envelope field ``name`` as an id; refusals are not remembered."""

    @lru_cache(maxsize=_REMEMBERED)
    def read(value: bytes) -> str:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise FactRejectedError("F106", f"{name} is not UTF-8: {_shown(value)}", "send UTF-8 text") from None
        problem = id_problem(text)
        if problem:
            raise FactRejectedError(
                "F106",
                f"{name} {problem}: {_shown(value)}",
                "1 to 256 bytes of UTF-8 in normal form C, without control characters",
            )
        return text

    return read


_read_kind: Final = _remembered_id("kind")
_read_source: Final = _remembered_id("source")
_read_ref: Final = _remembered_id("id")
_read_writer: Final = _remembered_id("writer")


def _read_integer(name: str, value: bytes, limit: int) -> int:
    if value.isdigit() and (value[0] != 0x30 or len(value) == 1):
        if len(value) <= _SURELY_SMALL:
            return int(value)
        if len(value) <= len(str(limit)) and int(value) <= limit:
            return int(value)
        raise FactRejectedError("F109", f"{name} is too large: {_shown(value)}", f"at most {limit}")
    unit = "unix time in milliseconds" if name == "observed_at" else "a whole number"
    raise FactRejectedError(
        "F109", f"{name} is not a number: {_shown(value)}", f"{unit} in digits, without sign or leading zeros"
    )


def _read_sig(value: bytes) -> str:
    if len(value) != 64 or not _HEX_DIGITS.issuperset(value):
        raise FactRejectedError("F111", f"sig is not a signature: {_shown(value)}", "64 hex digits in lower case")
    return value.decode()


def parse_envelope(fields: list[bytes]) -> Envelope:
    """A journal entry's envelope.

    Args:
        fields: the entry's fields as Redis gives them: name, value, name, value, …

    Raises:
        FactRejectedError: F101 to F111, see ``docs/facts.md``.
    """
    if (
        len(fields) >= 8
        and fields[0] == b"op"
        and fields[2] == b"kind"
        and fields[4] == b"source"
        and fields[6] == b"data"
        and len(fields[7]) <= MAX_DATA_BYTES
    ):  # the order in which the documented example sends them
        op = _KIND_OPS.get(fields[1])
        if op is not None:
            kind, source = _read_kind(fields[3]), _read_source(fields[5])
            if len(fields) == 8:
                return Envelope(op, kind, source, None, None, None, fields[7], None, None, None, fields)
            if len(fields) == 10 and fields[8] == b"observed_at":
                at = _read_integer("observed_at", fields[9], MAX_JSON_INT)
                return Envelope(op, kind, source, at, None, None, fields[7], None, None, None, fields)
            if len(fields) == 12 and fields[8] == b"observed_at" and fields[10] == b"seq":
                at = _read_integer("observed_at", fields[9], MAX_JSON_INT)
                seq = _read_integer("seq", fields[11], MAX_SEQ)
                return Envelope(op, kind, source, at, seq, None, fields[7], None, None, None, fields)
    return _parse_any(fields)


def _parse_any(fields: list[bytes]) -> Envelope:
    """Any order, any operation, and every message."""
    given = _named(fields)
    op = _read_op(given)
    _check_presence(op, given)
    data = given[b"data"]
    if len(data) > MAX_DATA_BYTES:
        raise FactRejectedError(
            "F107",
            f"data has {len(data)} bytes, at most {MAX_DATA_BYTES} are taken",
            "send a reference to the large part instead",
        )
    observed_at, seq, n = given.get(b"observed_at"), given.get(b"seq"), given.get(b"n")
    kind, ref = given.get(b"kind"), given.get(b"id")
    writer, sig = given.get(b"writer"), given.get(b"sig")
    return Envelope(
        op,
        "" if kind is None else _read_kind(kind),
        _read_source(given[b"source"]),
        None if observed_at is None else _read_integer("observed_at", observed_at, MAX_JSON_INT),
        None if seq is None else _read_integer("seq", seq, MAX_SEQ),
        None if ref is None else _read_ref(ref),
        data,
        None if writer is None else _read_writer(writer),
        None if n is None else _read_integer("n", n, MAX_SEQ),
        None if sig is None else _read_sig(sig),
        fields,
    )


def _named(fields: list[bytes]) -> dict[bytes, bytes]:
    if len(fields) % 2:
        raise FactRejectedError("F101", "the entry's fields are not pairs of name and value", "send name value …")
    given: dict[bytes, bytes] = {}
    size = 0
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if name not in _KNOWN_FIELDS:
            _refuse_unknown(name)
        if name in given:
            raise FactRejectedError("F103", f"the field {name.decode()} stands twice", "send each field once")
        given[name] = value
        size += len(name) + (len(value) if name != b"data" else 0)
    if size > MAX_ENVELOPE_BYTES:
        raise FactRejectedError(
            "F108",
            f"the fields beside data have {size} bytes, at most {MAX_ENVELOPE_BYTES} are taken",
            "put what is said into data",
        )
    return given


def _refuse_unknown(name: bytes) -> None:
    word = name[:_SHOWN_BYTES].decode("utf-8", "replace")
    close = get_close_matches(word.lower(), FIELDS, 1)
    hint = f"did you mean {close[0]}?" if close else f"an entry takes {', '.join(FIELDS)}; values go into data"
    raise FactRejectedError("F102", f"unknown field {_shown(name)}", hint)


def _read_op(given: dict[bytes, bytes]) -> str:
    word = given.get(b"op")
    if word is None:
        raise FactRejectedError("F104", "missing field op", f"one of {', '.join(OPS[:4])}")
    op = _KNOWN_OPS.get(word)
    if op is None:
        text = word[:_SHOWN_BYTES].decode("utf-8", "replace")
        close = get_close_matches(text.lower(), OPS[:4], 1)
        hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(OPS[:4])}, in lower case"
        raise FactRejectedError("F105", f"unknown op {_shown(word)}", hint)
    return op


def _check_presence(op: str, given: dict[bytes, bytes]) -> None:
    needed = (b"kind", b"source", b"data") if op in KIND_OPS else (b"source", b"data")
    absent = [name.decode() for name in needed if name not in given]
    if absent:
        raise FactRejectedError(
            "F104",
            f"{op} without {', '.join(absent)}",
            f"XADD … op {op} {' '.join(f'{name.decode()} …' for name in needed)}",
        )
    if op not in KIND_OPS and b"kind" in given:
        raise FactRejectedError("F110", f"{op} takes no kind", "leave kind out; all is said in data")
    signed = [name for name in _SIGNATURE_FIELDS if name in given]
    if signed and len(signed) != len(_SIGNATURE_FIELDS):
        raise FactRejectedError(
            "F111", f"{signed[0].decode()} without the rest of a signature", "writer, n and sig come together"
        )


def source_of(fields: list[bytes]) -> str | None:
    """The source an entry names, even if the entry is refused; None if it names none that could be one."""
    for name, value in zip(fields[::2], fields[1::2], strict=False):
        if name == b"source":
            try:
                return _read_source(value)
            except FactRejectedError:
                return None
    return None
