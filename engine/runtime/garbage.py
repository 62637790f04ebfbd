"""The collector of cyclic garbage, kept out of the way of decisions.

A full collection looks at every object: a tenth of a second for a hundred thousand facts, in which nothing is decided.
Nothing that leaves working memory is in a cycle (a test holds the engine to that), so there is nothing for it to find
there. What recovery or a new rule base has built is set apart for good; of what comes later, only the young is looked
at, unless very much has piled up.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Objects made since the last look before the youngest are looked at; how many such looks before the next older
#: generation is, too; and the same for everything.
_THRESHOLDS: Final = (5_000, 10, 500)


@contextmanager
def put_off() -> Iterator[None]:
    """While much is built that stays, nothing is collected; then it is set apart."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        set_apart()


def set_apart() -> None:
    """Let go of what is garbage, and do not look at the rest again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
