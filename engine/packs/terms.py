"""The terms of a ``when``: patterns, ``latest``, ``best``, ``without``, aggregates, ``let`` and ``check``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import Problem
from engine.limits import MAX_CLAIMS
from engine.model.expr import Expr
from engine.model.kinds import Kind, Type
from engine.model.rules import Aggregate, Check, ForDistinct, Let, Pattern, Pick, Term, Without
from engine.packs.complaints import complain, did_you_mean, listed
from engine.packs.expressions import bind_local, check_aggregated
from engine.packs.forms import Form, as_map
from engine.packs.joins import has_outer_equality
from engine.packs.names import TERM_HEADS, TERM_SIBLINGS, check_reason
from engine.packs.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from engine.packs.rulescope import RuleScope, Text, bare_text, condition_texts

#: Head → what may stand beside it.
_SIBLINGS: Final[dict[str, tuple[str, ...]]] = {
    "latest": ("of", "where", "fresh", "reason"),
    "best": ("of", "where", "by", "fresh", "reason"),
    "without": ("as", "where", "fresh", "reason"),
    "sum": ("of", "over", "as", "where", "fresh", "reason"),
    "min": ("of", "over", "as", "where", "fresh", "reason"),
    "max": ("of", "over", "as", "where", "fresh", "reason"),
    "count": ("over", "as", "where", "fresh", "reason"),
    "let": ("be",),
    "check": ("reason",),
}
_PATTERN_SIBLINGS: Final = ("where", "fresh", "for_distinct", "quorum", "reason")
_MOST_DISTINCT: Final = 1_000


def read_terms(node: ListNode, scope: RuleScope) -> tuple[Term, ...]:
    """All terms in file order; what they bind is in the scope afterwards."""
    heads = [(body, head) for each in node.items if (body := _body(each, scope)) and (head := _head(body, scope))]
    scope.is_doubtful |= len(heads) < len(node.items)
    for _, head in heads:
        bound = _bound_name(head)
        if bound is not None:
            scope.later.setdefault(bound.text, bound.span)
    ignored: list[Problem] = []
    texts = [text for body, head in heads for text in _positive_texts(body, head, ignored)]
    scope.scope.learn_equalities(texts)
    terms = [_read_term(body, head, scope) for body, head in heads]
    return tuple(term for term in terms if term is not None)


def _body(node: Node, scope: RuleScope) -> MapNode | None:
    return as_map(node, "term", scope.problems)


def _head(body: MapNode, scope: RuleScope) -> Entry | None:
    """The entry that says what sort of term it is: the one key that is no sibling."""
    words = [entry for entry in body if entry.key.text in _SIBLINGS]
    others = [entry for entry in body if entry.key.text not in TERM_SIBLINGS and entry.key.text not in _SIBLINGS]
    heads = words or others
    if not heads:
        known = listed([*TERM_HEADS, *scope.names.kinds])
        complain(scope.problems, body.span, "E323", "a term without a head", f"begin it with one of: {known}")
        return None
    for extra in heads[1:]:
        key = extra.key.text
        hint = (
            did_you_mean(key, _SIBLINGS.get(heads[0].key.text, _PATTERN_SIBLINGS)) + "; or begin a new term with '- '"
        )
        message = f"'{key}' beside '{heads[0].key.text}' in one term"
        complain(scope.problems, extra.key.span, "E301", message, hint)
    return heads[0]


def _bound_name(head: Entry) -> ScalarNode | None:
    """The name a term makes visible to later ones."""
    if head.key.text in {"without", "check"} or not isinstance(head.value, ScalarNode):
        return None
    return head.value


def _positive_texts(body: MapNode, head: Entry, ignored: list[Problem]) -> list[Text]:
    """The conditions of a term that hold of the facts a match binds."""
    if head.key.text == "check":
        return condition_texts(head.value, ignored)
    if head.key.text in {"without", "sum", "count", "min", "max", "let"}:
        return []
    where = body.get("where")
    return condition_texts(where, ignored) if where is not None else []


def _read_term(body: MapNode, head: Entry, scope: RuleScope) -> Term | None:
    word = head.key.text
    siblings = _SIBLINGS.get(word, _PATTERN_SIBLINGS)
    # A second head is reported by _head already.
    known = [entry for entry in body if entry is head or entry.key.text in TERM_SIBLINGS]
    form = Form(
        MapNode(tuple(known), body.span), f"'{word}'", (word, *siblings), scope.problems, scope.names.params
    )  # fmt: skip
    read: Callable[[Form, Entry, RuleScope], Term | None] = _READERS.get(word, _pattern)
    return read(form, head, scope)


def _reason(form: Form, scope: RuleScope) -> str | None:
    given = form.scalar("reason")
    return check_reason(given, scope.problems) if given else None


def _pattern(form: Form, head: Entry, scope: RuleScope) -> Pattern | None:
    kind = scope.names.kind(head.key, scope.problems)
    alias = scope.bind(form.scalar(head.key.text), "pattern")
    if kind is None or alias is None:
        _give_up(head.value, scope)
        return None
    scope.scope.aliases[alias] = kind
    return Pattern(
        alias,
        kind,
        scope.conditions(form.node("where")),
        head.key.span,
        fresh_ms=form.ms("fresh"),
        quorum=_quorum(form, kind, scope),
        for_distinct=_for_distinct(form, scope),
        reason=_reason(form, scope),
    )


def _give_up(node: Node, scope: RuleScope) -> None:
    """The name is in doubt; nothing more is said about texts that read it."""
    if isinstance(node, ScalarNode):
        scope.later.pop(node.text, None)
        if node.text not in scope.scope.aliases:
            scope.broken.add(node.text)


def _quorum(form: Form, kind: Kind, scope: RuleScope) -> int | None:
    quorum = form.count("quorum", 1, MAX_CLAIMS)
    if quorum is not None and quorum > 1 and not kind.per_source:
        message = f"a quorum of {quorum} on '{kind.name}', which keeps one claim a key"
        hint = f"add 'claims: per_source' to the kind '{kind.name}'"
        complain(scope.problems, form.at("quorum"), "E324", message, hint)
    return quorum


def _for_distinct(form: Form, scope: RuleScope) -> ForDistinct | None:
    body = form.map("for_distinct")
    if body is None:
        return None
    inner = Form(body, "'for_distinct'", ("of", "count"), scope.problems, scope.names.params)
    if not inner.need("of", "count"):
        return None
    of, count = scope.term_value(inner.scalar("of")), inner.count("count", 1, _MOST_DISTINCT)
    return None if of is None or count is None else ForDistinct(of, count)


def _pick(form: Form, head: Entry, scope: RuleScope) -> Pick | None:
    word = head.key.text
    named = form.scalar("of") if form.need("of", "where") else None
    kind = scope.names.kind(named, scope.problems) if named else None
    alias = scope.bind(form.scalar(word), word)
    if kind is None or alias is None:
        _give_up(head.value, scope)
        return None
    scope.scope.aliases[alias] = kind
    where = scope.conditions(form.node("where"))
    _need_equality(form, alias, where, scope)
    by: Expr | None = None
    if word == "best" and form.need("by"):
        by = scope.term_value(form.scalar("by"))
        if by is None:
            return None
    return Pick(alias, kind, where, head.key.span, by, form.ms("fresh"), _reason(form, scope))


def _without(form: Form, head: Entry, scope: RuleScope) -> Without | None:
    named = form.scalar("without")
    kind = scope.names.kind(named, scope.problems) if named else None
    alias = _inner_alias(form, scope)
    if kind is None or alias is None:
        return None
    inner = scope.scope.child()
    inner.aliases[alias] = kind
    inner.learn_equalities(condition_texts(where, []) if (where := form.node("where")) else [])
    conditions = scope.conditions(where, inner)
    _need_equality(form, alias, conditions, scope)
    return Without(alias, kind, conditions, head.key.span, form.ms("fresh"), _reason(form, scope))


def _inner_alias(form: Form, scope: RuleScope) -> str | None:
    """The name under which a term's own ``where`` reads the facts; nothing else may."""
    if not form.need("as", "where"):
        return None
    return scope.bind(form.scalar("as"), "pattern")


