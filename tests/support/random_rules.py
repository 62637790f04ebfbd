"""Random rules over the kinds of a vocabulary, within the language's restrictions."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from engine.model import expr as x
from engine.model.kinds import NUMERIC, Kind
from engine.model.rules import (
    Check,
    ConcludeEffect,
    Effect,
    ForDistinct,
    Let,
    Once,
    Pattern,
    Repeat,
    Rule,
    Term,
    Throttle,
)
from tests.support import ir
from tests.support.random_kinds import COMMAND, IDS, LIMITS, NUMBERS, SCHEDULE, Vocabulary

ORDERS = ("<", "<=", ">", ">=")
WINDOW = "p.hours"


@dataclass
class Rulemaker:
    """One rule being made: what is bound so far, and whether joins stay on keys (for ``for_distinct``)."""

    draw: st.DrawFn
    words: Vocabulary
    level: int
    keyed: bool
    aliases: list[tuple[str, Kind]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    # --- small parts ----------------------------------------------------------------------------------------------

    def one_of(self, *options: object) -> object:
        """One of them; the first is the simplest."""
        return self.draw(st.sampled_from(options))

    def chance(self, of: int) -> bool:
        """True once in so many."""
        return self.draw(st.integers(0, of - 1)) == of - 1

    def duration(self) -> int:
        """One of the program's durations."""
        return self.draw(st.sampled_from(self.words.durations))

    def ids(self, alias: str, kind: Kind) -> list[x.FieldRef]:
        """The id fields to join by."""
        names = [f.name for f in kind.fields if f.type.name == "id" and not f.optional]
        if kind is COMMAND:
            names = ["verb"]
        return [ir.ref(kind, alias, n) for n in names if not self.keyed or n in kind.key or kind is COMMAND]

    def numbers(self, alias: str, kind: Kind) -> list[x.FieldRef]:
        """The plain number fields."""
        numeric = [f.name for f in kind.fields if f.type.name in NUMERIC - {"timestamp"} and not f.optional]
        return [ir.ref(kind, alias, n) for n in numeric]

    def number(self, aliases: list[tuple[str, Kind]], deep: bool = True) -> x.Expr:
        """A number from what is bound."""
        fields: list[x.Expr] = [r for alias, kind in aliases for r in self.numbers(alias, kind)]
        fields += [ir.local(name) for name in self.names]
        leaf = self.draw(st.sampled_from(fields)) if fields and not self.chance(4) else ir.const(self.draw(NUMBERS))
        if not deep or not self.chance(2):
            return leaf
        other = self.number(aliases, deep=False)
        name = str(self.one_of("+", "-", "floor_div", "*", "mod", "min", "max", "ceil_bps", "if"))
        if name == "if":
            return x.IfElse(ir.cmp(leaf, "<", other), leaf, other, ir.INT)
        return ir.arith(leaf, name, other) if len(name) == 1 else x.Call(name, (leaf, other), ir.INT)

    def id_value(self, aliases: list[tuple[str, Kind]]) -> x.Expr:
        """An id from what is bound, or a literal."""
        fields: list[x.Expr] = [
            ir.ref(kind, alias, f.name)
            for alias, kind in aliases
            for f in kind.fields
            if f.type.name == "id" and not f.optional and kind not in (COMMAND, SCHEDULE)
        ]
        if fields and not self.chance(4):
            return self.draw(st.sampled_from(fields))
        return ir.const(self.draw(st.sampled_from(IDS)))

    # --- conditions -----------------------------------------------------------------------------------------------

    def join(self, alias: str, kind: Kind, must: bool = False) -> list[x.Expr]:
        """Equalities with what was bound before; a literal if there is nothing (or by chance)."""
        mine = self.ids(alias, kind)
        theirs = [r for a, k in self.aliases for r in self.ids(a, k)]
        if not mine or kind is SCHEDULE:
            return []
        left = self.draw(st.sampled_from(mine))
        if not theirs or (not must and self.chance(3)) or kind is COMMAND:
            return [ir.cmp(left, "==", self.draw(st.sampled_from(IDS[:2])))] if must else []
        right = self.draw(st.sampled_from(theirs))
        form = self.one_of("==", "turned", "in", "in", "==", "two")
        if form == "in":
            return [x.In(left, (right, self.draw(st.sampled_from(theirs))), ir.BOOL)]
        if form == "two":
            other = ir.cmp(self.draw(st.sampled_from(mine)), "==", self.draw(st.sampled_from(theirs)))
            return [x.BoolOp("and", (ir.cmp(left, "==", right), other), ir.BOOL)]
        return [ir.cmp(right, "==", left) if form == "turned" else ir.cmp(left, "==", right)]

    def condition(self, alias: str, kind: Kind, alone: bool = False) -> x.Expr:
        """One condition about an alias; ``alone``: about nothing else."""
        around = [(alias, kind)] if alone else [*self.aliases, (alias, kind)]
        names = {f.name for f in kind.fields}
        forms = [
            *(["number", "two"] if self.numbers(alias, kind) else []),
            *(["state"] if "state" in names else []),
            *(["status"] if kind is COMMAND else []),
            *(["opt", "has"] if "opt" in names else []),
            *(["by", "by"] if "by" in names else []),
            *(["disputed"] if kind.per_source else []),
            "age",
        ]
        form = self.draw(st.sampled_from(forms))
        op = self.draw(st.sampled_from(ORDERS))
        match form:
            case "number":
                return ir.cmp(
                    self.numbers(alias, kind)[-1],
                    str(self.one_of("<=", ">=", "<", ">", "==", "!=", "<=", ">=")),
                    self.draw(NUMBERS),
                )
            case "two":
                return ir.cmp(self.numbers(alias, kind)[-1], op, self.number(around))
            case "state":
                return ir.cmp(ir.ref(kind, alias, "state"), str(self.one_of("==", "!=")), "open")
            case "status":
                options = (ir.const(str(self.one_of("queued", "sent", "unknown"))), ir.const("done"))
                return x.In(ir.ref(kind, alias, "status"), options, ir.BOOL)
            case "opt":
                opt = x.Default(ir.ref(kind, alias, "opt"), ir.const(1), ir.INT)
                return ir.cmp(opt, op, self.draw(LIMITS))
            case "has":
                opt_ref = ir.ref(kind, alias, "opt")
                both = (x.Has(opt_ref, ir.BOOL), ir.cmp(opt_ref, op, self.draw(LIMITS)))
                return x.BoolOp("and", both, ir.BOOL)
            case "by":
                by = ir.ref(kind, alias, "by")
                test = ir.time_test(op, ir.arith(by, "+", self.duration()) if self.chance(3) else by)
                return self.dress(test, ir.cmp(ir.const(self.draw(st.integers(0, 1))), "==", 0))
            case "disputed":
                return x.Unary("not", x.Disputed(alias, ir.BOOL), ir.BOOL)
        observed = x.ObservedAt(alias, ir.INT)
        return ir.time_test(op, ir.arith(observed, "+", self.duration()))

    def dress(self, test: x.Expr, other: x.Expr) -> x.Expr:
        """A condition as it is, negated, or joined with another."""
        form = self.one_of("plain", "plain", "not", "or")
        if form == "not":
            return x.Unary("not", test, ir.BOOL)
        return x.BoolOp("or", (other, test), ir.BOOL) if form == "or" else test

    def where(self, alias: str, kind: Kind, must: bool = False, alone: bool = False) -> tuple[x.Expr, ...]:
        """Joins, then filters."""
        joins = self.join(alias, kind, must)
        return (
            *joins,
            *(self.condition(alias, kind, alone) for _ in range(self.draw(st.sampled_from([0, 0, 1, 1 + alone])))),
        )

    # --- terms ----------------------------------------------------------------------------------------------------

    def patterns(self) -> list[Term]:
        """One to four positive patterns."""
        made: list[Term] = []
        number = self.draw(st.sampled_from([1, 1, 1, 2, 2, 2, 3, 3, 4]))
        if self.level == 2 and self.chance(4):
            number = min(number, 2)  # commands may be many, and the reference tries every tuple
            alias = "c"
            made.append(Pattern(alias, COMMAND, self.where(alias, COMMAND), ir.SPAN))
            self.aliases.append((alias, COMMAND))
        for n in range(len(made), number):
            kinds = self.words.below(self.level)
            if self.chance(6):
                kinds = self.words.written(self.level, concluded=False)
            elif self.chance(12):
                kinds = [SCHEDULE]
            kind, alias = self.draw(st.sampled_from(kinds)), f"p{n}"
            distinct = None
            if self.keyed and self.numbers(alias, kind) and self.chance(2):
                distinct = ForDistinct(self.numbers(alias, kind)[0], self.draw(st.sampled_from([1, 2, 2, 3])))
            made.append(
                Pattern(
                    alias,
                    kind,
                    self.where(alias, kind, alone=self.keyed),
                    ir.SPAN,
                    fresh_ms=self.duration() if self.chance(4) else None,
                    quorum=self.draw(st.sampled_from([1, 2, 2, 3])) if kind.per_source and self.chance(2) else None,
                    for_distinct=distinct,
                )
            )
            self.aliases.append((alias, kind))
        return made

    def further_terms(self) -> list[Term]:
        """Up to two terms that are not patterns."""
        made: list[Term] = []
        for n in range(self.draw(st.sampled_from([0, 0, 1, 1, 2]))):
            alias, kind = f"x{n}", self.draw(st.sampled_from(self.words.below(self.level)))
            fresh = self.duration() if self.chance(4) else None
            form = self.one_of("without", "latest", "best", "sum", "count", "min", "max", "let", "check")
            number = self.numbers(alias, kind)[-1]
            match form:
                case "without":
                    made.append(ir.without(kind, alias, *self.where(alias, kind, must=True), fresh_ms=fresh))
                case "latest":
                    made.append(ir.latest(kind, alias, *self.where(alias, kind), fresh_ms=fresh))
                    self.aliases.append((alias, kind))
                case "best":
                    made.append(ir.best(kind, alias, number, *self.where(alias, kind), fresh_ms=fresh))
                    self.aliases.append((alias, kind))
                case "let":
                    made.append(Let(f"v{n}", self.number(self.aliases), ir.SPAN))
                    self.names.append(f"v{n}")
                case "check":
                    left, right = self.number(self.aliases), self.number(self.aliases)
                    made.append(Check((ir.cmp(left, self.draw(st.sampled_from(ORDERS)), right),), ir.SPAN))
                case _:
                    of = None if form == "count" else number
                    made.append(ir.aggregate(str(form), f"v{n}", of, kind, alias, *self.where(alias, kind, must=True)))
                    self.names.append(f"v{n}")
        return made

    # --- effects --------------------------------------------------------------------------------------------------

    def fact_values(self, kind: Kind) -> dict[str, x.Expr]:
        """What an effect gives a fact."""
        numeric = {f.name for f in kind.fields if f.type.name in NUMERIC}
        return {
            f.name: self.number(self.aliases) if f.name in numeric else self.id_value(self.aliases) for f in kind.fields
        }

    def effect(self, forms: tuple[str, ...]) -> Effect:
        """One effect."""
        form = self.one_of(*forms)
        if form == "command":
            expires = x.Now(ir.TIMESTAMP) if self.chance(4) else None
            args = {"k": self.id_value(self.aliases), "n": self.number(self.aliases), "attempt": ir.local("attempt")}
            return ir.command(str(self.one_of("go", "a", "b")), expires, **args)
        kind = self.draw(st.sampled_from(self.words.written(self.level, concluded=form == "conclude")))
        if form == "retract":
            return ir.retracts(kind, *(self.id_value(self.aliases) for _ in kind.key))
        if form == "conclude":
            return ConcludeEffect(kind, tuple(self.fact_values(kind).items()), ir.SPAN)
        return ir.asserts(kind, **self.fact_values(kind))

    def effects(self, most: int, *forms: str) -> tuple[Effect, ...]:
        """Up to so many effects."""
        return tuple(self.effect(forms) for _ in range(self.draw(st.integers(most > 1, most))))

    def options(self, has_windows: bool) -> ir.RuleOptions:
        """All else a rule may say; most rules say little."""
        made: ir.RuleOptions = {}
        if self.chance(3):
            made["for_ms"] = self.duration()
        if self.chance(4):
            made["per"] = self.id_value(self.aliases)
        if self.chance(5):
            memory = f"p.{self.one_of('m1', 'm2')}"
            made["once"] = Once(self.id_value(self.aliases), memory, self.duration())
        if self.chance(4):
            made["throttle"] = Throttle(self.id_value(self.aliases) if self.chance(2) else None, self.duration())
        if self.chance(4):
            made["repeat"] = Repeat(self.duration(), self.draw(st.integers(1, 3)))
            made["exhausted"] = self.effects(1, "command", "assert", "conclude")
        if self.chance(4):
            made["priority"] = self.number(self.aliases)
        if self.chance(3):
            made["ended"] = self.effects(1, "assert", "retract")
        if self.chance(8):
            made["is_live"] = False
        if has_windows and self.chance(4):
            made["window"] = WINDOW
        return made


@st.composite
def rules(draw: st.DrawFn, words: Vocabulary, name: str, has_windows: bool) -> Rule:
    """One rule."""
    level = draw(st.sampled_from([1, 1, 2]))
    maker = Rulemaker(draw, words, level, keyed=draw(st.sampled_from([False, False, False, True])))
    terms = [*maker.patterns(), *maker.further_terms()]
    then = maker.effects(2, "command", "command", "assert", "retract", "conclude")
    return ir.rule(name, terms, then, **maker.options(has_windows))
