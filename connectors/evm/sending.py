"""Sends commands as transactions of one account on one network: at most one transaction of a command is ever mined.

The order is what makes it so. A command's nonce and its signed transaction are noted durably before a node sees them;
a nonce is given to one command and never to another; and a command that has a note gets no second one. All versions of
a command's transaction have its one nonce, of which a chain takes one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from connectors.base import ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.evm.abi import AbiError
from connectors.evm.calls import Call, Deed, compile_calls
from connectors.evm.chain import Chain, Rpc, is_revert, revert_data
from connectors.evm.fees import Market, first_offer
from connectors.evm.following import Following
from connectors.evm.keys import Signer, load_signer
from connectors.evm.node import NodeAwayError, NodeError, NodeRefusedError
from connectors.evm.nonces import NoNonceError, next_nonce
from connectors.evm.notes import Book, Note, Outcome
from connectors.evm.pushing import is_known_already, is_nonce_used
from connectors.evm.replacement import signed_version
from connectors.evm.reverts import reason_of
from connectors.evm.sending_options import SendingOptions
from engine.clock import wall_ms
from engine.errors import ConfigError, Retry

_BPS: Final = 10_000
_STATUS: Final = {"done": SendStatus.DONE, "failed": SendStatus.FAILED, "unknown": SendStatus.UNKNOWN}


class Sending:
    """The sending half of an EVM connector: ``send`` for dispatch, ``follow`` beside it for what becomes of it."""

    def __init__(
        self,
        options: SendingOptions,
        place: str,
        network: str,
        chain_id: int,
        rpc: Rpc,
        context: ConnectorContext,
    ) -> None:
        """Reads what is configured; asks nobody.

        Args:
            options: of sending.
            place: whose they are and where they stand, for errors.
            network: the network's id in facts.
            chain_id: the chain that transactions are signed for.
            rpc: a node of it.
            context: of the connector: its notebook, the pace, and how long a send may take.

        Raises:
            ConfigError: C141, a call or a contract is described wrongly.
        """
        self._options = options
        self._place = place
        self._chain_id = chain_id
        self._chain = Chain(rpc)
        self._book = Book(context.notebook)
        self._calls: Mapping[str, Call] = compile_calls(options, place)
        self._following = Following(options, network, chain_id, self._chain, self._book, self._calls, context.pace)
        self._signer: Signer | None = None
        self._contracts: set[str] = set()
        #: One nonce at a time.
        self._desk = asyncio.Lock()
        self._at_desk: dict[str, asyncio.Task[Note | SendResult]] = {}
        # A send asks before it signs, asks again while it signs, and hands over. None of that shall be cut off from
        # outside: then nobody would know how far it came.
        self._within_s = context.timeout_ms / 4_000

    async def start(self) -> None:
        """Loads the key, and what was noted.

        Raises:
            ConfigError: there is no key (C142), it is wrong (C143), or another account's (C144); or transactions of
                another chain are under way (C145).
        """
        await self._book.read()
        other = next((note for note in self._book.open.values() if note.chain_id != self._chain_id), None)
        if other is not None:
            message = f"{self._place}: a transaction of chain {other.chain_id} is under way (command {other.command})"
            raise ConfigError("C145", message, "give each chain a connector of its own name")
        self._signer = await asyncio.to_thread(load_signer, self._options.key, f"{self._place}.key")
        self._following.pushing.signer = self._signer

    async def follow(self) -> None:
        """Looks after every noted transaction until it is final, and tells what becomes of it; until cancelled."""
        await self._book.read()
        await self._following.run()

    async def settled(self) -> None:
        """Waits until every send that was cut off is either noted or was not signed."""
        while self._at_desk:
            await asyncio.wait(list(self._at_desk.values()))
            await asyncio.sleep(0)  # for them to leave

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Sends a command's transaction, or the same one again.

        ``submitted``: a node has it. ``sent``: it is signed and noted, and will be handed over as soon as a node takes
        it. ``refused``: it would revert, or its arguments do not fit. ``failed``: nothing was signed.
        """
        await self._book.read()
        await self._left_desk(command.id)
        known = self._known(command.id)
        if isinstance(known, SendResult):
            return known
        if known is None:
            made = await self._make(command)
            if isinstance(made, SendResult):
                return made
            known = made
        return await self._hand_over(known)

    async def recall(self, command_id: str) -> SendResult:
        """What became of a command that is not to be sent any more: as noted, or surely nothing."""
        await self._book.read()
        await self._left_desk(command_id)
        known = self._known(command_id)
        if known is None:
            return SendResult(SendStatus.FAILED, {"reason": "it expired, or was withdrawn, before it was signed"})
        if isinstance(known, SendResult):
            return known
        self._following.wake()
        return SendResult(SendStatus.SENT, {"tx": known.last.hash, "nonce": known.nonce})

    def _known(self, command_id: str) -> Note | SendResult | None:
        ended = self._book.ended.get(command_id)
        if ended is not None:
            return _told(ended)
        note = self._book.open.get(command_id)
        if note is not None and note.outcome is not None:
            return _told(note.outcome)
        return note

    async def _make(self, command: OutgoingCommand) -> Note | SendResult:
        """Signs and notes the command's transaction; or says why not, and nothing is signed."""
        signer = self._signer
        call = self._calls.get(command.verb)
        if signer is None or call is None:
            return _refused(f"the connector has no verb '{command.verb}'")
        try:
            deed = call.deed(command, signer.address)
        except (AbiError, ValueError) as error:
            return _refused(str(error))
        try:
            async with asyncio.timeout(self._within_s):
                # Before anything else: another chain's nonces and estimates would be taken for this one's.
                if (found := await self._chain.chain_id()) != self._chain_id:
                    return _failed(f"the node is of chain {found}, not of {self._chain_id}")
                if call.function is not None and not await self._is_contract(deed.to):
                    return _refused(f"there is no contract at {deed.to}: the call would succeed, and do nothing")
                gas = await self._gas(signer, call, deed)
        except (NodeError, TimeoutError) as error:
            return _failed(_words(error))
        if isinstance(gas, SendResult):
            return gas
        # A send that is cut off must not leave it open whether the note was written.
        task = asyncio.create_task(self._note(command, signer, deed, gas))
        self._at_desk[command.id] = task
        task.add_done_callback(partial(self._leave_desk, command.id))
        return await asyncio.shield(task)

    def _leave_desk(self, command_id: str, task: asyncio.Task[Note | SendResult]) -> None:
        if self._at_desk.get(command_id) is task:
            del self._at_desk[command_id]
        if not task.cancelled():
            task.exception()  # whoever waited has it; if nobody does any more, it is not lost on anyone

    async def _left_desk(self, command_id: str) -> None:
        """Waits until an earlier try of the command, that was cut off, is either noted or was not signed."""
        while (task := self._at_desk.get(command_id)) is not None:
            await asyncio.wait([task])
            await asyncio.sleep(0)  # for it to leave

    async def _is_contract(self, address: str) -> bool:
        """Asked until it is one."""
        if address not in self._contracts and await self._chain.has_code(address):
            self._contracts.add(address)
        return address in self._contracts

    async def _gas(self, signer: Signer, call: Call, deed: Deed) -> int | SendResult:
        """The limit; or a refusal, if the call would revert now."""
        request = {"from": signer.address, "to": deed.to, "value": hex(deed.value), "data": deed.data}
        try:
            estimate = await self._chain.estimate(request)
            unexpected = "" if call.returns is None else call.unexpected(await self._chain.result(request))
        except NodeRefusedError as refused:
            if is_revert(refused):
                return SendResult(
                    SendStatus.REFUSED, reason_of(revert_data(refused), call.errors) | {"would": "revert"}
                )
            # Too little of the native coin, most often: that may change.
            return _failed(f"the node estimates no gas: {refused.message}")
        if unexpected:
            return _refused(unexpected)
        if call.gas is not None and call.gas < estimate:
            return _refused(f"it takes {estimate} gas; its `gas` is {call.gas}")
        gas = call.gas or -(-estimate * (_BPS + self._options.gas_margin) // _BPS)
        if gas > self._options.max_gas:
            return _refused(f"it takes {gas} gas; max_gas is {self._options.max_gas}")
        return gas

    async def _note(self, command: OutgoingCommand, signer: Signer, deed: Deed, gas: int) -> Note | SendResult:
        """Gives the command a nonce and signs; durable when it returns, and no node has seen it."""
        async with self._desk:
            known = self._known(command.id)
            if known is not None:
                return known
            try:
                async with asyncio.timeout(self._within_s):
                    head, tip, nonce = await asyncio.gather(
                        self._chain.head(),
                        self._chain.tip(),
                        next_nonce(self._chain, self._book, self._chain_id, signer.address),
                    )
                    # Once more, after them: another chain's nonce, once given, would leave a gap that nothing closes.
                    if (found := await self._chain.chain_id()) != self._chain_id:
                        return _failed(f"the node is of chain {found}, not of {self._chain_id}")
            except (NodeError, NoNonceError, TimeoutError) as error:
                return _failed(_words(error))
            offer = first_offer(Market(head.base_fee, tip), self._options.fees)
            if offer is None:
                return _failed(f"the base fee is {head.base_fee} wei, max_fee is {self._options.fees.max_fee}")
            # Dispatch has compared it with the time of Redis; since then at most its time limit has passed.
            if command.expires_ms is not None and wall_ms() > command.expires_ms:
                return _refused("it has expired before it was sent")
            note = _unsigned(command, deed, gas, self._chain_id, signer.address, nonce)
            note = signed_version(signer, note, offer, wall_ms(), head.number, cancels=False)
            await self._book.add(note)
            return note

    async def _hand_over(self, note: Note) -> SendResult:
        """To the node's pool. Whatever it answers, the note stands, and following goes on from there."""
        detail: dict[str, Any] = {"tx": note.last.hash, "nonce": note.nonce, "max_fee": str(note.last.max_fee)}
        try:
            async with asyncio.timeout(self._within_s):
                await self._chain.broadcast(note.last.raw)
        except (NodeAwayError, TimeoutError) as error:
            self._following.wake()
            return SendResult(SendStatus.SENT, detail | {"waits": _words(error)})
        except NodeRefusedError as refused:
            if is_nonce_used(refused) or not is_known_already(refused):
                self._following.wake()
                return SendResult(SendStatus.SENT, detail | {"waits": refused.message})
        self._following.handed_over(note.command)
        return SendResult(SendStatus.SUBMITTED, detail)


def _unsigned(command: OutgoingCommand, deed: Deed, gas: int, chain_id: int, sender: str, nonce: int) -> Note:
    return Note(
        command=command.id,
        verb=command.verb,
        chain_id=chain_id,
        sender=sender,
        nonce=nonce,
        to=deed.to,
        value=deed.value,
        data=deed.data,
        gas=gas,
        expires_ms=command.expires_ms,
        versions=(),
    )


def _told(outcome: Outcome) -> SendResult:
    return SendResult(_STATUS[outcome.status], outcome.detail)


def _refused(reason: str) -> SendResult:
    return SendResult(SendStatus.REFUSED, {"reason": reason})


def _words(error: Exception) -> str:
    return str(error) or "the node did not answer in time"


def _failed(reason: str) -> SendResult:
    """Nothing was signed, and the same may be tried again."""
    return SendResult(SendStatus.FAILED, {"reason": reason}, Retry.LATER)
