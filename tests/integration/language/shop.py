"""Small packs: one head with kinds that most tests need, and rules of one's own behind it."""

from __future__ import annotations

from textwrap import dedent, indent

HEAD = """
pack: {name}
version: 1
kinds:
  net:
    key: [id]
    ttl: 1d
    fields: {{id: id, fee: wei, height: {{type: int, default: 0}}}}
  order:
    key: [id]
    ttl: 30d
    fields: {{id: id, net: {{type: id, default: e}}, at: {{type: timestamp, default: 0}}, n: {{type: int, default: 0}}}}
  alert:
    concluded: true
    key: [id]
    fields: {{id: id, why: {{type: text, default: ""}}}}
  note:
    key: [id]
    ttl: 30d
    fields: {{id: id, text: {{type: text, default: ""}}}}
"""
LOG = "- command: log.go"


def rule(name: str, when: str, then: str = LOG, more: str = "") -> str:
    """One rule; the parts are YAML of their own."""
    parts = [f"- rule: {name}", "  when:", _in(when, 4), "  then:", _in(then, 4)]
    return "\n".join([*parts, _in(more, 2)])


def pack(*rules: str, more: str = "", name: str = "shop") -> str:
    """A pack of the common kinds with these rules."""
    return "\n".join([HEAD.format(name=name), dedent(more), "rules:", *(indent(each, "  ") for each in rules)]) + "\n"


def _in(text: str, depth: int) -> str:
    return indent(dedent(text).strip("\n"), " " * depth)
