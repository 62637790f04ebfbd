"""Kinds for random programs: few keys, so that things collide, and numbers both small and beyond 64 bits.

Kinds have levels, so that no cycle goes through a negation or an aggregate: rules of level L write kinds of level L,
match those of levels up to L, and negate or sum only those below.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from engine.model.kinds import ENGINE_KINDS, NUMERIC, Kind, Value
from tests.support import ir

IDS = ("a", "b", "c")
MOSTLY = ("a", "a", "a", "b", "b", "c")
BLOCKS = ("0x01", "0x02")
SOURCES = ("s1", "s2", "s3")
SMALL = st.integers(0, 3)
LARGE = st.sampled_from([2**63 - 1, 2**63, 2**64, 10**19 + 1, 2**255 - 1])
#: What conditions compare with.
LIMITS = st.sampled_from([0, 1, 1, 2, 2, 3, 2**63, 10**19 + 1])
NUMBERS = st.one_of(SMALL, SMALL, SMALL, SMALL, LARGE)


@dataclass(frozen=True)
class Vocabulary:
    """The kinds of one program. ``durations``: what its rules count in; ``levels``: kind name → level."""

    kinds: dict[str, Kind]
    durations: tuple[int, ...]
    levels: dict[str, int]

    def injected(self) -> list[Kind]:
        """The kinds that sources may assert."""
        return [k for k in self.kinds.values() if not k.concluded]

    def below(self, level: int) -> list[Kind]:
        """The kinds that a rule of that level may negate and sum."""
        return [k for k in self.kinds.values() if self.levels[k.name] < level]

    def written(self, level: int, *, concluded: bool) -> list[Kind]:
        """The kinds that a rule of that level may write."""
        return [k for k in self.kinds.values() if self.levels[k.name] == level and k.concluded == concluded]


LEVELS = {"job": 0, "net": 0, "rate": 0, "seen": 0, "note": 1, "risk": 1, "mark": 2, "doom": 2}


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    """Kinds, and durations that either never meet the entries' instants or often do."""
    offsets = draw(st.sampled_from([(7,), (7,), (0, 999)]))
    durations = tuple(n * 1000 + offset for n in (1, 2, 5, 12) for offset in offsets)
    long = tuple(60_000 + offset for offset in offsets)
    ttl = st.sampled_from([None, None, *durations, *long, *long])
    renewed = st.sampled_from([*durations[2:], *long, *long])

    def lasting() -> ir.KindOptions:
        chosen = draw(ttl)
        return {"permanent": True, "limit": 3} if chosen is None else {"ttl_ms": chosen}

    by_height: ir.KindOptions = {"order": ("height",), "ttl_ms": draw(renewed)}
    per_source: ir.KindOptions = {"per_source": True, "ttl_ms": draw(renewed)}
    if draw(st.booleans()):
        per_source["order"] = ("height",)

    made = [
        ir.kind("job", "id", "id:id owner:id n:int state:open|closed opt:int? by:timestamp", **lasting()),
        ir.kind("net", "id", "id:id height:int n:uint256 state:open|closed", **by_height),
        ir.kind("rate", "id", "id:id owner:id height:int n:int", **per_source),
        ir.kind(
            "seen",
            "id owner",
            "id:id owner:id block:hash? n:uint256",
            event=True,
            ttl_ms=draw(st.sampled_from(durations)) * 10,
            chain_network="owner",
            chain_block="block",
        ),
        ir.kind("note", "id", "id:id owner:id n:int", **lasting()),
        ir.kind("mark", "id owner", "id:id owner:id n:uint256", **lasting()),
        ir.kind("risk", "id", "id:id owner:id n:int", concluded=True, permanent=True, limit=100),
        ir.kind("doom", "id owner", "id:id owner:id n:int", concluded=True, permanent=True, limit=100),
    ]
    return Vocabulary({k.name: k for k in made}, durations, LEVELS)


def values_of(kind: Kind) -> st.SearchStrategy[dict[str, Value]]:
    """All fields of a fact."""
    return st.fixed_dictionaries({f.name: value_of(kind, f.name) for f in kind.fields})


def value_of(kind: Kind, name: str) -> st.SearchStrategy[Value]:
    """One field's values."""
    f = kind.field(name)
    if f.type.name == "timestamp":
        plain: st.SearchStrategy[Value] = st.integers(0, 12).map(lambda n: n * 2000 + 7)
        return st.one_of(plain, st.integers(0, 24).map(lambda n: n * 1000))
    if f.name == "height":
        plain = st.integers(1, 4)
    elif f.type.name in NUMERIC:
        plain = NUMBERS
    elif f.type.name == "enum":
        plain = st.sampled_from((f.type.options[0], *f.type.options))
    elif f.type.name == "hash":
        plain = st.sampled_from(BLOCKS)
    else:
        plain = st.sampled_from(MOSTLY)
    return st.one_of(st.none(), plain) if f.optional else plain


COMMAND = ENGINE_KINDS["command"]
SCHEDULE = ENGINE_KINDS["schedule"]
