"""A chain, behind a wire to its node, and a contract on it that counts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from connectors.evm import EvmConnector
from connectors.evm.abi import keccak_hex
from tests.support.anvil import Anvil
from tests.support.contracts import call, compiled
from tests.support.line import Line, Trouble
from tests.support.sending import BANK, KEY_VARIABLE
from tests.support.worlds.base import Place, World

_SENDING = b"eth_sendRawTransaction"


class EvmWorld(World):
    """An effect is what the contract has counted under a command's id, once a block came."""

    name = "evm"
    kind = EvmConnector
    success = frozenset({"submitted", "sent"})
    lost = "sent"
    crowd = 40

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._anvil: Anvil = place.fixture("chain")
        self._purse = ""
        self._line: Line

    async def open(self) -> None:
        self._anvil.rpc("anvil_dropAllTransactions")  # of the test before
        self._purse = await asyncio.to_thread(self._anvil.deploy, compiled("purse").creation())
        self._line = await Line(lambda: asyncio.open_connection("127.0.0.1", self._anvil.port)).__aenter__()

    async def close(self) -> None:
        self._line.mend()
        await self._line.__aexit__(None, None, None)
        await asyncio.to_thread(self._anvil.mine)

    def options(self) -> dict[str, Any]:
        bridge = {
            "contract": self._purse,
            "function": "pay(bytes32 id, address to, uint256 amount)",
            "args": {"id": "@command", "to": "@sender", "amount": {"literal": "1"}},
        }
        send = {
            "key": {"env": KEY_VARIABLE},
            "fees": {"max_fee": "100 gwei"},
            "poll": "50ms",
            "confirmations": "1",
            "calls": {"bridge": bridge},
        }
        node = {"url": f"http://127.0.0.1:{self._line.port}"}
        return {"network": "eth", "chain_id": "31337", "node": node, "send": send}

    async def effects(self) -> list[str]:
        return await asyncio.to_thread(self._counted)

    def _counted(self) -> list[str]:
        self._anvil.mine()
        found: list[str] = []
        for command_id in self.known:
            asked = {"to": self._purse, "data": call("times(bytes32)", keccak_hex(command_id.encode()))}
            found += [command_id] * int(self._anvil.rpc("eth_call", asked, "latest"), 16)
        assert len(found) == int(
            self._anvil.rpc("eth_call", {"to": self._purse, "data": call("count()")}, "latest"), 16
        ), "a call that no command made"
        return sorted(found)

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        notes = await self.place.store.read_notes(self.name)
        expires: int | None = json.loads(notes[f"tx:{command_id}"])["expires_ms"]
        return expires

    def meet(self, trouble: Trouble, *ids: str) -> None:
        match trouble:
            case Trouble.REFUSES:
                data = call("lower(uint256)", 0)
                self._anvil.rpc("eth_sendTransaction", {"from": BANK, "to": self._purse, "data": data})
                self._anvil.mine()
            case Trouble.LOSES:
                self._line.meet(trouble, _SENDING)
            case _:
                self._line.meet(trouble, b"eth_")

    def mend(self) -> None:
        self._line.mend()
