"""A real EVM node for the tests: anvil, from its npm package, kept in ``.anvil`` in the checkout.

Without node, npm or a network to fetch it the first time, the tests that need it fail; they are never skipped.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import platform
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import pytest

VERSION = "1.7.1"
_CACHE = Path(__file__).resolve().parents[2] / ".anvil"
_STEP_S = 20
#: What JSON holds.
Json: TypeAlias = Any


def anvil_program() -> Path:
    """The program, fetched by npm if it is not there yet. Several test runs at once fetch it once."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"anvil-{platform.system().lower()}-{machine}"
    program = _CACHE / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            assert shutil.which("npm"), "the tests of chains need Node.js with npm, to fetch anvil once"
            words = ["npm", "install", "--no-audit", "--no-fund", "--silent", f"@foundry-rs/anvil@{VERSION}"]
            subprocess.run(words, cwd=_CACHE, check=True, timeout=300)
    return program


class Anvil:
    """One chain of its own on a port of its own; stopped by ``stop``, killed by ``kill``, begun again by ``start``.

    Blocks are mined when asked (``mine``) unless options say otherwise; accounts 0 to 9 are rich and unlocked.
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
        self._options = [*options, *(["--state", str(state)] if state else [])]
        self._process: subprocess.Popen[str] | None = None
        self._ids = itertools.count(1)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Anvil:
        """Runs it; the port stays the same over restarts. Returns when it listens."""
        words = [str(anvil_program()), "--port", str(self.port), "--chain-id", str(self.chain_id), "--accounts", "10"]
        self._process = subprocess.Popen([*words, *self._options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if listening := re.search(r"Listening on 127\.0\.0\.1:(\d+)", line):
                self.port = int(listening[1])
                break
        else:
            raise RuntimeError(f"anvil ended with {self._process.wait()}")
        # It logs every question: unread, the pipe would fill and hold it up.
        threading.Thread(target=_read_to_end, args=(self._process.stdout,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends it in good order, and waits for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_STEP_S)
            self._process = None

    def kill(self) -> None:
        """Ends it in no order at all."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=_STEP_S)
            self._process = None

    def rpc(self, method: str, *params: Json) -> Json:
        """The result of one JSON-RPC method; raises what the node says against it."""
        asked = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        request = urllib.request.Request(  # noqa: S310 - always http, to this machine
            self.url, json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_STEP_S) as response:  # noqa: S310 - as above
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    # -- what tests do to a chain ----------------------------------------------------
    @property
    def accounts(self) -> list[str]:
        """The rich, unlocked accounts, lower case."""
        return [str(account).lower() for account in self.rpc("eth_accounts")]

    @property
    def height(self) -> int:
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
        sent = {"from": self.accounts[account], "data": data, "value": hex(value), "gas": hex(3_000_000)}
        return str(self.rpc("eth_sendTransaction", {**sent, "to": to} if to else sent))

    def deploy(self, code: str) -> str:
        """Deploys a contract in a block of its own; its address, lower case."""
        tx = self.transact(None, code)
        self.mine()
        return str(self.rpc("eth_getTransactionReceipt", tx)["contractAddress"]).lower()


def _read_to_end(lines: IO[str]) -> None:
    with lines:
        for _ in lines:
            pass


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A fresh chain that mines when asked."""
    chain = Anvil().start()
    yield chain
    chain.stop()
