"""How a problem of a pack is put down, and the words that help to write the right thing instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from itertools import islice

from engine.errors import Problem
from engine.model.rules import Span

#: More names than this are not listed in a hint; nobody reads them.
_LISTED = 24
#: Comparing is quadratic; what is longer is no name.
_LONGEST_NAME = 64
#: Names a word is compared with.
_COMPARED = 500


def complain(problems: list[Problem], span: Span, code: str, message: str, hint: str = "") -> None:
    """Adds a problem at that place."""
    problems.append(Problem(span.file, span.line, span.column, code, message, hint))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant; nothing for texts that no one mistypes for a name."""
    if len(word) > _LONGEST_NAME:
        return None
    found = difflib.get_close_matches(word, list(islice(known, _COMPARED)), n=1, cutoff=0.6)
    return found[0] if found else None


def listed(words: Collection[str]) -> str:
    """The words, comma-separated and cut where a person stops reading."""
    shown = list(words)[:_LISTED]
    more = len(words) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def did_you_mean(word: str, known: Collection[str], label: str = "allowed") -> str:
    """``did you mean 'x'? allowed: a, b, x`` for a hint."""
    guess = closest(word, known)
    names = f"{label}: {listed(known)}" if known else ""
    if guess is None:
        return names
    return f"did you mean '{guess}'?" + (f" {names}" if names else "")


def quoted(text: str, limit: int = 60) -> str:
    """The text in quotes, cut and made printable, for a message."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "'" + shown.replace("\n", "\\n") + "'"
