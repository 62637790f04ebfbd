"""Kinds: the declared schema of facts. Values are exact: int, str, bool, tuple; never a float."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

#: A decoded value. ``None`` stands for an absent optional field. ``json`` fields hold canonical JSON text (str).
Scalar = int | str | bool
Value = int | str | bool | tuple[Scalar, ...] | None

#: Types whose values are exact integers.
NUMERIC: Final = frozenset({"int", "uint256", "amount", "wei", "bps", "ppm", "timestamp", "duration", "quantity"})
#: Numeric types that travel as JSON integers; all other numbers travel as decimal strings.
JSON_INTEGER: Final = frozenset({"int", "bps", "ppm", "timestamp", "duration"})
#: Plain numbers: they mix with each other and scale any quantity.
PLAIN: Final = frozenset({"int", "uint256", "bps", "ppm", "quantity"})
#: Types whose values are text.
TEXTUAL: Final = frozenset({"id", "text", "hash", "address", "enum"})
TYPE_NAMES: Final = NUMERIC | TEXTUAL | {"bool", "list", "json"}


@dataclass(frozen=True, slots=True)
class Type:
    """A field's or an expression's type.

    Attributes:
        name: one of ``TYPE_NAMES``.
        asset_field: for ``amount(f)``: the field of the same kind that names the asset; ``None`` for an amount whose
            asset is known otherwise (an expression) or not at all.
        options: for ``enum(a, b)``: the allowed words.
        item: for ``list(T)``: T.
    """

    name: str
    asset_field: str | None = None
    options: tuple[str, ...] = ()
    item: Type | None = None

    def __str__(self) -> str:
        """As a pack spells it."""
        if self.name == "amount" and self.asset_field:
            return f"amount({self.asset_field})"
        if self.name == "enum":
            return f"enum({', '.join(self.options)})"
        if self.name == "list":
            return f"list({self.item})"
        return self.name


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind. ``optional`` fields may be absent (``None``); a ``default`` stands in for absence."""

    name: str
    type: Type
    optional: bool = False
    default: Value = None


@dataclass(frozen=True)
class Kind:
    """The schema of a kind of facts.

    Attributes:
        name: global name.
        fields: in declaration order; a fact's values are a tuple in this order.
        key: names of the key fields; together they identify a fact.
        order: fields that order claims of one key, newest last; empty: observed_at, then seq, then journal position.
        per_source: keep the newest claim of each source (at most ``MAX_CLAIMS``) instead of one.
        ttl_ms: a claim is gone when older than this (age = now - observed_at > ttl); ``None``: no ttl.
        keep_while_used: stays while an open coordination refers to it, and 24 h at least.
        permanent: never expires; then ``limit`` bounds the number of keys.
        limit: most keys of a permanent kind.
        chain_network: field naming the network a claim stands on, with ``chain_block`` its block hash.
        chain_block: see ``chain_network``; both or neither.
        event: immutable once asserted.
        concluded: only rules make it (``conclude``), never injected.
        engine: one of the engine's own kinds, never injected.
        doc: for people.
    """

    name: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    order: tuple[str, ...] = ()
    per_source: bool = False
    ttl_ms: int | None = None
    keep_while_used: bool = False
    permanent: bool = False
    limit: int | None = None
    chain_network: str | None = None
    chain_block: str | None = None
    event: bool = False
    concluded: bool = False
    engine: bool = False
    doc: str = ""

    @cached_property
    def positions(self) -> dict[str, int]:
        """Field name → index into a fact's values."""
        return {f.name: i for i, f in enumerate(self.fields)}

    @cached_property
    def key_positions(self) -> tuple[int, ...]:
        """Indexes of the key fields, in the order of ``key``."""
        return tuple(self.positions[name] for name in self.key)

    @cached_property
    def order_positions(self) -> tuple[int, ...]:
        """Indexes of the order fields, in the order of ``order``."""
        return tuple(self.positions[name] for name in self.order)

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            KeyError: the kind has no such field.
        """
        return self.fields[self.positions[name]]


def _kind(name: str, key: tuple[str, ...], doc: str, /, **fields: str) -> Kind:
    """An engine kind from ``field='type?'`` words."""
    made = []
    for field, spec in fields.items():
        optional = spec.endswith("?")
        word = spec.rstrip("?")
        options: tuple[str, ...] = ()
        if word.startswith("enum("):
            options = tuple(w.strip() for w in word[5:-1].split(","))
            word = "enum"
        made.append(Field(field, Type(word, options=options), optional))
    return Kind(name, tuple(made), key, permanent=True, limit=1_000_000, engine=True, doc=doc)


#: Statuses of a command, in no order. Final: done refused failed expired withdrawn. ``unknown`` may still change.
COMMAND_STATUSES: Final = (
    "queued",
    "sent",
    "submitted",
    "done",
    "refused",
    "failed",
    "unknown",
    "expired",
    "withdrawn",
)
FINAL_STATUSES: Final = frozenset({"done", "refused", "failed", "expired", "withdrawn"})

#: The engine's own kinds: matched by rules, never injected.
ENGINE_KINDS: Final[dict[str, Kind]] = {
    k.name: k
    for k in (
        _kind(
            "command",
            ("id",),
            "A command a rule made, and what is known of it.",
            id="id",
            connector="id",
            verb="id",
            rule="id",
            coordination="id?",
            step="id?",
            attempt="int",
            status=f"enum({', '.join(COMMAND_STATUSES)})",
            at="timestamp",
        ),
        _kind(
            "coordination",
            ("id",),
            "A plan being driven for one subject.",
            id="id",
            plan="id",
            subject="id",
            state="enum(open, ended)",
            verdict="id?",
            reason="id?",
            provisional="bool",
            started_at="timestamp",
            deadline="timestamp?",
        ),
        _kind(
            "step",
            ("id",),
            "A step of a coordination.",
            id="id",
            coordination="id",
            plan="id",
            name="id",
            state="enum(planned, ready, commanded, submitted, seen, confirmed, refused, failed, unknown, unconfirmed,"
            " undoing, undone, stuck)",
            attempt="int",
            since="timestamp",
            commanded_at="timestamp?",
            confirmed_at="timestamp?",
        ),
        _kind(
            "reservation",
            ("id",),
            "A part of a reported amount that a step has set aside.",
            id="id",
            coordination="id",
            step="id",
            of="id",
            amount="uint256",
            until="timestamp",
            kind="id",
            field="id",
        ),
        _kind(
            "holding",
            ("coordination", "place", "asset"),
            "Where a coordination's value is now.",
            coordination="id",
            place="id",
            asset="id",
            amount="uint256",
        ),
        _kind(
            "schedule",
            ("name",),
            "A schedule's last occurrence; for windows, whether it is open.",
            name="id",
            at="timestamp",
            open="bool",
        ),
        _kind(
            "source",
            ("id",),
            "A reporter, as the engine knows it.",
            id="id",
            last_seen="timestamp",
            state="enum(ok, skewed, silent, noisy)",
            skewed="int",
            superseded="int",
            rejected="int",
        ),
    )
}
