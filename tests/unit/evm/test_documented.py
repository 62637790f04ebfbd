from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.base import ConnectorContext, OutgoingCommand, SendStatus
from connectors.evm import EvmConnector
from engine.settings import Settings, load_settings

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def documented(tmp_path: Path) -> Settings:
    """All examples of the page, in one file."""
    examples = re.findall(r"```yaml\nconnectors:\n(.*?)```", (DOCS / "evm.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "lockstep.yaml").write_text("connectors:\n" + "".join(examples))
    return load_settings(tmp_path / "lockstep.yaml")


def test_the_documented_watching_is_one_that_works(documented: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETHEREUM_RPC", "http://127.0.0.1:8545")
    settings = documented.connector("ethereum")
    assert settings.type == "evm"
    connector = EvmConnector(ConnectorContext("ethereum", settings.options))
    assert connector.node.place == "http://127.0.0.1:8545"


async def test_the_documented_sending_is_one_that_works(documented: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_RPC", "http://127.0.0.1:8545")
    monkeypatch.setenv("BASE_KEY", "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
    connector = EvmConnector(ConnectorContext("base", documented.connector("base").options))
    await connector.start()
    refused = await connector.send(OutgoingCommand("c1", "base", "pay", '{"recipient": "0x12", "amount": "1"}', "r"))
    await connector.stop()
    assert refused.status is SendStatus.REFUSED
    assert refused.detail["reason"].startswith("to: '0x12' is no address")
