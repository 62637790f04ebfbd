"""Code made from our own text, kept: a recovery and a reload make much of the same again."""

from __future__ import annotations

from functools import lru_cache
from types import CodeType

#: Texts kept; a rule base has one for each rule, each condition of a plan and each kind.
_KEPT = 2_048


@lru_cache(maxsize=_KEPT)
def code_of(source: str, where: str) -> CodeType:
    """The code of a text that we generated.

    Args:
        source: statements; names from packs stand in it as literals only.
        where: named in tracebacks.
    """
    return compile(source, where, "exec")
