"""Contracts for the tests, in Vyper, compiled when a test asks."""

from __future__ import annotations

from pathlib import Path

from engine.insight.chains.contracts import Contract, call, compiled_file

__all__ = ["Contract", "call", "compiled"]

_HERE = Path(__file__).parent


def compiled(name: str) -> Contract:
    """The contract in ``<name>.vy`` beside this file."""
    return compiled_file(_HERE / f"{name}.vy")
