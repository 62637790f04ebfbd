"""``was: old-name``: a rule or plan that was renamed, and goes on with what it did under its old name."""

from __future__ import annotations

import re
from typing import Final

from engine.packs.complaints import complain, quoted
from engine.packs.forms import Form, as_scalar
from engine.packs.nodes import ListNode, ScalarNode

_WAS: Final = re.compile(r"(?:[a-z0-9][a-z0-9_-]*\.)?[a-z0-9][a-z0-9_-]*")


def read_old_name(form: Form, what: str, full_name: str) -> str | None:
    """The full old name, or None.

    Args:
        form: whose ``was`` is read.
        what: ``rule`` or ``plan``.
        full_name: the name it has now, ``pack.name``.
    """
    given = form.scalar("was")
    return None if given is None else _read(given, form, what, full_name)


def read_old_names(form: Form, what: str, full_name: str) -> tuple[str, ...]:
    """As ``read_old_name``, for what may have been renamed more than once: one name, or a list of them."""
    given = form.node("was")
    if given is None:
        return ()
    items = given.items if isinstance(given, ListNode) else (given,)
    words = [word for each in items if (word := as_scalar(each, "was", form.problems))]
    found = [_read(word, form, what, full_name) for word in words]
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _read(given: ScalarNode, form: Form, what: str, full_name: str) -> str | None:
    if _WAS.fullmatch(given.text) is None:
        hint = f"write the {what}'s old name, as in 'old-name' or 'old-pack.old-name'"
        complain(form.problems, given.span, "E304", f"{quoted(given.text)} is no name of a {what}", hint)
        return None
    old = given.text if "." in given.text else f"{full_name.partition('.')[0]}.{given.text}"
    if old == full_name:
        complain(form.problems, given.span, "E351", "'was' is the name it has", "delete the line")
        return None
    return old
