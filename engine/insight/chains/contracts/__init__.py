"""Contracts in Vyper, compiled when somebody asks; the results are kept by the hash of their source."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.evm.abi import Function
from engine.insight.chains.cache import cache_directory
from engine.insight.chains.problems import ChainError

_HERE: Final = Path(__file__).parent
_COMPILE_S: Final = 120


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
    """The contract in ``<name>.vy`` beside this file.

    Raises:
        ChainError: X150, X156, see ``compiled_file``.
    """
    return compiled_file(_HERE / f"{name}.vy")


def compiled_file(path: Path) -> Contract:
    """The contract in a file.

    Args:
        path: of its source, which imports no other file.

    Raises:
        ChainError: X150 there is no compiler; X156 it does not compile.
    """
    source = path.read_bytes()
    digest = hashlib.sha256(f"{_compiler()}\n".encode() + source).hexdigest()[:16]
    kept = cache_directory() / "contracts" / f"{path.stem}-{digest}.json"
    if not kept.exists():
        code = _compile(path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Several may compile it at once; each writes a file of its own, and the last one stands.
        draft = kept.with_suffix(f".{id(code)}.part")
        draft.write_text(json.dumps({"bytecode": code}))
        draft.replace(kept)
    return Contract(json.loads(kept.read_text())["bytecode"])


def _compiler() -> str:
    try:
        return f"vyper {importlib.metadata.version('vyper')}"
    except importlib.metadata.PackageNotFoundError as error:
        hint = "pip install 'lockstep[chains]'"
        raise ChainError("X150", "the contracts need vyper, which is not installed", hint) from error


def _compile(path: Path) -> str:
    words = [sys.executable, "-m", "vyper.cli.vyper_compile", "-f", "bytecode", str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_COMPILE_S)
    if ran.returncode:
        raise ChainError("X156", f"{path.name} does not compile: {ran.stderr.strip()[-2_000:]}")
    return ran.stdout.strip()
