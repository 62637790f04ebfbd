"""The sending half over a real chain, with a wire between the two that a test may cut at any question.

``Desk.again`` is what the next life of a daemon has: the notebook, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from connectors.base import ConnectorContext, Observation, OutgoingCommand, SendResult, SendStatus
from connectors.evm.node import Call, Node
from connectors.evm.notes import Note
from connectors.evm.sending import Sending
from connectors.evm.sending_options import SendingOptions, parse_sending
from tests.support.anvil import Anvil, Json
from tests.support.contracts import call, compiled

CHAIN_ID = 31337
#: Anvil's first account pays for everything, the second is the connector's. They are in anvil's documentation.
BANK = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
ACCOUNT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
KEY_VARIABLE = "LOCKSTEP_TEST_EVM_KEY"
PAYEE = "0x" + "11" * 20


class Killed(Exception):
    """The daemon dies here."""


@dataclass
class MemoryNotebook:
    """A notebook that lives as long as the test."""

    notes: dict[str, str] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    #: Called before each write.
    before: Callable[[], None] = lambda: None
    #: Writes wait for it, as they do for a Redis that is away.
    gate: asyncio.Event | None = None
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> dict[str, str]:
        return dict(self.notes)

    async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
        self.before()
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        for name, text in notes.items():
            if text is None:
                self.notes.pop(name, None)
            else:
                self.notes[name] = text
        self.observations += observations


@dataclass
class Wire:
    """Passes questions on to the node. A test hears each question first, and each answer before it is given."""

    node: Node
    before: Callable[[str, Sequence[Any]], None] = lambda _method, _params: None
    after: Callable[[str, Any], None] = lambda _method, _answer: None
    #: A method of which the node says that there is nothing.
    forgets: str = ""
    #: A method that the node never answers.
    hangs: str = ""
    asked: list[str] = field(default_factory=list)

    async def call(self, method: str, *params: Json) -> Json:
        self.asked.append(method)
        self.before(method, params)
        if method == self.hangs:
            await asyncio.Event().wait()
        answer = await self.node.call(method, *params)
        self.after(method, answer)
        return None if method == self.forgets else answer

    async def batch(self, calls: Sequence[Call]) -> list[Json]:
        """One after another, so that a test may cut between them."""
        return [await self.call(each.method, *each.params) for each in calls]


@dataclass
class Desk:
    """One life of the sending half; the chain, the contract and the notebook outlive it."""

    anvil: Anvil
    node: Node
    purse: str
    more: dict[str, Any] = field(default_factory=dict)
    notebook: MemoryNotebook = field(default_factory=MemoryNotebook)

    def __post_init__(self) -> None:
        self.wire = Wire(self.node)
        context = ConnectorContext("eth", notebook=self.notebook)
        place = "connectors.eth.options.send"
        self.sending = Sending(options(self.purse, self.more), place, "eth", CHAIN_ID, self.wire, context)

    async def again(self, **more: Any) -> Desk:  # noqa: ANN401 - as in the file
        """The next life."""
        self.notebook.before = lambda: None
        next_life = Desk(self.anvil, self.node, self.purse, self.more | more, self.notebook)
        await next_life.start()
        return next_life

    async def start(self) -> None:
        await self.sending.start()
        await self.sending._book.read()

    async def send(self, command: OutgoingCommand) -> SendResult:
        return await self.sending.send(command)

    async def round(self) -> None:
        """What following does at each of its looks."""
        await self.sending._following.round()

    def mine(self, blocks: int = 1) -> None:
        self.anvil.rpc("anvil_mine", hex(blocks))

    # -- what was told --------------------------------------------------------------
    def reports(self, command: str) -> list[tuple[str, dict[str, Any]]]:
        return [
            (o.data["status"], o.data["detail"])
            for o in self.notebook.observations
            if o.op == "report" and o.data["command"] == command
        ]

    def statuses(self, command: str) -> list[str]:
        return [status for status, _ in self.reports(command)]

    def states(self, command: str) -> list[str]:
        return [
            o.data["state"] for o in self.notebook.observations if o.kind == "transaction" and o.data["id"] == command
        ]

    def note(self, command: str) -> Note:
        return Note.decode(self.notebook.notes[f"tx:{command}"])

    # -- what the chain holds -----------------------------------------------------------
    def paid(self, payee: str = PAYEE) -> int:
        return self.read("balances(address)", payee)

    def count(self) -> int:
        return self.read("count()")

    def read(self, signature: str, *words: str) -> int:
        answer = self.anvil.rpc("eth_call", {"to": self.purse, "data": call(signature, *words)}, "latest")
        return int(answer, 16)

    def used(self) -> int:
        """Nonces of the connector's account that the chain has used."""
        return int(self.anvil.rpc("eth_getTransactionCount", ACCOUNT, "latest"), 16)

    def by_another(self, **fields: Any) -> str:  # noqa: ANN401 - of a transaction
        """Another program sends from the connector's account."""
        return str(self.anvil.rpc("eth_sendTransaction", {"from": ACCOUNT, "to": BANK, "value": "0x1"} | fields))

    def owner_sets_limit(self, limit: int) -> None:
        """In a transaction that goes before all of the connector's in its block."""
        data = call("lower(uint256)", limit)
        fees = {"maxPriorityFeePerGas": hex(10**11), "maxFeePerGas": hex(2 * 10**11)}
        self.anvil.rpc("eth_sendTransaction", {"from": BANK, "to": self.purse, "data": data} | fees)