def _aggregate(form: Form, head: Entry, scope: RuleScope) -> Aggregate | None:
    word = head.key.text
    named = form.scalar("over") if form.need("over") else None
    kind = scope.names.kind(named, scope.problems) if named else None
    name = scope.bind(form.scalar(word), word)
    alias = _inner_alias(form, scope)
    if kind is None or name is None or alias is None:
        _give_up(head.value, scope)
        return None
    inner = scope.scope.child()
    inner.aliases[alias] = kind
    inner.learn_equalities(condition_texts(where, []) if (where := form.node("where")) else [])
    conditions = scope.conditions(where, inner)
    _need_equality(form, alias, conditions, scope)
    of: Expr | None = None
    if word == "count":
        bind_local(scope.scope, name, Type("int"))
    else:
        given = form.scalar("of") if form.need("of") else None
        text, span = bare_text(given) if given else ("", head.key.span)
        is_readable = given is not None and scope.is_readable(text, span)
        of = check_aggregated(word, text, span, inner, scope.problems) if is_readable else None
        if of is None:
            _give_up(head.value, scope)
            return None
        bind_local(scope.scope, name, of, inner)
    fresh_ms, reason = form.ms("fresh"), _reason(form, scope)
    return Aggregate(name, word, of, alias, kind, conditions, head.key.span, fresh_ms, reason)


def _need_equality(form: Form, alias: str, where: tuple[Expr, ...], scope: RuleScope) -> None:
    """Without one, every change of the kind would have to be held against every match."""
    if where and not has_outer_equality(alias, where):
        message = f"no equality ties '{alias}' to anything outside"
        hint = f"add one to 'where', as in '{alias}.intent == i.id'"
        complain(scope.problems, form.at("where"), "E325", message, hint)


def _let(form: Form, head: Entry, scope: RuleScope) -> Let | None:
    name = scope.bind(form.scalar("let"), "value")
    value = scope.term_value(form.scalar("be")) if form.need("be") else None
    if name is None or value is None:
        _give_up(head.value, scope)
        return None
    bind_local(scope.scope, name, value)
    return Let(name, value, head.key.span)


def _check(form: Form, head: Entry, scope: RuleScope) -> Check | None:
    conditions = scope.conditions(head.value)
    return Check(conditions, head.key.span, _reason(form, scope)) if conditions else None


_READERS: Final[dict[str, Callable[[Form, Entry, RuleScope], Term | None]]] = {
    "latest": _pick,
    "best": _pick,
    "without": _without,
    "sum": _aggregate,
    "count": _aggregate,
    "min": _aggregate,
    "max": _aggregate,
    "let": _let,
    "check": _check,
}
