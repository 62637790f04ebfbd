"""A real EVM node of its own: anvil, with what one may do to a chain on it."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final

from engine.clock import monotonic_ms
from engine.insight.chains.problems import ChainError
from engine.insight.chains.program import anvil_program
from engine.insight.chains.rpc import Json, ask

_STEP_S: Final = 20
_LOOK_S: Final = 0.02
#: Of what it says, kept until it listens.
_LINES: Final = 20
#: A transaction that says no more may burn so much.
_GAS: Final = 3_000_000


class Anvil:
    """One chain of its own on a port of its own; stopped by ``stop``, killed by ``kill``, begun again by ``start``.

    Blocks are mined when asked (``mine``) unless options say otherwise (``--block-time 1``); accounts 0 to 9 are rich
    and unlocked.
    """

    def __init__(
        self, chain_id: int = 31337, options: Sequence[str] = ("--no-mining",), state: Path | None = None
    ) -> None:
        """Starts nothing yet.

        Args:
            chain_id: what the node answers.
            options: further words of the command line.
            state: file in which the chain is kept over ``stop`` and ``start``.
        """
        self.chain_id = chain_id
        #: Blocks come only when somebody asks for them.
        self.is_mined_by_hand = "--no-mining" in options
        self._options = [*options, *(["--state", str(state)] if state else [])]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process.

        Raises:
            ChainError: X153, it does not run.
        """
        if self._process is None:
            raise ChainError("X153", "anvil was not started", "start it first")
        return self._process.pid

    def start(self) -> Anvil:
        """Runs it; the port stays the same over restarts. Returns when it listens.

        Raises:
            ChainError: X151, X152 there is no such program; X153 it ends at once.
        """
        words = [str(anvil_program()), "--port", str(self.port), "--chain-id", str(self.chain_id), "--accounts", "10"]
        process = subprocess.Popen(
            [*words, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C is for who started it: that one stops it in its own order.
            start_new_session=True,
        )
        self._process, out = process, process.stdout
        said: deque[str] = deque(maxlen=_LINES)
        for line in out or ():
            if listening := re.search(r"Listening on 127\.0\.0\.1:(\d+)", line):
                self.port = int(listening[1])
                break
            if line.strip():
                said.append(line.strip())
        else:
            self._process = None
            code = process.wait()
            if out is not None:
                out.close()
            hint = "the port may be taken, or an option be wrong"
            errors = [line for line in said if line.lower().startswith("error")]
            raise ChainError("X153", f"anvil ended with {code}: {' / '.join(errors or said)}", hint)
        # It logs every question: unread, the pipe would fill and hold it up.
        threading.Thread(target=_read_to_end, args=(out,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends it in good order, and waits for it; in no order if it does not end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=_STEP_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """Ends it in no order at all."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=_STEP_S)
            self._process = None

    def check(self) -> None:
        """Raises ChainError X153 if it has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ChainError("X153", f"anvil of chain {self.chain_id} ended with {code}", "report this")

    def rpc(self, method: str, *params: Json) -> Json:
        """The result of one JSON-RPC method; raises ChainError X154 with what the node says against it."""
        return ask(self.url, method, *params)

    # -- what one does to a chain ----------------------------------------------------
    @property
    def accounts(self) -> list[str]:
        """The rich, unlocked accounts, lower case."""
        return [str(account).lower() for account in self.rpc("eth_accounts")]

    @property
    def height(self) -> int:
        """Of the newest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    def block(self, number: int | str = "latest") -> dict[str, Any]:
        """A block as the node gives it."""
        asked = hex(number) if isinstance(number, int) else number
        found: dict[str, Any] = self.rpc("eth_getBlockByNumber", asked, False)
        return found

    def mine(self, count: int = 1) -> None:
        """That many blocks, with what is pending in the first."""
        for _ in range(count):
            self.rpc("evm_mine")

    def reorg(self, depth: int) -> None:
        """Replaces the last blocks by as many empty ones."""
        self.rpc("anvil_reorg", depth, [])

    def rollback(self, depth: int) -> None:
        """Takes the last blocks away."""
        self.rpc("anvil_rollback", depth)

    def transact(self, to: str | None, data: str = "0x", value: int = 0, account: int = 0) -> str:
        """Sends a transaction from one of its accounts; its hash. It is mined with the next block."""
        return self.transact_from(self.accounts[account], to, data, value)

    def transact_from(self, sender: str, to: str | None, data: str = "0x", value: int = 0, gas: int = _GAS) -> str:
        """Sends a transaction from an account that the node holds or impersonates; its hash.

        Args:
            sender: the account.
            to: the receiver; None creates a contract.
            data: of the call.
            value: wei.
            gas: most that it may burn.
        """
        sent = {"from": sender, "data": data, "value": hex(value), "gas": hex(gas)}
        return str(self.rpc("eth_sendTransaction", {**sent, "to": to} if to else sent))

    def receipts(self, hashes: Iterable[str]) -> list[dict[str, Any]]:
        """The receipts of these transactions, once all are mined; by hand if that is how the chain is mined.

        Raises:
            ChainError: X155, one reverted, or is in no block after 20 s.
        """
        if self.is_mined_by_hand:
            self.mine()
        until = monotonic_ms() + _STEP_S * 1_000
        return [self._receipt(tx, until) for tx in hashes]

    def deploy(self, code: str) -> str:
        """Deploys a contract and waits for its block, which is one of its own if the chain is mined by hand.

        Returns:
            Its address, lower case.

        Raises:
            ChainError: X155, it cannot be created.
        """
        return str(self.receipts([self.transact(None, code)])[0]["contractAddress"]).lower()

    def _receipt(self, tx: str, until_ms: int) -> dict[str, Any]:
        while (found := self.rpc("eth_getTransactionReceipt", tx)) is None:
            if monotonic_ms() > until_ms:
                hint = "gas may cost more than it offers"
                raise ChainError("X155", f"transaction {tx} is in no block of chain {self.chain_id}", hint)
            time.sleep(_LOOK_S)
        if int(found["status"], 16) != 1:
            raise ChainError(
                "X155", f"transaction {tx} reverted on chain {self.chain_id}", "see debug_traceTransaction"
            )
        receipt: dict[str, Any] = found
        return receipt


def _read_to_end(lines: IO[str]) -> None:
    with lines:
        for _ in lines:
            pass
