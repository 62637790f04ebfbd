"""Reads signatures as people write them: ``Transfer(address indexed from, address indexed to, uint256 value)``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
_ARRAY: Final = re.compile(r"(?:\[\d*\])+\Z")
_ALIASES: Final = {"uint": "uint256", "int": "int256", "byte": "bytes1"}
#: Words that say where a value lies, not what it is.
_PLACES: Final = frozenset({"memory", "calldata", "storage", "payable"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function or event.

    Attributes:
        name: as declared; ``arg0``, ``arg1``, … where it has none.
        type: canonical, tuples spelled out: ``(uint256,address)[]``.
        indexed: of an event, in its topics.
        components: the parts of a tuple, or of a list's tuples.
    """

    name: str
    type: str
    indexed: bool = False
    components: tuple[Parameter, ...] = ()

    @property
    def is_word(self) -> bool:
        """It fits 32 bytes, so that an indexed one stands in its topic as itself and not as its hash."""
        return not (self.type.endswith("]") or self.components or self.type in ("string", "bytes"))

    @property
    def is_plain(self) -> bool:
        """One value, neither a list nor a tuple."""
        return not (self.type.endswith("]") or self.components)

    def item(self) -> Parameter:
        """What a list holds."""
        return replace(self, type=self.type[: self.type.rindex("[")], indexed=False)


def parse_signature(text: str) -> tuple[str, tuple[Parameter, ...]]:
    """Name and parameters; what follows the closing parenthesis (``view``, ``external``) is passed over.

    Raises:
        ValueError: it is no signature; with what is wrong.
    """
    name, separator, rest = text.strip().partition("(")
    if not separator or not _NAME.match(name.strip()):
        raise ValueError("write it as name(type name, …)")
    inside, _ = _closed(rest)
    parameters = tuple(_parameter(part, index) for index, part in enumerate(_split(inside)))
    names = [p.name for p in parameters]
    if len(set(names)) != len(names):
        raise ValueError("two parameters have the same name")
    return name.strip(), parameters


def _parameter(text: str, index: int) -> Parameter:
    text = text.strip()
    components: tuple[Parameter, ...] = ()
    if text.startswith(("(", "tuple(")):
        inside, rest = _closed(text[text.index("(") + 1 :])
        components = tuple(_parameter(part, i) for i, part in enumerate(_split(inside)))
        array, _, tail = rest.partition(" ") if rest.startswith("[") else ("", "", rest)
        kind = f"({','.join(c.type for c in components)}){array}"
        words = tail.split()
    else:
        words = text.split()
        if not words:
            raise ValueError("a parameter is empty")
        kind = words.pop(0)
        array = _ARRAY.search(kind)[0] if _ARRAY.search(kind) else ""  # type: ignore[index]
        base = kind.removesuffix(array)
        kind = _ALIASES.get(base, base) + array
    indexed = "indexed" in words
    rest_words = [w for w in words if w != "indexed" and w not in _PLACES]
    if len(rest_words) > 1 or (rest_words and not _NAME.match(rest_words[0])):
        raise ValueError(f"'{text}' is no parameter; write 'type name' or 'type indexed name'")
    return Parameter(rest_words[0] if rest_words else f"arg{index}", kind, indexed, components)


def _closed(text: str) -> tuple[str, str]:
    """What stands before the parenthesis that closes an opened one, and what after."""
    depth = 1
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return text[:position], text[position + 1 :]
    raise ValueError("a parenthesis is not closed")


def _split(text: str) -> list[str]:
    """At the commas outside parentheses."""
    if not text.strip():
        return []
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
