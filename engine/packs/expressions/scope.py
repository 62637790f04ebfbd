"""What the names in an expression mean, and what the rule has proven about them so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine.model.expr import (
    Arith,
    Call,
    Const,
    Default,
    Expr,
    FieldRef,
    Free,
    IfElse,
    LedgerRead,
    Local,
    Param,
    Unary,
)
from engine.model.kinds import TEXTUAL, Kind, Type, Value
from engine.model.rules import Span
from engine.packs.expressions.equalities import ANY_ASSET, AssetTerm, Equalities
from engine.packs.expressions.learning import equalities_in

#: Names with a meaning of their own: no alias, ``let`` or aggregate may take them.
RESERVED_NAMES = frozenset({"now", "params", "true", "false", "attempt", "coordination", "step"})


@dataclass
class Scope:
    """The names one rule's expressions may use.

    Attributes:
        aliases: alias → the kind of the fact it is bound to.
        locals: names bound by ``let`` and aggregates (and ``attempt`` in effects) → type.
        local_assets: for locals that are amounts: what names their asset.
        params: parameter → type and the value in force.
        present: ``(alias, field)`` of optional fields proven to be there by a ``has``.
        equalities: what the rule's own ``==`` conditions prove.
        has_ledger: whether ``delivered(…)`` and its like can be read: only inside plans.
    """

    aliases: dict[str, Kind] = field(default_factory=dict)
    locals: dict[str, Type] = field(default_factory=dict)
    local_assets: dict[str, AssetTerm] = field(default_factory=dict)
    params: dict[str, tuple[Type, Value]] = field(default_factory=dict)
    present: set[tuple[str, str]] = field(default_factory=set)
    equalities: Equalities = field(default_factory=Equalities)
    has_ledger: bool = False

    def child(self) -> Scope:
        """A copy for an inner scope: what a ``without`` or an aggregate binds, proves or learns stays inside."""
        return Scope(
            aliases=dict(self.aliases),
            locals=dict(self.locals),
            local_assets=dict(self.local_assets),
            params=self.params,
            present=set(self.present),
            equalities=self.equalities.copy(),
            has_ledger=self.has_ledger,
        )

    def absorb(self, other: Scope) -> None:
        """Take over all that another scope binds and proves; whoever calls sees to it that the names differ."""
        self.aliases |= other.aliases
        self.locals |= other.locals
        self.local_assets |= other.local_assets
        self.present |= other.present
        self.equalities.absorb(other.equalities)

    def learn_equalities(self, texts: list[tuple[str, Span]]) -> None:
        """Record the ``==`` conjuncts of positive conditions, before any of them is type-checked.

        Call it once with every ``where`` and ``check`` of the rule, so that the order of terms does not matter, and
        once on a child scope with the ``where`` of each ``without`` or aggregate. Unknown names and broken text are
        passed over: the check proper reports them.
        """
        for text, _span in texts:
            for one, other in equalities_in(text):
                self.equalities.unite(one, other)

    def are_same_asset(self, one: AssetTerm, other: AssetTerm) -> bool:
        """Whether the rule proves that both name the same asset. A parameter is as good as its value in force."""
        if ANY_ASSET in (one, other):
            return True
        for term in {one, other, *self._params_equal_to(one), *self._params_equal_to(other)}:
            if term.sort == "param" and term.name in self.params:
                value = self.params[term.name][1]
                if isinstance(value, str):
                    self.equalities.unite(term, AssetTerm("const", "", value))
        return self.equalities.are_same(one, other)

    def _params_equal_to(self, term: AssetTerm) -> Iterator[AssetTerm]:
        return (each for each in self.equalities.equals_of(term) if each.sort == "param")

    def asset_of(self, expr: Expr) -> AssetTerm | None:
        """What names the asset of an amount; None for what is no amount, or one whose asset nothing names."""
        if expr.type.name != "amount":
            return None
        match expr:
            case FieldRef(alias, _, _, kind, _):
                return AssetTerm("field", alias, kind.asset_field) if kind.asset_field else ANY_ASSET
            case Param(_, _, kind):
                return self._param_asset(kind)
            case Local(name, _):
                return self.local_assets.get(name)
            case Default(ref, _, _) | Free(ref, _):
                return self.asset_of(ref)
            case Unary(_, operand, _):
                return self.asset_of(operand)
            case Arith(_, left, right, _):
                return self._first_asset(left, right)
            case IfElse(_, then, otherwise, _):
                return self._first_asset(then, otherwise)
            case Call(_, args, _):
                return self._first_asset(*args)
            case LedgerRead(_, args, _):
                return asset_term(args[-1]) or ANY_ASSET
            case _:
                return None

    def _first_asset(self, *exprs: Expr) -> AssetTerm | None:
        found = [asset for each in exprs if (asset := self.asset_of(each)) is not None]
        return next((asset for asset in found if asset != ANY_ASSET), found[0] if found else None)

    def _param_asset(self, kind: Type) -> AssetTerm | None:
        """``amount(x)`` of a parameter: x is another parameter that names the asset, or the asset's id itself."""
        if kind.asset_field is None:
            return None
        sort = "param" if kind.asset_field in self.params else "const"
        return AssetTerm(sort, "", kind.asset_field)


def bind_local(scope: Scope, name: str, value: Expr | Type, inner: Scope | None = None) -> Type:
    """Bind the name of a ``let`` or an aggregate, keeping the identity of its asset.

    Args:
        scope: where the name becomes visible.
        name: the new name.
        value: the ``let``'s value; for ``sum``, ``min`` and ``max`` the expression they go over; for ``count`` (and
            ``attempt``) just the type.
        inner: for an aggregate: the child scope its ``where`` was checked in. Its alias is not visible outside, so its
            asset is translated to an outer term that the aggregate's own equalities prove to be the same.

    Returns:
        The type of the local.
    """
    if isinstance(value, Type):
        scope.locals[name] = value
        return value
    kind = replace(value.type, asset_field=None)
    scope.locals[name] = kind
    asset = (inner or scope).asset_of(value)
    if asset is not None:
        scope.local_assets[name] = _seen_from_outside(asset, name, scope, inner)
    if inner is None and kind.name in TEXTUAL and (term := asset_term(value)) is not None:
        scope.equalities.unite(AssetTerm("local", "", name), term)
    return kind


def _seen_from_outside(asset: AssetTerm, name: str, scope: Scope, inner: Scope | None) -> AssetTerm:
    if inner is None:
        return asset
    hidden = inner.aliases.keys() - scope.aliases.keys()
    for term in inner.equalities.equals_of(asset):
        if term.sort != "field" or term.owner not in hidden:
            return term
    return AssetTerm("inner", name, str(asset))


def asset_term(value: Expr) -> AssetTerm | None:
    """What a text names, in the terms in which equalities are stated; None for what is computed."""
    match value:
        case FieldRef(alias, name, _, _, _):
            return AssetTerm("field", alias, name)
        case Param(name, _, _):
            return AssetTerm("param", "", name)
        case Local(name, _):
            return AssetTerm("local", "", name)
        case Const(str() as text, _):
            return AssetTerm("const", "", text)
        case _:
            return None
