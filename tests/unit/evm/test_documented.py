from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.base import ConnectorContext
from connectors.evm import EvmConnector
from engine.settings import load_settings

DOCS = Path(__file__).parents[3] / "docs"


def test_the_documented_configuration_is_one_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETHEREUM_RPC", "http://127.0.0.1:8545")
    example = re.findall(r"```yaml\n(connectors:\n.*?)```", (DOCS / "evm.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "lockstep.yaml").write_text(example)
    settings = load_settings(tmp_path / "lockstep.yaml").connector("ethereum")
    assert settings.type == "evm"
    connector = EvmConnector(ConnectorContext("ethereum", settings.options))
    assert connector.node.place == "http://127.0.0.1:8545"
