"""A look at expression text before Python's parser sees it.

Python would read more than the language means (``1_000``, ``0x10``, ``# …``, ``"a" "b"``, escapes), and some of it
would silently mean something else than the author thinks. So text is scanned first, and refused with the exact place.
"""

from __future__ import annotations

import keyword
import re
from typing import NamedTuple

from engine.limits import MAX_DIGITS, MAX_EXPRESSION_CHARS, MAX_EXPRESSION_DEPTH


class Flaw(NamedTuple):
    """What is wrong at ``offset`` (0-based, in characters) of an expression."""

    offset: int
    code: str
    message: str
    hint: str = ""


_NUMBER = re.compile(r"\d[\w.]*|\.\d[\w.]*")
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FLOAT = re.compile(r"\d+\.\d*|\.\d+|\d+(\.\d*)?[eE]\d*", re.ASCII)
_INTEGER = re.compile(r"0|[1-9][0-9]*", re.ASCII)
#: How YAML values spell a unit → how an expression does.
_UNITS = {
    "gwei": "gwei({})",
    "ether": "ether({})",
    "wei": "{}",
    "ms": "{}",
    "s": "seconds({})",
    "m": "minutes({})",
    "h": "hours({})",
    "d": "days({})",
    "bps": "bps({})",
    "ppm": "{}",
}
_WITH_UNIT = re.compile(rf"([0-9][0-9_]*)[ \t]*({'|'.join(_UNITS)})\b", re.ASCII)
_PREFIXES = frozenset({"f", "b", "r", "u", "fr", "rf", "br", "rb"})
#: What editors and web pages make of plain characters.
_TYPOGRAPHIC = {
    **dict.fromkeys("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb", "write a straight quote, \" or '"),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", "write a plain blank"),
    **dict.fromkeys("\u2010\u2011\u2013\u2212", "write -"),
    "\u2260": "write !=",
    "\u2264": "write <=",
    "\u2265": "write >=",
    "\u00d7": "write *",
}
_OPERATORS = frozenset("+-*=!<>()[],.")
_DIVISIONS = {
    "//": "write floor_div(a, b)",
    "**": "write pow10(n) for a power of ten",
    "/": "write floor_div(a, b) or ceil_div(a, b), which name their rounding",
    "%": "write mod(a, b)",
}
#: Words Python keeps for itself: no name of a pack's field, alias or parameter can be read if it is one of them.
KEYWORDS = frozenset(keyword.kwlist)
_LOOP_HINT = "match facts by patterns, sum: or count:"
_WORD_HINTS = {
    "is": "write == or !=",
    "lambda": "write let:",
    "global": "name it otherwise",
    "from": "name it otherwise",
}
_SPOKEN = frozenset({"and", "or", "not", "in", "if", "else", "True", "False"})


def scan(text: str) -> Flaw | None:
    """The first thing in the text that is no part of the language, or None."""
    if len(text) > MAX_EXPRESSION_CHARS:
        return Flaw(0, "E201", f"expression of {len(text)} characters", f"at most {MAX_EXPRESSION_CHARS}: use let")
    if not text.strip():
        return Flaw(0, "E200", "empty expression", "write a condition or a value")
    offset = depth = 0
    after_string = False
    while offset < len(text):
        char = text[offset]
        if char in " \t\r\n":
            offset += 1
            continue
        if char in "\"'":
            if after_string:
                return Flaw(offset, "E200", "two texts in a row", "put a comma between them")
            end = text.find(char, offset + 1)
            if (flaw := _string_flaw(text, offset, end)) is not None:
                return flaw
            offset, after_string = end + 1, True
            continue
        after_string = False
        depth += (char in "([") - (char in ")]")
        if depth > MAX_EXPRESSION_DEPTH:
            return Flaw(offset, "E201", "too many nested brackets", f"at most {MAX_EXPRESSION_DEPTH}: use let")
        found = _token(text, offset)
        if isinstance(found, Flaw):
            return found
        offset = found
    return None


