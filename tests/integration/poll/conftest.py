from __future__ import annotations

import pytest

from tests.support.polling import Clocks


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)
