"""The ``kinds`` of a pack: schemas of facts, with every cross-check between their parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.errors import Problem
from engine.limits import MAX_FIELDS
from engine.model.kinds import ENGINE_KINDS, NUMERIC, Field, Kind
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.forms import Form, as_map, as_scalar
from engine.packs.names import check_identifier, check_kind_name
from engine.packs.nodes import Entry, MapNode, Node, ScalarNode
from engine.packs.types import KEYABLE, parse_type
from engine.packs.values import read_literal

_KEYS: Final = (
    "doc",
    "key",
    "order",
    "claims",
    "ttl",
    "keep",
    "permanent",
    "limit",
    "chain",
    "event",
    "concluded",
    "fields",
)
#: What says something about claims that are injected; rules' conclusions have none of it.
_OF_CLAIMS: Final = ("order", "claims", "ttl", "keep", "permanent", "limit", "chain", "event")
#: Keys a permanent kind may at most hold; each is kept in memory for ever.
_MOST_KEYS: Final = 10_000_000


def read_kind(entry: Entry, problems: list[Problem]) -> Kind | None:
    """One kind, or None if it is too broken to go on with."""
    name = check_kind_name(entry.key, problems)
    body = as_map(entry.value, f"kinds.{entry.key.text}", problems)
    if name is None or body is None:
        return None
    if name in ENGINE_KINDS:
        hint = "match it as it is, or choose another name"
        complain(problems, entry.key.span, "E402", f"'{name}' is one of the engine's own kinds", hint)
        return None
    form = Form(body, f"the kind '{name}'", _KEYS, problems)
    if not form.need("key", "fields"):
        return None
    fields = _read_fields(form, problems)
    if not fields:
        return None
    made = Kind(name, tuple(fields.values()), (), doc=form.doc())
    made = replace(made, key=_read_key(form, fields, problems), order=_read_order(form, fields, problems))
    _check_assets(form, fields, problems)
    if form.flag("concluded"):
        _refuse_claims(form, problems)
        made = replace(made, concluded=True)
    else:
        made = _read_claims(form, _read_life(form, made, problems), problems)
    return made if made.key else None


def _read_fields(form: Form, problems: list[Problem]) -> dict[str, Field]:
    body = form.map("fields")
    if body is None:
        return {}
    if not body.entries:
        complain(problems, form.at("fields"), "E305", "'fields' is empty", "name the fields and their types")
    if len(body.entries) > MAX_FIELDS:
        message = f"{len(body.entries)} fields; a kind may have {MAX_FIELDS}"
        complain(problems, form.at("fields"), "E406", message, "split the kind")
        return {}
    fields: dict[str, Field] = {}
    for entry in body:
        name = check_identifier(entry.key, "field", problems)
        field = _read_field(name, entry.value, problems) if name else None
        if field is not None:
            fields[field.name] = field
    return fields


def _read_field(name: str, node: Node, problems: list[Problem]) -> Field | None:
    """``name: type`` or ``name: {type, default}``."""
    if not isinstance(node, MapNode):
        spelled = as_scalar(node, name, problems)
        parsed = parse_type(spelled, problems) if spelled else None
        return Field(name, *parsed) if parsed else None
    form = Form(node, f"the field '{name}'", ("type", "default", "doc"), problems)
    form.doc()
    spelled = form.scalar("type") if form.need("type") else None
    parsed = parse_type(spelled, problems) if spelled else None
    if parsed is None:
        return None
    kind, is_optional = parsed
    given = form.node("default")
    if given is None:
        return Field(name, kind, is_optional)
    if is_optional:
        message = f"'{name}' has a default, so it is never absent"
        complain(problems, form.at("default"), "E407", message, "delete the '?' or the default")
    if kind.name == "json":
        complain(problems, form.at("default"), "E407", "a json field has no default", "write 'json?'")
        return Field(name, kind)
    value = read_literal(given, kind, "default", problems)
    return None if value is None else Field(name, kind, default=value)


def _words(form: Form, name: str, problems: list[Problem]) -> list[ScalarNode]:
    """The field names of ``key`` or ``order``: a list, or one word."""
    given = form.node(name)
    if isinstance(given, ScalarNode):
        word = as_scalar(given, name, problems)
        return [word] if word else []
    found = form.list(name)
    words = [word for each in found.items if (word := as_scalar(each, name, problems))] if found else []
    if found is not None and not found.items:
        complain(problems, found.span, "E305", f"'{name}' is empty", "name at least one field")
    return words


def _known_fields(form: Form, name: str, fields: dict[str, Field], problems: list[Problem]) -> list[ScalarNode]:
    """The words of ``key`` or ``order`` that are fields, each once."""
    made: dict[str, ScalarNode] = {}
    for word in _words(form, name, problems):
        if word.text not in fields:
            hint = did_you_mean(word.text, fields, "fields")
            complain(problems, word.span, "E401", f"'{name}' names {quoted(word.text)}, which is no field", hint)
        elif word.text in made:
            complain(problems, word.span, "E401", f"'{name}' names '{word.text}' twice", "delete one")
        else:
            made[word.text] = word
    return list(made.values())


def _read_key(form: Form, fields: dict[str, Field], problems: list[Problem]) -> tuple[str, ...]:
    words = _known_fields(form, "key", fields, problems)
    for word in words:
        field = fields[word.text]
        if field.optional or field.default is not None:
            message = f"the key field '{field.name}' may be absent"
            hint = "every fact needs its whole key: delete the '?' or the default"
            complain(problems, word.span, "E408", message, hint)
        if field.type.name not in KEYABLE:
            message = f"the key field '{field.name}' is of type {field.type}"
            complain(problems, word.span, "E409", message, f"key fields may be {', '.join(sorted(KEYABLE))}")
    return tuple(word.text for word in words)


def _read_order(form: Form, fields: dict[str, Field], problems: list[Problem]) -> tuple[str, ...]:
    words = _known_fields(form, "order", fields, problems) if "order" in form else []
    for word in words:
        field = fields[word.text]
        if field.type.name not in NUMERIC:
            message = f"the order field '{field.name}' is of type {field.type}"
            complain(problems, word.span, "E410", message, "order goes by numbers, as in a block height")
        if field.optional:
            message = f"the order field '{field.name}' may be absent"
            complain(problems, word.span, "E410", message, "delete the '?', or give it a default")
    return tuple(word.text for word in words)


def _check_assets(form: Form, fields: dict[str, Field], problems: list[Problem]) -> None:
    body = form.map("fields")
    spans = {entry.key.text: entry.value.span for entry in body} if body else {}
    for field in fields.values():
        if field.type.name != "amount" or field.type.asset_field is None:
            continue
        span = spans[field.name]
        asset = fields.get(field.type.asset_field)
        if asset is None:
            hint = did_you_mean(field.type.asset_field, [f.name for f in fields.values() if f.type.name == "id"], "ids")
            message = f"'{field.name}' is an amount of '{field.type.asset_field}', which is no field"
            complain(problems, span, "E411", message, hint)
        elif asset.type.name != "id":
            message = f"'{field.name}' is an amount of '{asset.name}', which is {asset.type}, not an id"
            complain(problems, span, "E411", message, f"write '{asset.name}: id'")
        elif asset.optional and not field.optional:
            message = f"'{field.name}' is always there, but '{asset.name}', its asset, may be absent"
            complain(problems, span, "E411", message, f"write '{asset.name}: id', or '{field.type}?'")


def _read_life(form: Form, kind: Kind, problems: list[Problem]) -> Kind:
    """How long facts stay: exactly one of ttl, ``keep: while_used`` and ``permanent`` with a limit."""
    is_permanent = form.flag("permanent")
    keep = form.word("keep", ("while_used",)) if "keep" in form else None
    ttl_ms = form.ms("ttl") if "ttl" in form else None
    if not form.only_one_of("ttl", "keep", "permanent"):
        pass
    elif "ttl" not in form and "keep" not in form and not is_permanent:
        hint = "add 'ttl: 10m', 'keep: while_used', or 'permanent: true' with a 'limit'"
        complain(problems, form.span, "E412", f"facts of '{kind.name}' would stay for ever", hint)
    elif kind.order and "ttl" not in form:
        message = f"'{kind.name}' is ordered by {', '.join(kind.order)} and has no ttl"
        hint = "one wrong high value would outlast all true ones: add 'ttl: 10m'"
        complain(problems, form.at("order"), "E413", message, hint)
    limit = form.count("limit", 1, _MOST_KEYS) if "limit" in form else None
    if is_permanent and "limit" not in form:
        complain(problems, form.at("permanent"), "E412", "'permanent' needs a 'limit'", "add 'limit: 1000'")
    if "limit" in form and not is_permanent:
        complain(problems, form.at("limit"), "E412", "'limit' goes with 'permanent: true'", "delete it")
    is_kept = keep == "while_used"
    return replace(kind, ttl_ms=ttl_ms, keep_while_used=is_kept, permanent=is_permanent, limit=limit)


def _read_claims(form: Form, kind: Kind, problems: list[Problem]) -> Kind:
    per_source = form.word("claims", ("one", "per_source")) == "per_source"
    is_event = form.flag("event")
    if is_event and kind.order:
        message = "an event never changes, so nothing orders its claims"
        complain(problems, form.at("order"), "E414", message, "delete 'order'")
    network, block = _read_chain(form, kind, problems)
    return replace(kind, per_source=per_source, event=is_event, chain_network=network, chain_block=block)


def _read_chain(form: Form, kind: Kind, problems: list[Problem]) -> tuple[str | None, str | None]:
    """``chain: {network: field, block: field}``."""
    body = form.map("chain")
    if body is None:
        return None, None
    inner = Form(body, "'chain'", ("network", "block"), problems)
    if not inner.need("network", "block"):
        return None, None
    made: list[str | None] = []
    for part, wanted in (("network", ("id",)), ("block", ("hash", "id"))):
        word = inner.scalar(part)
        if word is None:
            made.append(None)
            continue
        if word.text not in kind.positions:
            hint = did_you_mean(word.text, kind.positions, "fields")
            complain(problems, word.span, "E415", f"chain.{part}: {quoted(word.text)} is no field", hint)
        elif kind.field(word.text).type.name not in wanted:
            message = f"chain.{part}: '{word.text}' is {kind.field(word.text).type}"
            complain(problems, word.span, "E415", message, f"it must be of type {' or '.join(wanted)}")
        made.append(word.text)
    return made[0], made[1]


def _refuse_claims(form: Form, problems: list[Problem]) -> None:
    for key in _OF_CLAIMS:
        if key in form:
            message = f"a concluded kind has no '{key}'"
            hint = "its facts live exactly as long as their rules hold; delete the line"
            complain(problems, form.at(key), "E416", message, hint)
