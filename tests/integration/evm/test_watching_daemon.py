"""The whole program watching two chains, configured by YAML alone, killed while it watches."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.program import PROGRAM, RunningDaemon, environment
from tests.integration.evm.test_events import deposit
from tests.support.anvil import Anvil
from tests.support.contracts import compiled

PACK = """
pack: arrivals
version: 1
use: [standard]
rules:
  - rule: tell-what-is-deep-enough
    when:
      - transfer: t
        where: t.depth >= 3
      - network: n
        where: n.id == t.network and n.state == "ok"
        fresh: 10m
    once: {key: =t.intent, as: told, keep: 1d}
    then:
      - command: log.deep
        with: {intent: =t.intent, amount: =t.amount, network: =t.network}
"""
CONFIG = """
connectors:
  {name}-node:
    type: evm
    options:
      network: {name}
      chain_id: {chain_id}
      node: {{url: "{url}", timeout: 5s}}
      watch:
        every: 50ms
        behind_after: 1h
        start: 0
        events:
          - event: "Deposited(bytes32 indexed intent, address indexed sender, uint256 amount, uint256 target)"
            address: "{bridge}"
            kind: transfer
            confirmations: 3
            fields:
              id: =log.id
              intent: =text(event.intent)
              asset: usdc
              amount: =event.amount
              state: in_flight
              network: =log.network
              depth: =log.depth
              block_hash: =log.block_hash
"""


@pytest.fixture
def chains() -> Iterator[dict[str, tuple[Anvil, str]]]:
    """Two chains, each with a bridge contract."""
    alpha, beta = Anvil(chain_id=31337).start(), Anvil(chain_id=31338).start()
    code = compiled("bridge").bytecode
    yield {"alpha": (alpha, alpha.deploy(code)), "beta": (beta, beta.deploy(code))}
    alpha.stop()
    beta.stop()


def asked(directory: Path, *words: str) -> Any:  # noqa: ANN401
    """What the program prints of the running daemon."""
    done = subprocess.run(
        [*PROGRAM, *words, "--json"], cwd=directory, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(commands: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((each["args"]["network"], each["args"]["intent"]) for each in commands)


def test_two_chains_are_watched_through_kills_and_a_reorganisation_without_gap_or_double(
    tmp_path: Path, chains: dict[str, tuple[Anvil, str]]
) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "arrivals.yaml").write_text(PACK)
    (tmp_path / "config").mkdir()
    parts = [
        CONFIG.format(name=name, chain_id=chain.chain_id, url=chain.url, bridge=bridge)
        for name, (chain, bridge) in chains.items()
    ]
    (tmp_path / "config" / "lockstep.yaml").write_text(parts[0] + parts[1].replace("\nconnectors:\n", ""))
    (alpha, alpha_bridge), (beta, beta_bridge) = chains["alpha"], chains["beta"]

    def is_told(intent: str) -> Callable[[dict[str, Any]], bool]:
        return lambda line: line["event"] == "command" and line["arguments"]["intent"] == intent

    daemon = RunningDaemon(tmp_path, "--packs", "packs")
    try:
        daemon.wait_for("ready")
        deposit(beta, beta_bridge, "B1")
        beta.mine(2)
        deposit(beta, beta_bridge, "gone")
        beta.mine()
        daemon.wait_until(is_told("B1"))
        daemon.kill()

        beta.reorg(1)
        deposit(beta, beta_bridge, "B2")
        beta.mine(4)
        for number in range(40):
            deposit(alpha, alpha_bridge, f"A{number}")
            alpha.mine()
        alpha.mine(2)
        daemon = RunningDaemon(tmp_path, "--packs", "packs")
        daemon.wait_until(is_told("B2"))
        if not any(map(is_told("A39"), daemon.lines)):
            daemon.wait_until(is_told("A39"))
        deposited = [*(("alpha", f"A{n}") for n in range(40)), ("beta", "B1"), ("beta", "B2")]
        assert told(asked(tmp_path, "commands")) == sorted(deposited)
        assert asked(tmp_path, "rejected") == []
        assert daemon.stop() == 0
    finally:
        daemon.process.kill()
        daemon.process.wait()
