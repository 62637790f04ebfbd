"""Reads the steps of a test: what is said, reported, reorganised, pushed, and what is expected of the instant."""

from __future__ import annotations

import json
from typing import Any, Final

from engine.errors import FactRejectedError, Problem
from engine.insight.scenario.case import Base, Entry, Input, Push, Report, Restart, Step
from engine.insight.scenario.moments import moment
from engine.insight.scenario.shelf import Shelf
from engine.insight.scenario.values import free_json, read_value
from engine.insight.scenario.wanting import CHECKS, Wanting
from engine.matching.encoders import writer
from engine.matching.reports import REPORTED
from engine.matching.scalars import id_problem
from engine.model.kinds import Kind
from engine.packs.complaints import complain
from engine.packs.forms import Form, as_map, as_scalar
from engine.packs.nodes import Entry as Pair
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode

_WHEN: Final = ("at", "every", "until", "doc")
_SAYING: Final = ("source", "observed_at", "seq")
_INPUTS: Final = ("assert", "retract", "cancel", "reorg", "report", "restart", "push")
STEP: Final = (*_WHEN, *_SAYING, *_INPUTS, "expect", *CHECKS)
_MAX_SEQ: Final = 10**18


class Stepping:
    """Reads the steps of one test."""

    def __init__(self, wanting: Wanting, shelf: Shelf, *, is_lenient: bool) -> None:
        """Makes it.

        Args:
            wanting: reads expectations; has the names, the start and the list of problems.
            shelf: finds packs that are pushed.
            is_lenient: the whole test expects rejections: facts may be wrong on purpose.
        """
        self._wanting = wanting
        self._shelf = shelf
        self._is_lenient = is_lenient
        self._problems: list[Problem] = wanting.problems
        self._said: dict[str, str] = {}

    def read(self, node: MapNode) -> Step:
        """One step, without its times."""
        problems = self._problems
        form = Form(node, "a step", STEP, problems)
        step = Step(form.span)
        step.expect = self._wanting.commands(form, "expect")
        step.checks = self._wanting.checks(form)
        self._said = self._read_said(form)
        is_lenient = self._is_lenient or bool(step.checks.rejected)
        for pair in node:
            if pair.key.text in _INPUTS:
                step.inputs += self._inputs(form, pair, is_lenient=is_lenient)
        return step

    def _read_said(self, form: Form) -> dict[str, str]:
        """Source, observed_at and seq of all entries of the step."""
        said: dict[str, str] = {}
        source = form.scalar("source")
        if source is not None and (wrong := id_problem(source.text)):
            complain(self._problems, source.span, "E303", f"'source' {wrong}", "a short name, as in rpc-1")
        said["source"] = source.text if source else "test"
        observed = form.scalar("observed_at")
        at = None if observed is None else moment(observed.text, self._wanting.start_ms, observed.span, self._problems)
        if at is not None:
            said["observed_at"] = str(at)
        seq = form.count("seq", 0, _MAX_SEQ)
        if seq is not None:
            said["seq"] = str(seq)
        return said

    def _inputs(self, form: Form, pair: Pair, *, is_lenient: bool) -> list[Input]:
        match pair.key.text:
            case "assert" | "retract" as op:
                return self._facts(op, pair.value, is_lenient=is_lenient)
            case "cancel":
                return self._cancel(pair, is_lenient=is_lenient)
            case "reorg":
                return self._reorgs(pair.value)
            case "report":
                return self._reports(pair.value)
            case "restart":
                if form.flag("restart"):
                    return [Restart(pair.key.span)]
                complain(
                    self._problems, pair.value.span, "E712", "'restart' is written when it happens", "restart: true"
                )
                return []
            case _:
                return self._push(pair)

    # -- facts ------------------------------------------------------------------------
    def _facts(self, op: str, node: Node, *, is_lenient: bool) -> list[Input]:
        made: list[Input] = []
        for item in node.items if isinstance(node, ListNode) else (node,):
            for pair in as_map(item, op, self._problems) or ():
                made += self._fact(op, pair.key, pair.value, is_lenient=is_lenient)
        return made

    def _fact(self, op: str, named: ScalarNode, node: Node, *, is_lenient: bool) -> list[Input]:
        body = as_map(node, named.text, self._problems)
        if body is None:
            return []
        if is_lenient and named.text not in self._wanting.vocabulary.kinds:
            data = json.dumps(free_json(body), ensure_ascii=False)
        else:
            kind = self._wanting.kind(named)
            encoded = None if kind is None else self._encode(kind, body, is_lenient=is_lenient)
            if kind is None or encoded is None:
                return []
            data = encoded
            if not is_lenient and not self._is_taken(op, kind, named, data):
                return []
        fields = {"op": op, "kind": named.text, "source": self._said["source"], "data": data} | self._said
        return [Entry(tuple(fields.items()), named.span)]

    def _encode(self, kind: Kind, body: MapNode, *, is_lenient: bool) -> str | None:
        """The fields given, as the wire's JSON."""
        parts: list[str] = []
        is_whole = True
        for pair in body:
            name = pair.key.text
            if name not in kind.positions:
                if is_lenient:
                    parts.append(f"{json.dumps(name)}:{json.dumps(free_json(pair.value), ensure_ascii=False)}")
                    continue
                self._wanting.no_field(kind, pair.key)
                is_whole = False
                continue
            type_ = kind.field(name).type
            wrong: list[Problem] = []
            value = read_value(pair.value, type_, self._wanting.start_ms, name, wrong)
            if value is not None:
                parts.append(f"{json.dumps(name)}:{writer(type_)(value)}")
            elif is_lenient:
                parts.append(f"{json.dumps(name)}:{json.dumps(free_json(pair.value), ensure_ascii=False)}")
            else:
                self._problems += wrong
                is_whole = False
        return "{" + ",".join(parts) + "}" if is_whole else None

    def _is_taken(self, op: str, kind: Kind, named: ScalarNode, data: str) -> bool:
        """Whether the engine will read it; what it would refuse is better said before the test runs."""
        if kind.engine or kind.concluded:
            who = "the engine" if kind.engine else "rules"
            hint = "expect it under 'facts' instead"
            complain(self._problems, named.span, "E706", f"facts of kind {kind.name} are made by {who} alone", hint)
            return False
        refusals = []
        for decoder in self._wanting.vocabulary.decoders(kind.name):
            try:
                if op == "assert":
                    decoder.decode(data.encode())
                else:
                    decoder.decode_retract(data.encode())
            except FactRejectedError as error:
                refusals.append(error)
            else:
                return True
        complain(self._problems, named.span, "E706", refusals[-1].message, refusals[-1].hint)
        return False

    def _cancel(self, pair: Pair, *, is_lenient: bool) -> list[Input]:
        """A ``cancel`` fact: its fields, or its key alone."""
        if isinstance(pair.value, MapNode):
            return self._fact("assert", pair.key, pair.value, is_lenient=is_lenient)
        kind = self._wanting.kind(pair.key)
        word = as_scalar(pair.value, "cancel", self._problems)
        if kind is None or word is None:
            return []
        name = ScalarNode(kind.key[0], "", word.span)
        return self._fact("assert", pair.key, MapNode((Pair(name, word),), word.span), is_lenient=is_lenient)

    # -- other entries ---------------------------------------------------------------
    def _reorgs(self, node: Node) -> list[Input]:
        made: list[Input] = []
        for item in node.items if isinstance(node, ListNode) else (node,):
            body = as_map(item, "reorg", self._problems)
            if body is None:
                continue
            form = Form(body, "'reorg'", ("network", "removed", "added"), self._problems)
            network = form.scalar("network") if form.need("network") else None
            told: dict[str, Any] = {"network": network.text if network else ""}
            for key in ("removed", "added"):
                blocks = form.list(key)
                if blocks is not None:
                    words = [as_scalar(each, key, self._problems) for each in blocks.items]
                    told[key] = [word.text for word in words if word is not None]
            data = json.dumps(told, ensure_ascii=False)
            made.append(Entry((("op", "reorg"), ("source", self._said["source"]), ("data", data)), item.span))
        return made

    def _reports(self, node: Node) -> list[Input]:
        made: list[Input] = []
        for item in node.items if isinstance(node, ListNode) else (node,):
            body = as_map(item, "report", self._problems)
            if body is None:
                continue
            form = Form(body, "a report", ("command", "with", "status", "detail"), self._problems)
            command = self._wanting.command(form)
            status = form.word("status", REPORTED) if form.need("status") else None
            detail = form.node("detail")
            if command is not None and status is not None:
                text = "" if detail is None else json.dumps(free_json(detail), ensure_ascii=False)
                made.append(Report(command, status, text, self._said["source"], item.span))
        return made

    def _push(self, pair: Pair) -> list[Input]:
        base = self._shelf.base(pair.value, "push", self._problems)
        return [] if base is None else [Push(base, pair.key.span)]

    @staticmethod
    def pushed(nodes: list[MapNode], shelf: Shelf, problems: list[Problem]) -> list[Base]:
        """The packs that some of the steps push, in file order: a test may use their names."""
        given = (node.get("push") for node in nodes)
        found = (shelf.base(each, "push", problems) for each in given if each is not None)
        return [base for base in found if base is not None]
