"""Writes a rule as Python source: its terms in file order, and what its values and effects read of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.matching.compiled import InnerTerm, claims_bit, observed_bit
from engine.matching.emit import RESERVED, Names, emit, emit_wire
from engine.matching.reads import name_bound, reads_free, standing_values, term_values
from engine.matching.shapes import conjuncts, plan_rule
from engine.model.expr import Age, Compare, Disputed, Expr, FieldRef, In, ObservedAt
from engine.model.exprtools import aliases_read, locals_read, walk
from engine.model.kinds import ENGINE_KINDS, Kind
from engine.model.rules import (
    Aggregate,
    AssertEffect,
    Check,
    CommandEffect,
    ConcludeEffect,
    Effect,
    Let,
    Pattern,
    Pick,
    RetractEffect,
    Rule,
    Without,
)


@dataclass(frozen=True, slots=True)
class _Candidates:
    index: int
    variable: str
    names: Names
    head: list[str]
    test: str


class RuleWriter:
    """Writes one rule's functions; the variables of each term are numbered by its place in the ``when``.

    Attributes:
        plan: how the rule's matches are found.
        inner: its inner terms, in the order in which the source looks at them.
        env: variables that ``bind`` hands on, in order; ``labels`` says what they are.
        blocks: the source of each term, in file order; a term that does not hold returns its 1-based number.
        masks: by seat: bits of the fields its judgement reads.
        ripening: seat of a pattern with ``for_distinct`` → the source up to the value it counts.
    """

    def __init__(self, rule: Rule, given: Mapping[str, str]) -> None:
        self.rule = rule
        self.plan = plan_rule(rule)
        self.names = Names(locals=dict(given))
        self.inner: list[InnerTerm] = []
        self.env: list[str] = []
        self.labels: list[tuple[str, str]] = []
        self.blocks: list[list[str]] = []
        self.masks = [0] * len(rule.patterns)
        self.ripening: dict[int, list[str]] = {}
        self.seats = {p.alias: i for i, p in enumerate(rule.patterns)}
        self.inner_aliases: dict[str, int] = {}
        if reads_free(rule):
            reservation = ENGINE_KINDS["reservation"]
            self.names.locals[RESERVED] = "0"
            self.inner.append(InnerTerm(reservation.name, (reservation.positions["of"],), -1))
        self.first_inner = len(self.inner)
        for number, term in enumerate(rule.terms):
            self.blocks.append(self._block(number, term))

    # -- terms --------------------------------------------------------------
    def _block(self, number: int, term: object) -> list[str]:
        match term:
            case Pattern():
                return self._pattern(number, term)
            case Pick():
                return self._pick(number, term)
            case Without():
                return self._without(number, term)
            case Aggregate():
                return self._aggregate(number, term)
            case Let():
                variable = f"L{number}"
                line = f"{variable} = {emit(term.value, self.names)}"
                self.names.locals[term.name] = variable
                self._bind(variable, term.name, "value")
                return [line]
            case Check():
                return self._tests(number, term.conditions, self.names)
        raise AssertionError(f"unknown term {term!r}")

    def _tests(self, number: int, conditions: Iterable[Expr], names: Names) -> list[str]:
        left = [c for c in conjuncts(conditions) if id(c) not in self.plan.ensured]
        return [f"if not {emit(c, names)}: return {number + 1}" for c in left]

    def _pattern(self, number: int, term: Pattern) -> list[str]:
        seat = self.seats[term.alias]
        values, fact = f"v{seat}", f"f{seat}"
        names = self.names
        names.values[term.alias], names.facts[term.alias], names.holders[term.alias] = values, fact, fact
        lines = [f"{fact} = F[{seat}]", f"{values} = {fact}.values"]
        if term.fresh_ms is not None:
            self.masks[seat] |= observed_bit(term.kind)
        if term.quorum is not None:
            self.masks[seat] |= claims_bit(term.kind) | observed_bit(term.kind)
            lines += self._quorum(number, term, seat)
        else:
            if term.fresh_ms is not None:
                lines.append(f"if not t_le(now, {fact}.at + {term.fresh_ms}, W): return {number + 1}")
            lines += self._tests(number, term.where, names)
        if term.for_distinct is not None:
            of = emit(term.for_distinct.of, names)
            self.ripening[seat] = [*self._needed(number), *lines, f"return {of}"]
            lines = [*lines, f"if {seat} not in cx.ripe: return {number + 1}"]
        return lines

    def _quorum(self, number: int, term: Pattern, seat: int) -> list[str]:
        """Counts the sources whose claim satisfies all of ``where``; the alias then reads the newest of those."""
        values, claim, chosen = f"v{seat}", f"k{seat}", f"c{seat}"
        self.names.holders[term.alias] = claim
        tests = [emit(c, self.names) for c in conjuncts(term.where)]
        if term.fresh_ms is not None:
            tests.insert(0, f"t_le(now, {claim}.at + {term.fresh_ms}, W)")
        lines = [
            f"n{seat} = 0",
            f"{chosen} = None",
            f"for {claim} in cx.claims(f{seat}):",
            f"    {values} = {claim}.values",
            f"    if {' and '.join(tests) or 'True'}:",
            f"        n{seat} += 1",
            f"        if {chosen} is None or cx.is_newer(f{seat}, {claim}, {chosen}): {chosen} = {claim}",
            f"if n{seat} < {term.quorum}: return {number + 1}",
            f"{values} = {chosen}.values",
        ]
        self.names.holders[term.alias] = chosen
        self._bind(chosen, term.alias, "claim")
        return lines

    def _bind(self, variable: str, label: str, what: str) -> None:
        self.env.append(variable)
        self.labels.append((label, what))

    def _needed(self, number: int) -> list[str]:
        """What a pattern's own conditions read of earlier terms, bound without asking whether those hold."""
        terms = self.rule.terms
        needed = {number}
        for later in range(number, -1, -1):
            if later in needed:
                read = {name for e in term_values(terms[later]) for name in aliases_read(e) | locals_read(e)}
                needed |= {n for n, term in enumerate(terms[:later]) if name_bound(term) in read}
        lines: list[str] = []
        for earlier in sorted(needed - {number}):
            term = terms[earlier]
            block = self.blocks[earlier]
            if not isinstance(term, Pattern):
                lines += block
            elif term.quorum is None:
                lines += block[:2]
            else:  # when its quorum is not met, the alias reads the fact
                seat = self.seats[term.alias]
                unmet = f"if n{seat} < {term.quorum}: "
                ends = next(n for n, line in enumerate(block) if line.startswith(unmet))
                lines += [*block[:ends], f"{unmet}c{seat} = f{seat}", block[ends + 1]]
        return lines

    def _candidates(self, alias: str, kind: Kind, where: tuple[Expr, ...], fresh_ms: int | None) -> _Candidates:
        """The loop over the facts that can satisfy ``where``: by index where equalities allow, then filtered."""
        index = len(self.inner)
        number = f"x{index}"
        names = self.names.copy()
        names.values[alias], names.facts[alias], names.holders[alias] = f"y{index}", number, number
        keys: dict[int, tuple[bool, str]] = {}
        tests: list[str] = []
        if fresh_ms is not None:
            tests.append(f"t_le(now, {number}.at + {fresh_ms}, W)")
        for condition in conjuncts(where):
            part = self._index_part(alias, condition)
            if part is not None and part[0] not in keys:
                keys[part[0]] = part[1:]
            else:
                tests.append(emit(condition, names))
        positions = tuple(sorted(keys))
        if any(many for many, _ in keys.values()):
            parts = "".join((keys[p][1] if keys[p][0] else f"({keys[p][1]},)") + ", " for p in positions)
            source = f"cx.look_any({index}, ({parts}))"
        else:
            source = f"cx.look({index}, ({''.join(keys[p][1] + ', ' for p in positions)}))"
        mask = observed_bit(kind) if fresh_ms is not None else 0
        self.inner.append(InnerTerm(kind.name, positions, mask))
        head = [f"for {number} in {source}:", f"    y{index} = {number}.values"]
        return _Candidates(index, number, names, head, " and ".join(tests) or "True")

    def _index_part(self, alias: str, condition: Expr) -> tuple[int, bool, str] | None:
        """(field position, whether several keys, key source) of an equality between the inner fact and the outside."""
        if isinstance(condition, Compare) and condition.op == "==":
            for mine, other in ((condition.left, condition.right), (condition.right, condition.left)):
                if isinstance(mine, FieldRef) and mine.alias == alias and alias not in aliases_read(other):
                    return mine.position, False, emit(other, self.names)
        if isinstance(condition, In) and isinstance(condition.item, FieldRef) and condition.item.alias == alias:
            if any(alias in aliases_read(option) for option in condition.options):
                return None
            if len(condition.options) == 1 and condition.options[0].type.name == "list":
                return condition.item.position, True, emit(condition.options[0], self.names)
            keys = "".join(emit(option, self.names) + ", " for option in condition.options)
            return condition.item.position, True, f"({keys})"
        return None

    def _pick(self, number: int, term: Pick) -> list[str]:
        found = self._candidates(term.alias, term.kind, term.where, term.fresh_ms)
        chosen, score = f"p{found.index}", f"s{found.index}"
        x = found.variable
        score_of = f"cx.rank({x})" if term.by is None else emit(term.by, found.names)
        tie = f"{x}.key_text < {chosen}.key_text"
        better = f"{chosen} is None or b{found.index} > {score} or (b{found.index} == {score} and {tie})"
        lines = [
            f"{chosen} = None",
            *found.head,
            f"    if {found.test}:",
            f"        b{found.index} = {score_of}",
            f"        if {better}: {chosen}, {score} = {x}, b{found.index}",
            f"if {chosen} is None: return {number + 1}",
            f"u{found.index} = {chosen}.values",
        ]
        self.inner_aliases[term.alias] = found.index
        self.names.values[term.alias] = f"u{found.index}"
        self.names.facts[term.alias] = self.names.holders[term.alias] = chosen
        if term.by is None:
            # The newer of two may be so by the place in the journal alone, and any change moves that.
            self._widen(found.index, 2 * claims_bit(term.kind) - 1)
        self._bind(chosen, term.alias, "fact")
        return lines

    def _without(self, number: int, term: Without) -> list[str]:
        found = self._candidates(term.alias, term.kind, term.where, term.fresh_ms)
        return [*found.head, f"    if {found.test}: return {number + 1}"]

    def _aggregate(self, number: int, term: Aggregate) -> list[str]:
        found = self._candidates(term.alias, term.kind, term.where, term.fresh_ms)
        variable = f"L{number}"
        of = "1" if term.of is None else emit(term.of, found.names)
        if term.function in ("sum", "count"):
            lines = [f"{variable} = 0", *found.head, f"    if {found.test}: {variable} += {of}"]
        else:
            sign = "<" if term.function == "min" else ">"
            lines = [
                f"{variable} = None",
                *found.head,
                f"    if {found.test}:",
                f"        b{found.index} = {of}",
                f"        if {variable} is None or b{found.index} {sign} {variable}: {variable} = b{found.index}",
                f"if {variable} is None: return {number + 1}",
            ]
        self.names.locals[term.name] = variable
        self._bind(variable, term.name, "value")
        return lines

    # -- what is read -------------------------------------------------------
    def _widen(self, index: int, bits: int) -> None:
        term = self.inner[index]
        self.inner[index] = InnerTerm(term.kind, term.positions, term.mask | bits)

    def note_reads(self) -> None:
        """Fill the masks: by seat for the match's own facts, by inner term for the facts they range over."""
        by_term: list[tuple[dict[str, tuple[int, Kind]], list[Expr]]] = []
        index = self.first_inner
        for term in self.rule.terms:
            own: dict[str, tuple[int, Kind]] = {}
            if isinstance(term, Pick | Without | Aggregate):
                own[term.alias] = (index, term.kind)
                index += 1
            by_term.append((own, list(term_values(term))))
        by_term.append(({}, list(standing_values(self.rule))))
        picks = {t.alias: (self.inner_aliases[t.alias], t.kind) for t in self.rule.terms if isinstance(t, Pick)}
        for own, expressions in by_term:
            for expression in expressions:
                for node in walk(expression):
                    self._note(node, picks | own)

    def _note(self, node: Expr, inner: dict[str, tuple[int, Kind]]) -> None:
        match node:
            case FieldRef(alias, _, position, _, _):
                pass
            case Age(alias, _) | ObservedAt(alias, _):
                position = -1
            case Disputed(alias, _):
                position = -2
            case _:
                return
        if alias in inner:
            index, kind = inner[alias]
            self._widen(index, _bit(kind, position))
        elif alias in self.seats:
            seat = self.seats[alias]
            self.masks[seat] |= _bit(self.rule.patterns[seat].kind, position)

    # -- functions ----------------------------------------------------------
    def guard_source(self, name: str, result: str, failure: str) -> list[str]:
        """One function through all terms; ``result`` when all hold, ``failure`` instead of a term's number if given."""
        body = [line for block in self.blocks for line in block]
        if failure:
            body = [_replace_return(line, failure) for line in body]
        lines = [f"def {name}(F, now, cx, W):", "    try:"]
        if self.rule.window is not None:
            lines.append(f"        if not cx.is_open({self.rule.window!r}, now, W): return {failure or -2}")
        lines += [f"        {line}" for line in body]
        if not failure:  # a match whose group or priority cannot be told does not hold
            names = self.names.copy()
            names.locals.setdefault("attempt", "0")
            lines += [f"        {emit(e, names)}" for e in (self.rule.per, self.rule.priority) if e is not None]
        lines += [f"        return {result}", "    except EvaluationError:", f"        return {failure or -1}"]
        return lines

    def ripening_source(self, name: str, seat: int) -> list[str]:
        """A function giving the value a seat's ``for_distinct`` counts, or None while its pattern fails."""
        lines = [f"def {name}(F, now, cx, W):", "    try:"]
        lines += [f"        {_replace_return(line, 'None')}" for line in self.ripening[seat]]
        return [*lines, "    except EvaluationError:", "        return None"]

    def value_source(self, name: str, source: Callable[[Names], str]) -> list[str]:
        """A function of a bound match: ``(F, E, now, attempt, cx)``."""
        names = self.names.copy()
        names.locals["attempt"] = "attempt"
        text = source(names)
        lines = [f"def {name}(F, E, now, attempt, cx):", "    W = []"]
        if self.env:
            lines.append(f"    ({', '.join(self.env)},) = E")
        for pattern in self.rule.patterns:
            seat = self.seats[pattern.alias]
            lines.append(f"    f{seat} = F[{seat}]")
            holder = self.names.holders[pattern.alias]
            lines.append(f"    v{seat} = {holder}.values")
        lines += [f"    u{index} = p{index}.values" for index in self.inner_aliases.values()]
        lines.append(f"    return {text}")
        return lines


def effect_source(effect: Effect) -> Callable[[Names], str]:
    """What ``RuleWriter.value_source`` writes for an effect: its evaluated values, a command's as they leave."""

    def source(names: Names) -> str:
        match effect:
            case CommandEffect():
                args = "{" + ", ".join(f"{name!r}: {emit_wire(value, names)}" for name, value in effect.args) + "}"
                expires = "None" if effect.expires is None else emit(effect.expires, names)
                return f"({args}, {expires})"
            case RetractEffect():
                return "(" + "".join(f"{emit(part, names)}, " for part in effect.key) + ")"
            case AssertEffect() | ConcludeEffect():
                return "{" + ", ".join(f"{name!r}: {emit(value, names)}" for name, value in effect.values) + "}"

    return source


def _replace_return(line: str, failure: str) -> str:
    head, found, number = line.rpartition(": return ")
    return f"{head}: return {failure}" if found and number.isdigit() else line


def _bit(kind: Kind, position: int) -> int:
    """The bit of a field; -1: of observed_at, -2: of the set of claims."""
    if position == -1:
        return observed_bit(kind)
    return claims_bit(kind) if position == -2 else 1 << position
