"""Contracts for the tests, in Vyper; compiled when a test asks, kept by the hash of their source."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from connectors.evm.abi import Function

_HERE = Path(__file__).parent
_CACHE = Path(__file__).resolve().parents[3] / ".anvil" / "contracts"


@dataclass(frozen=True, slots=True)
class Contract:
    """A compiled contract.

    Attributes:
        bytecode: ``0x…``; what creates it, without constructor arguments.
    """

    bytecode: str

    def creation(self, signature: str = "constructor()", *values: object) -> str:
        """What to deploy, with the constructor's arguments; ``signature`` as in ``constructor(uint256)``."""
        return self.bytecode + Function.of(signature).call_data(values)[10:]


def call(signature: str, *values: object) -> str:
    """The data of a call: ``call("mint(address,uint256)", owner, 5)``."""
    return Function.of(signature).call_data(values)


def compiled(name: str) -> Contract:
    """The contract in ``<name>.vy`` beside this file."""
    source = (_HERE / f"{name}.vy").read_text()
    kept = _CACHE / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        words = [sys.executable, "-m", "vyper.cli.vyper_compile", "-f", "bytecode", str(_HERE / f"{name}.vy")]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{id(done)}.part")
        draft.write_text(json.dumps({"bytecode": done.stdout.strip()}))
        draft.replace(kept)
    return Contract(json.loads(kept.read_text())["bytecode"])
