"""Expression text → typed trees, with every unit proven.

The pack checker goes through a rule like this:

1. ``scope.learn_equalities`` with all positive ``where``s and ``check``s of the rule;
2. per term in file order: put the alias into ``scope.aliases``, then ``check_conditions``; for ``without`` and
   aggregates on ``inner = scope.child()``, with ``inner.learn_equalities`` of the term's own ``where`` first;
3. ``check_term_value`` for ``let``, ``by``, ``per``, ``once.key``, ``throttle.per``, ``for_distinct.of`` and
   ``priority``; ``check_aggregated`` for ``sum``, ``min``, ``max``; then ``bind_local``;
4. ``check_value`` (after the leading ``=``), ``check_template`` and ``literal`` for effects.
"""

from engine.packs.expressions.conditions import (
    check_aggregated,
    check_conditions,
    check_term_value,
    check_value,
)
from engine.packs.expressions.equalities import AssetTerm, Equalities
from engine.packs.expressions.literals import duration, literal
from engine.packs.expressions.scanning import KEYWORDS
from engine.packs.expressions.scope import RESERVED_NAMES, Scope, asset_term, bind_local
from engine.packs.expressions.templates import check_template

__all__ = [
    "KEYWORDS",
    "RESERVED_NAMES",
    "AssetTerm",
    "Equalities",
    "Scope",
    "asset_term",
    "bind_local",
    "check_aggregated",
    "check_conditions",
    "check_template",
    "check_term_value",
    "check_value",
    "duration",
    "literal",
]
