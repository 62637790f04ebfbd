"""Packs written for one test."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from engine.model.rules import Rule, RuleBase
from engine.packs.bundle import LoadResult, load_paths

ORDERS = """
pack: shop
version: 1
kinds:
  order: {key: [id], ttl: 1h, fields: {id: id, asset: id, amount: amount(asset), state: "enum(open, paid)", n: int}}
  stock: {key: [place, asset], claims: per_source, ttl: 1h, fields: {place: id, asset: id, free: amount(asset)}}
  note: {key: [id], ttl: 1h, fields: {id: id, text: {type: text, default: ""}, at: timestamp?}}
  ready: {concluded: true, key: [id], fields: {id: id}}
"""


def load(folder: Path, *texts: str) -> LoadResult:
    """The packs of those texts, one file each."""
    for number, text in enumerate(texts):
        (folder / f"p{number}.yaml").write_text(dedent(text), encoding="utf-8")
    return load_paths([folder])


def codes(folder: Path, *texts: str) -> list[str]:
    """The codes of all problems, in order of their places."""
    return [problem.code for problem in load(folder, *texts).problems]


def base(folder: Path, *texts: str) -> RuleBase:
    """The rule base of texts without errors."""
    result = load(folder, *texts)
    assert result.rulebase is not None, [str(problem) for problem in result.problems]
    return result.rulebase


def rule_text(when: str, then: str = "- command: log.note", more: str = "") -> str:
    """The shop with one rule; the parts are YAML of their own."""
    lines = ["rules:", "  - rule: one", "    when:", *_indented(when, 6), "    then:", *_indented(then, 6)]
    return "\n".join([ORDERS, *lines, *_indented(more, 4)]) + "\n"


def one_rule(folder: Path, when: str, then: str = "- command: log.note", more: str = "") -> Rule:
    """The one rule of such a shop."""
    return base(folder, rule_text(when, then, more)).rules[0]


def _indented(text: str, depth: int) -> list[str]:
    return [" " * depth + line for line in dedent(text).strip("\n").splitlines()]
