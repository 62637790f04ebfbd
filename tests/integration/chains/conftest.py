"""Two fresh chains, laid out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.insight.chains.anvil import Anvil
from tests.support.chains import Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    home, far = Anvil(31_001).start(), Anvil(31_002).start()
    try:
        yield Pair.laid_out(home, far)
    finally:
        home.stop()
        far.stop()
