"""The daemon is killed between the sending of a transaction and its receipt; each command has one effect on chain."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.evm.abi import keccak_hex
from engine.clock import wall_ms
from tests.chaos.world import Fact, World
from tests.integration.cli.program import RunningDaemon
from tests.support.anvil import Anvil
from tests.support.contracts import call, compiled
from tests.support.sending import ACCOUNT, KEY, KEY_VARIABLE, PAYEE
from tests.support.wiretap import Stop, Wiretap

PACK = """
pack: pay
version: 1
use: [standard]
kinds:
  invoice:
    key: [id]
    ttl: 1h
    fields: {id: id, payee: id, amount: uint256, patience: duration}
rules:
  - rule: pay
    when:
      - invoice: i
    once: {key: =i.id}
    then:
      - command: eth.pay
        with: {payee: =i.payee, amount: =i.amount}
        expires: =now + i.patience
"""
CONFIG = """
connectors:
  eth:
    type: evm
    retry: {{tries: 20, base: 50ms, cap: 200ms}}
    options:
      network: eth
      chain_id: 31337
      node: {{url: "{url}"}}
      watch: {{every: 100ms}}
      send:
        key: {{env: {variable}}}
        fees: {{max_fee: 100 gwei}}
        poll: 50ms
        confirmations: 2
        contracts:
          purse: {{address: "{purse}"}}
        calls:
          pay:
            contract: purse
            function: pay(bytes32 id, address to, uint256 amount)
            args: {{id: "@command", to: payee, amount: amount}}
"""


@dataclass
class Till:
    """A world whose daemon pays invoices over a wire that can be stopped."""

    world: World
    anvil: Anvil
    wire: Wiretap
    purse: str
    invoices: int = field(default=0)

    def start(self, **env: str) -> RunningDaemon:
        """The next life of the daemon."""
        self.world.lease_runs_out()
        packs = () if self.world.daemons else ("--packs", self.world.pack("pay", PACK))
        return self.world.daemon("--config", self.config(), *packs, env={KEY_VARIABLE: KEY} | env)

    def config(self) -> Path:
        file = self.world.directory / "lockstep.yaml"
        file.write_text(CONFIG.format(url=self.wire.url, purse=self.purse, variable=KEY_VARIABLE))
        return file

    def invoice(self, patience_ms: int = 3_600_000) -> None:
        """One more is to be paid."""
        self.invoices += 1
        row = {"id": f"i{self.invoices}", "payee": PAYEE, "amount": "1", "patience": patience_ms}
        self.world.send([Fact("invoice", row)])

    def statuses(self) -> dict[str, str]:
        """Of all commands."""
        return {command: row["status"] for command, row in self.world.facts("command").items()}

    def finish(self, daemon: RunningDaemon) -> None:
        """Blocks come until every command is told as done."""
        self.world.wait_until(lambda: self.ends_with("done"), daemon)
        assert daemon.stop() == 0, daemon.lines[-5:]

    def ends_with(self, status: str) -> bool:
        """Once another block has come."""
        self.anvil.mine()
        statuses = self.statuses()
        return len(statuses) == self.invoices and set(statuses.values()) == {status}

    def read(self, signature: str, *values: object) -> int:
        return int(self.anvil.rpc("eth_call", {"to": self.purse, "data": call(signature, *values)}, "latest"), 16)

    def assert_each_paid_once(self) -> None:
        """On the chain, by the id that each transaction carried; and no nonce was used for anything else."""
        commands = [row["command"] for row in self.world.commands()]
        assert len(commands) == self.invoices
        times = {command: self.read("times(bytes32)", keccak_hex(command.encode())) for command in commands}
        assert times == dict.fromkeys(commands, 1)
        assert self.read("count()") == self.read("balances(address)", PAYEE) == self.invoices
        assert int(self.anvil.rpc("eth_getTransactionCount", ACCOUNT, "latest"), 16) == self.invoices
        disputes = self.world.events("disputed")
        assert disputes == [], json.dumps(disputes)


@pytest.fixture
def till(world: World, anvil: Anvil) -> Iterator[Till]:
    wire = Wiretap(lambda: anvil.url)
    yield Till(world, anvil, wire, anvil.deploy(compiled("purse").creation()))
    wire.close()


def kill_at(till: Till, stop: Stop, daemon: RunningDaemon, *, block_comes_before: bool) -> RunningDaemon:
    """One command's sending is stopped there, and the daemon dies; gives the next."""
    till.wire.arm(stop)
    till.invoice()
    till.wire.wait_reached()
    if block_comes_before:
        till.anvil.mine()
    daemon.kill()
    till.wire.cut()
    if not block_comes_before:
        till.anvil.mine()
    return till.start()


def test_a_death_between_sending_and_receipt_leaves_one_effect_for_each_command(till: Till) -> None:
    daemon = till.start()
    daemon.wait_for("rule base in force")
    for stop in (Stop(0, has_reached_node=True), Stop(3, has_reached_node=True)):
        daemon = kill_at(till, stop, daemon, block_comes_before=stop.questions > 0)
    till.finish(daemon)
    till.assert_each_paid_once()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_deaths_between_sending_and_receipt_leave_one_effect_for_each_command(till: Till) -> None:
    draw = random.Random(50)
    daemon = till.start()
    daemon.wait_for("rule base in force")
    for _ in range(50):
        stop = Stop(draw.choice((0, 0, 1, 2, 3, 5, 8, 13, 21)), has_reached_node=draw.random() < 0.7)
        daemon = kill_at(till, stop, daemon, block_comes_before=draw.random() < 0.5)
    till.finish(daemon)
    till.assert_each_paid_once()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_deaths_at_the_named_places_of_dispatch_leave_one_effect_for_each_command(till: Till) -> None:
    till.start().wait_for("rule base in force")
    till.world.daemons[-1].kill()
    for place in ("after_take", "after_send", "after_result") * 4:
        till.invoice()
        assert till.start(LOCKSTEP_CRASH_AT=f"{place}:1").wait_end() == -9
        if place != "after_send":
            till.anvil.mine()
    till.finish(till.start())
    till.assert_each_paid_once()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["after_take", "after_send"])
def test_what_expires_while_the_daemon_is_dead_ends_as_it_was_on_the_chain(till: Till, place: str) -> None:
    """Taken and not signed, it surely was not carried out; in a pool, it may still be, and then it was."""
    daemon = till.start(LOCKSTEP_CRASH_AT=f"{place}:1")
    daemon.wait_for("rule base in force")
    till.invoice(patience_ms=1_500)
    assert daemon.wait_end() == -9
    expires_ms = int(till.world.commands()[0]["expires"])
    till.world.wait_until(lambda: wall_ms() > expires_ms)
    again = till.start()
    till.world.wait_until(lambda: till.ends_with("done") or till.ends_with("failed"), again)
    assert again.stop() == 0
    was_signed = place == "after_send"
    assert set(till.statuses().values()) == {"done" if was_signed else "failed"}
    assert till.read("count()") == was_signed