def options(purse: str, more: Mapping[str, Any]) -> SendingOptions:
    """As the file would have them."""
    settings = {
        "key": {"env": KEY_VARIABLE},
        "fees": {"max_fee": "100 gwei", "max_priority": "10 gwei"},
        "contracts": {"purse": {"address": purse}},
        "calls": {
            "pay": {
                "contract": "purse",
                "function": "pay(bytes32 id, address to, uint256 amount)",
                "args": {"id": "@command", "to": "payee.address", "amount": "amount"},
                "events": {"paid": {"event": "Paid(bytes32 indexed id, address indexed to, uint256 amount)"}},
            },
            "give": {"to": "to", "value": "amount"},
        },
    }
    return parse_sending("eth", settings | dict(more))


def payment(command: str, amount: int | str = 7, **changes: Any) -> OutgoingCommand:  # noqa: ANN401 - any field
    """A command as dispatch hands it over."""
    args = {"payee": {"address": PAYEE}, "amount": str(amount)}
    fields: dict[str, Any] = {"id": command, "connector": "eth", "verb": "pay", "args": json.dumps(args), "rule": "r.r"}
    return OutgoingCommand(**fields | changes)


def gift(command: str, wei: int, to: str = PAYEE, **changes: Any) -> OutgoingCommand:  # noqa: ANN401 - any field
    """A transfer of the native coin."""
    return payment(command, verb="give", args=json.dumps({"to": to, "amount": str(wei)}), **changes)


async def mined(desk: Desk, *commands: str) -> None:
    for command in commands:
        assert (await desk.send(payment(command, 1))).status is SendStatus.SUBMITTED
    desk.mine()
    await desk.round()


def as_if_noted_long_ago(desk: Desk, command: str, **changes: Any) -> None:  # noqa: ANN401 - fields of a note
    """Times in the note go back by an hour, as if an hour had passed since."""
    row = json.loads(desk.notebook.notes[f"tx:{command}"])
    for name in ("waits_since_ms", "missing_since_ms"):
        if row[name] is not None:
            row[name] -= 3_600_000
    desk.notebook.notes[f"tx:{command}"] = json.dumps(row | changes)


async def stuck(desk: Desk, *commands: str) -> Desk:
    """They wait in the pool since long ago, and a block has come that had no room for them."""
    for command in commands:
        await desk.send(payment(command, 1))
    await desk.round()
    desk.anvil.rpc("evm_setBlockGasLimit", hex(30_000))
    desk.mine()
    desk.anvil.rpc("evm_setBlockGasLimit", hex(30_000_000))
    for command in commands:
        as_if_noted_long_ago(desk, command)
    return await desk.again()


@asynccontextmanager
async def opened_desk(anvil: Anvil, monkeypatch: pytest.MonkeyPatch, purse: str = "") -> AsyncIterator[Desk]:
    """A desk before that chain, with the contract on it, unless it says where one is."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    node = Node(anvil.url, 20_000)
    made = Desk(anvil, node, purse or anvil.deploy(compiled("purse").creation()))
    try:
        await made.start()
        yield made
    finally:
        await node.close()