def _string_flaw(text: str, start: int, end: int) -> Flaw | None:
    if end < 0:
        return Flaw(start, "E200", "text without its closing quote", f"end it with {text[start]}")
    for offset in range(start + 1, end):
        if text[offset] == "\\":
            return Flaw(offset, "E204", "escapes are not part of the language", "write the character itself")
        if not text[offset].isprintable():
            return Flaw(offset, "E204", "a control character or line break in a text", "write the text on one line")
    return None


def _token(text: str, offset: int) -> int | Flaw:
    """Where the token at ``offset`` ends, or why it is none."""
    if (united := _WITH_UNIT.match(text, offset)) and not _ends_name(text, offset):
        hint = f"write {_UNITS[united[2]].format(united[1].replace('_', ''))}"
        return Flaw(offset, "E215", f"'{united.group()}': in an expression units are functions", hint)
    if (number := _NUMBER.match(text, offset)) and (text[offset] != "." or not _ends_name(text, offset)):
        return _number(number.group(), offset) or number.end()
    if word := _WORD.match(text, offset):
        return _word(text, word) or word.end()
    for sign, hint in _DIVISIONS.items():
        if text.startswith(sign, offset):
            return Flaw(offset, "E213", f"'{sign}' does not say how it rounds", hint)
    char = text[offset]
    if char == "#":
        return Flaw(offset, "E204", "a comment inside an expression", "put comments beside the YAML value")
    if char in "&|":
        return Flaw(offset, "E204", f"'{char}' is not an operator here", "write and / or")
    if char == "!" and not text.startswith("!=", offset):
        return Flaw(offset, "E204", "'!' is not an operator here", "write not")
    if char == "=" and text[offset : offset + 2] != "==" and text[offset - 1 : offset] not in tuple("=!<>"):
        return Flaw(offset, "E204", "'=' does not compare", "write ==")
    if char == "{" or char == "}":
        return Flaw(offset, "E204", f"'{char}' stands only in texts with {{expr}} in them", "lists are written [a, b]")
    if char not in _OPERATORS:
        hint = _TYPOGRAPHIC.get(char, "see the list of operators in the manual")
        return Flaw(offset, "E204", f"{char!r} is not part of the language", hint)
    return offset + 1


def _ends_name(text: str, offset: int) -> bool:
    return offset > 0 and (text[offset - 1].isalnum() or text[offset - 1] in "_)]")


def _number(word: str, offset: int) -> Flaw | None:
    if _FLOAT.fullmatch(word):
        return Flaw(
            offset, "E214", f"'{word}' is not a whole number", "all numbers are integers; use bps or base units"
        )
    if not _INTEGER.fullmatch(word):
        return Flaw(offset, "E215", f"'{word}' is not a plain decimal number", "write digits only, no leading zeros")
    if len(word) > MAX_DIGITS:
        return Flaw(offset, "E215", f"a number of {len(word)} digits", f"at most {MAX_DIGITS}, as uint256 has")
    return None


def _word(text: str, word: re.Match[str]) -> Flaw | None:
    name = word.group()
    if name.lower() in _PREFIXES and text[word.end() : word.end() + 1] in tuple("\"'"):
        return Flaw(word.start(), "E204", f"the prefix {name} of a text", "write the text without it")
    if name in ("None", "null"):
        return Flaw(word.start(), "E204", f"there is no {name}", "ask has(x.f), or read default(x.f, v)")
    after_dot = text[word.start() - 1 : word.start()] == "."
    if name in KEYWORDS and after_dot:
        hint = "the kind must call its field something else"
        return Flaw(word.start(), "E204", f"'{name}' is a word of Python and no name of a field", hint)
    if name in KEYWORDS and name not in _SPOKEN:
        return Flaw(word.start(), "E204", f"'{name}' is not part of the language", _WORD_HINTS.get(name, _LOOP_HINT))
    return None
