"""The head of a pack file, and all files of one pack put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from engine.errors import Problem
from engine.model.kinds import Kind
from engine.model.rules import Schedule, Span
from engine.packs.complaints import complain
from engine.packs.forms import Form, Params, as_list, as_map, as_scalar
from engine.packs.kinds import read_kind
from engine.packs.names import check_dashed
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode
from engine.packs.params import read_params
from engine.packs.schedules import read_schedule

_KEYS: Final = ("pack", "version", "doc", "use", "params", "kinds", "schedules", "rules", "plans")
_MOST_VERSIONS: Final = 1_000_000_000


@dataclass
class Pack:
    """One pack: everything its files say, but for the rules and plans, not yet typed.

    Attributes:
        name: its name.
        version: as its files say; 1 if none does.
        uses: packs whose kinds it gets → where it says so.
        params: its parameters.
        kinds: the kinds it declares → where.
        schedules: by ``pack.schedule``.
        rules: the items of ``rules``, in file order.
        plans: the items of ``plans``, in file order.
    """

    name: str
    version: int | None = None
    uses: dict[str, Span] = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    kinds: dict[str, tuple[Kind, Span]] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    rules: list[Node] = field(default_factory=list)
    plans: list[Node] = field(default_factory=list)


def add_file(root: Node, packs: dict[str, Pack], problems: list[Problem]) -> None:
    """Adds what one file says to its pack."""
    body = as_map(root, "the file", problems)
    if body is None:
        return
    if body.get("tests") is not None and body.get("pack") is None:
        message = "scenario tests stand in files of their own"
        complain(problems, body.span, "E307", message, "name the file '….test.yaml'")
        return
    form = Form(body, "a pack", _KEYS, problems)
    form.doc()
    named = form.scalar("pack") if form.need("pack") else None
    name = check_dashed(named, "pack", problems) if named else None
    # Without a name the file is a pack of its own, so that the rest of it is checked all the same.
    name = name or f"?{body.span.file}"
    pack = packs.setdefault(name, Pack(name))
    _read_version(form, pack, problems)
    _read_uses(form, pack, problems)
    _read_params(form, pack, problems)
    _read_kinds(form, pack, problems)
    _read_schedules(form, pack, problems)
    pack.rules.extend(_items(form, "rules"))
    pack.plans.extend(_items(form, "plans"))


def _items(form: Form, key: str) -> tuple[Node, ...]:
    """The items of a list that may be empty or absent."""
    given = form.node(key)
    if given is None or (isinstance(given, ScalarNode) and given.is_empty):
        return ()
    found = as_list(given, key, form.problems)
    return found.items if found else ()


def _section(form: Form, key: str) -> MapNode | None:
    given = form.node(key)
    if given is None or (isinstance(given, ScalarNode) and given.is_empty):
        return None
    return as_map(given, key, form.problems)


def _read_version(form: Form, pack: Pack, problems: list[Problem]) -> None:
    version = form.count("version", 1, _MOST_VERSIONS)
    if version is None:
        return
    if pack.version not in {None, version}:
        message = f"version {version} of '{pack.name}', but another file of the pack says {pack.version}"
        complain(problems, form.at("version"), "E310", message, "all files of a pack have one version")
    pack.version = version


def _read_uses(form: Form, pack: Pack, problems: list[Problem]) -> None:
    given = form.node("use")
    if given is None:
        return
    items = given.items if isinstance(given, ListNode) else (given,)
    for each in items:
        word = as_scalar(each, "use", problems)
        if word is not None:
            pack.uses.setdefault(word.text, word.span)


def _read_params(form: Form, pack: Pack, problems: list[Problem]) -> None:
    body = _section(form, "params")
    if body is None:
        return
    for entry in body:
        if entry.key.text in pack.params:
            message = f"the parameter '{entry.key.text}' stands in another file of the pack"
            complain(problems, entry.key.span, "E316", message, "declare it once")
    for name, value in read_params(body, problems).items():
        pack.params.setdefault(name, value)


def _read_kinds(form: Form, pack: Pack, problems: list[Problem]) -> None:
    for entry in _section(form, "kinds") or ():
        kind = read_kind(entry, problems)
        if kind is None:
            continue
        if kind.name in pack.kinds:
            message = f"the kind '{kind.name}' stands in another file of the pack"
            complain(
                problems, entry.key.span, "E403", message, f"see {place(pack.kinds[kind.name][1])}; declare it once"
            )
        pack.kinds.setdefault(kind.name, (kind, entry.key.span))


def _read_schedules(form: Form, pack: Pack, problems: list[Problem]) -> None:
    for node in _items(form, "schedules"):
        schedule = read_schedule(node, pack.name, pack.params, problems)
        if schedule is None:
            continue
        if schedule.name in pack.schedules:
            hint = f"see {place(pack.schedules[schedule.name].span)}; rename one"
            complain(problems, schedule.span, "E510", f"the schedule '{schedule.local_name}' stands twice", hint)
        pack.schedules.setdefault(schedule.name, schedule)


def place(span: Span) -> str:
    """``file:line`` for a hint."""
    return f"{span.file}:{span.line}"
