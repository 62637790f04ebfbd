"""A chain for the tests, on a real node.

Without node, npm or a network to fetch it the first time, the tests that need it fail; they are never skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.insight.chains.anvil import Anvil
from engine.insight.chains.program import VERSION, anvil_program
from engine.insight.chains.rpc import Json

__all__ = ["VERSION", "Anvil", "Json", "anvil", "anvil_program"]


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A fresh chain that mines when asked."""
    chain = Anvil().start()
    yield chain
    chain.stop()
