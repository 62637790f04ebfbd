"""The ``params`` of a pack: named numbers and words with a type."""

from __future__ import annotations

from engine.errors import Problem
from engine.packs.complaints import complain
from engine.packs.forms import Form, Params, as_map
from engine.packs.names import check_identifier
from engine.packs.nodes import MapNode
from engine.packs.types import parse_type
from engine.packs.values import read_literal


def read_params(node: MapNode, problems: list[Problem]) -> Params:
    """Parameter → type and value; broken ones are left out (the problem is noted)."""
    made: Params = {}
    for entry in node:
        name = check_identifier(entry.key, "parameter", problems)
        body = as_map(entry.value, f"params.{entry.key.text}", problems)
        if name is None or body is None:
            continue
        form = Form(body, f"the parameter '{name}'", ("type", "default", "doc"), problems)
        form.doc()
        if not form.need("type", "default"):
            continue
        spelled, given = form.scalar("type"), form.node("default")
        parsed = parse_type(spelled, problems, may_be_absent=False) if spelled else None
        if parsed is None or given is None:
            continue
        kind = parsed[0]
        if kind.name == "json":
            complain(problems, form.at("type"), "E315", "a parameter cannot be json", "expressions cannot read it")
            continue
        value = read_literal(given, kind, "default", problems)
        if value is not None:
            made[name] = (kind, value)
    return made
