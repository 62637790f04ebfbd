"""Cron texts and time zones of packs; what may be written is ``engine.model.cron``'s to say."""

from __future__ import annotations

from typing import Final

from engine.errors import Problem
from engine.model.cron import validate_cron
from engine.model.rules import Cron
from engine.packs.complaints import complain
from engine.packs.nodes import ScalarNode

_FORM: Final = "minute, hour, day of month, month, weekday, as in '0 8 * * mon-fri'"


def read_cron(node: ScalarNode, timezone: str, problems: list[Problem]) -> Cron | None:
    """``cron 0 8 * * mon-fri``; the word ``cron`` may be left out.

    Args:
        node: the text.
        timezone: a zone that exists.
        problems: takes what is wrong (E501).
    """
    words = node.text.lower().split()
    expression = " ".join(words[1:] if words[:1] == ["cron"] else words)
    return None if _is_wrong(expression, timezone, node, "E501", problems) else Cron(expression, timezone)


def read_timezone(node: ScalarNode, problems: list[Problem]) -> str | None:
    """An IANA zone that exists (else E502)."""
    return None if _is_wrong("* * * * *", node.text, node, "E502", problems) else node.text


def _is_wrong(expression: str, timezone: str, node: ScalarNode, code: str, problems: list[Problem]) -> bool:
    wrong = validate_cron(expression, timezone)
    if wrong is None:
        return False
    message, _, hint = wrong.partition("; ")
    complain(problems, node.span, code, message, hint or _FORM)
    return True
