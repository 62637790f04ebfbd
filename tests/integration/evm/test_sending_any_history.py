"""Whatever happens to the chain, the node and the daemon: in the end each command is told as it is on the chain."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from connectors.base import SendStatus
from connectors.evm.abi import keccak_hex
from connectors.evm.node import NodeAwayError, NodeError
from engine.clock import wall_ms
from engine.insight.chains.problems import ChainError
from tests.support.sending import ACCOUNT, BANK, Desk, Killed, as_if_noted_long_ago, payment

GWEI = 10**9


class History:
    """Draws what happens next, from a seed."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.draw = random.Random(seed)
        self.commands: list[str] = []
        self.refused: set[str] = set()
        self.happens: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (6, self.a_send),
            (6, self.a_round),
            (5, self.blocks),
            (2, self.a_reorganisation),
            (1, self.a_rollback),
            (1, self.a_pool_is_emptied),
            (1, self.gas_gets_dear),
            (1, self.another_program_sends),
            (2, self.time_passes),
            (1, self.an_expiry),
            (1, self.a_fork_with_another_programs),
            (1, self.a_fork_with_ours_elsewhere),
            (1, self.a_transaction_is_dropped),
            (1, self.the_balance_goes),
            (1, self.the_balance_comes),
            (1, self.days_pass_on_the_chain),
        ]

    async def go(self, steps: int) -> None:
        weights = [weight for weight, _ in self.happens]
        for _ in range(steps):
            step = self.draw.choices(self.happens, weights)[0][1]
            await self._with_bad_luck(step)

    async def _with_bad_luck(self, step: Callable[[], Awaitable[None]]) -> None:
        """Now and then the daemon dies, or an answer gets lost, in the middle."""
        luck, left = self.draw.random(), self.draw.randrange(1, 25)

        def strike(*_: object) -> None:
            nonlocal left
            left -= 1
            if left <= 0 and luck < 0.15:
                raise Killed
            if left == 0:
                raise NodeAwayError("lost on the way")

        wire = self.desk.wire
        if luck < 0.3:
            wire.before = wire.after = strike
        if luck < 0.15:
            self.desk.notebook.before = strike
        try:
            await step()
        except NodeError:
            pass  # the next round asks again
        except Killed:
            self.desk = await self.desk.again()
        wire.before = wire.after = lambda *_: None
        self.desk.notebook.before = lambda: None

    async def a_send(self) -> None:
        if self.commands and self.draw.random() < 0.3:
            command = self.draw.choice(self.commands)
        else:
            command = f"c{len(self.commands)}"
            self.commands.append(command)
        await self.desk.send(payment(command, 1))

    async def a_round(self) -> None:
        await self.desk.round()

    async def blocks(self) -> None:
        self.desk.mine(self.draw.randrange(1, 4))

    async def a_reorganisation(self) -> None:
        self.desk.anvil.reorg(self.draw.randrange(1, self._deepest(10) + 1))

    async def a_rollback(self) -> None:
        self.desk.anvil.rollback(self.draw.randrange(1, self._deepest(5) + 1))

    async def a_fork_with_another_programs(self) -> None:
        """What was ours in the removed blocks is not in the new ones; another program's takes a nonce there."""
        depth = self.draw.randrange(1, self._deepest(10) + 1)
        fees = {"maxFeePerGas": hex(99 * GWEI), "maxPriorityFeePerGas": hex(GWEI), "gas": hex(21_000)}
        other = {"from": ACCOUNT, "to": BANK, "value": "0x1"} | fees
        with suppress(ChainError):  # it cannot pay for it
            self.desk.anvil.rpc("anvil_reorg", depth, [[other, self.draw.randrange(depth)]])

    async def a_fork_with_ours_elsewhere(self) -> None:
        """Some of ours in the removed blocks are in the new ones too, in other blocks, in any of their versions."""
        depth = self.draw.randrange(1, self._deepest(10) + 1)
        first = self.desk.anvil.height - depth + 1
        notes = sorted(self.desk.sending._book.open.values(), key=lambda note: note.nonce)
        removed = [note for note in notes if note.mined is not None and note.mined.block >= first]
        ours = [self.draw.choice(note.versions).raw for note in removed[: self.draw.randrange(len(removed) + 1)]]
        places = sorted(self.draw.randrange(depth) for _ in ours)
        with suppress(ChainError):
            self.desk.anvil.rpc("anvil_reorg", depth, list(zip(ours, places, strict=True)))

    async def a_transaction_is_dropped(self) -> None:
        waiting = [note for note in self.desk.sending._book.open.values() if note.mined is None]
        if waiting:
            self.desk.anvil.rpc("anvil_dropTransaction", self.draw.choice(waiting).last.hash)

    async def the_balance_goes(self) -> None:
        self.desk.anvil.rpc("anvil_setBalance", ACCOUNT, hex(1_000))

    async def the_balance_comes(self) -> None:
        self.desk.anvil.rpc("anvil_setBalance", ACCOUNT, hex(10**24))

    async def days_pass_on_the_chain(self) -> None:
        self.desk.anvil.rpc("evm_increaseTime", 3 * 86_400)
        self.desk.mine()

    def _deepest(self, wanted: int) -> int:
        """The block that holds the contract stays."""
        if self.desk.anvil.height <= wanted + 1:
            self.desk.mine(wanted + 1)
        return wanted

    async def a_pool_is_emptied(self) -> None:
        self.desk.anvil.rpc("anvil_dropAllTransactions")

    async def gas_gets_dear(self) -> None:
        self.desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(self.draw.randrange(5, 150) * GWEI))
        self.desk.mine()

    async def another_program_sends(self) -> None:
        with suppress(ChainError):  # it cannot pay for it
            self.desk.by_another(maxFeePerGas=hex(999 * GWEI), maxPriorityFeePerGas=hex(GWEI))

    async def time_passes(self) -> None:
        for name in [name for name in self.desk.notebook.notes if name.startswith("tx:")]:
            as_if_noted_long_ago(self.desk, name.removeprefix("tx:"))
        self.desk = await self.desk.again()

    async def an_expiry(self) -> None:
        waiting = [name for name in self.desk.notebook.notes if name.startswith("tx:")]
        if waiting:
            command = self.draw.choice(waiting).removeprefix("tx:")
            as_if_noted_long_ago(self.desk, command, expires_ms=wall_ms() - 1)
            self.desk = await self.desk.again()

    async def calm(self) -> None:
        """Nothing more goes wrong, until everything is final."""
        self.desk = await self.desk.again()
        await self.the_balance_comes()
        for command in self.commands:
            self.desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
            self.desk.mine()
            await self.desk.round()
            for _ in range(20):
                sent = await self.desk.send(payment(command, 1))
                if sent.status is not SendStatus.FAILED or not sent.wants_retry:
                    break
                await self._settle()
        for _ in range(20):
            await self._settle()
            await self.time_passes()
            if not self.desk.sending._book.open:
                break

    async def _settle(self) -> None:
        await self.desk.round()
        waiting = [note.nonce for note in self.desk.sending._book.open.values() if note.mined is None]
        if waiting and min(waiting) > self.desk.used():
            # The other program's transaction was lost, and with it a nonce that all later ones wait for.
            self.desk.by_another(nonce=hex(self.desk.used()), maxFeePerGas=hex(99 * GWEI))
        self.desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        self.desk.mine(12)
        await self.desk.round()


@pytest.mark.parametrize("seed", range(6))
async def test_each_command_ends_as_it_is_on_the_chain(desk: Desk, seed: int) -> None:
    await _lived_through(await desk.again(gone_after="1ms"), seed, steps=60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
async def test_each_command_ends_as_it_is_on_the_chain_many_times(desk: Desk, seed: int) -> None:
    await _lived_through(await desk.again(gone_after="1ms"), seed, steps=150)


async def _lived_through(desk: Desk, seed: int, steps: int) -> None:
    desk.anvil.rpc("anvil_setBalance", ACCOUNT, hex(10**24))
    history = History(desk, seed)
    await history.go(steps)
    await history.calm()
    desk = history.desk
    assert desk.sending._book.open == {}
    told = {command: desk.statuses(command)[-1] for command in history.commands}
    times = {command: desk.read("times(bytes32)", keccak_hex(command.encode())) for command in history.commands}
    assert times == {command: int(status == "done") for command, status in told.items()}
    assert set(told.values()) <= {"done", "failed"}
    assert desk.count() == sum(times.values())
