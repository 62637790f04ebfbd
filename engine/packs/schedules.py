"""The ``schedules`` of a pack."""

from __future__ import annotations

from typing import Final

from engine.errors import Problem
from engine.model.kinds import Type
from engine.model.rules import Cron, Schedule
from engine.packs.complaints import complain
from engine.packs.cron import read_cron, read_timezone
from engine.packs.expressions import literal
from engine.packs.forms import Form, Params, as_map
from engine.packs.names import check_dashed
from engine.packs.nodes import Node

_KEYS: Final = ("schedule", "doc", "every", "from", "cron", "timezone", "window", "missed")
#: Shorter than the time a busy loop may take for one batch would only pile up.
_SHORTEST_EVERY_MS: Final = 100


def read_schedule(node: Node, pack: str, params: Params, problems: list[Problem]) -> Schedule | None:
    """One schedule, or None if it is broken (the problem is noted)."""
    body = as_map(node, "schedule", problems)
    if body is None:
        return None
    form = Form(body, "a schedule", _KEYS, problems, params)
    form.doc()
    named = form.scalar("schedule") if form.need("schedule") else None
    local_name = check_dashed(named, "schedule", problems) if named else None
    given = [key for key in ("every", "cron", "window") if key in form]
    if not given:
        hint = "add 'every: 6h', 'cron: \"0 8 * * mon-fri\"', or 'window: {open: …, close: …}'"
        complain(problems, form.span, "E506", "a schedule without a time", hint)
        return None
    if not form.only_one_of("every", "cron", "window") or local_name is None or named is None:
        return None
    _refuse_strangers(form, given[0], problems)
    made = Schedule(f"{pack}.{local_name}", local_name, named.span)
    match given[0]:
        case "every":
            return _every(form, made, problems)
        case "cron":
            return _cron(form, made, problems)
        case _:
            return _window(form, made, problems)


def _refuse_strangers(form: Form, head: str, problems: list[Problem]) -> None:
    """What says nothing about this sort of schedule."""
    fitting = {"every": ("from", "missed"), "cron": ("timezone", "missed"), "window": ()}[head]
    for key in ("from", "timezone", "missed"):
        if key in form and key not in fitting:
            hint = "write it inside the window: {open, close, timezone}" if key == "timezone" else "delete it"
            complain(problems, form.at(key), "E507", f"'{key}' does not go with '{head}'", hint)


def _every(form: Form, made: Schedule, problems: list[Problem]) -> Schedule | None:
    every_ms = form.ms("every")
    begin = form.scalar("from")
    from_ms = literal(begin.text, Type("timestamp"), begin.span, problems) if begin else 0
    if every_ms is None or not isinstance(from_ms, int):
        return None
    if every_ms < _SHORTEST_EVERY_MS:
        hint = f"at least {_SHORTEST_EVERY_MS}ms"
        complain(problems, form.at("every"), "E508", f"every {every_ms} ms is too often", hint)
        return None
    return Schedule(
        made.name, made.local_name, made.span, every_ms=every_ms, from_ms=from_ms, missed=_missed(form)
    )  # fmt: skip


def _cron(form: Form, made: Schedule, problems: list[Problem]) -> Schedule | None:
    cron = _cron_under(form, "cron", _timezone(form, problems), problems)
    if cron is None:
        return None
    return Schedule(made.name, made.local_name, made.span, cron=cron, missed=_missed(form))


def _window(form: Form, made: Schedule, problems: list[Problem]) -> Schedule | None:
    body = form.map("window")
    if body is None:
        return None
    inner = Form(body, "a window", ("open", "close", "timezone"), problems)
    if not inner.need("open", "close"):
        return None
    zone = _timezone(inner, problems)
    opens, closes = _cron_under(inner, "open", zone, problems), _cron_under(inner, "close", zone, problems)
    if opens is None or closes is None:
        return None
    if opens == closes:
        hint = "a window that closes as it opens is never open"
        complain(problems, inner.at("close"), "E509", "'open' and 'close' are the same", hint)
        return None
    return Schedule(made.name, made.local_name, made.span, open=opens, close=closes)


def _missed(form: Form) -> str:
    return form.word("missed", ("latest", "all", "skip")) or "latest"


def _timezone(form: Form, problems: list[Problem]) -> str | None:
    """The zone; UTC if none is named, None if it is wrong."""
    given = form.scalar("timezone")
    return "UTC" if given is None else read_timezone(given, problems)


def _cron_under(form: Form, key: str, zone: str | None, problems: list[Problem]) -> Cron | None:
    given = form.scalar(key)
    cron = read_cron(given, zone or "UTC", problems) if given else None
    return None if zone is None else cron
