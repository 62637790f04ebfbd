"""The daemon's configuration, once it is known where the contracts are."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Final

from engine.insight.chains.ground import Ground, Side

#: Environment variable in which the daemon finds the operator's key.
KEY_VARIABLE: Final = "OPERATOR_KEY"
_TEMPLATE: Final = Path(__file__).parent / "daemon.yaml"


def configuration(ground: Ground, depth: int) -> str:
    """The text of the file that ``lockstep run --config`` reads.

    Args:
        ground: both chains, laid out.
        depth: blocks to which events are told to lie deep, and after which a transaction's receipt is its outcome.
    """
    names = {
        "operator": ground.operator,
        "pool_fee": str(ground.pool_fee_bps),
        "bridge_fee": str(ground.bridge_fee_bps),
        "depth": str(depth),
        "key_variable": KEY_VARIABLE,
    }
    for side in (ground.home, ground.far):
        names |= _of(side)
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(names)


def _of(side: Side) -> dict[str, str]:
    said = {"chain": str(side.chain_id), "url": side.url, "usd": side.usd, "eth": side.eth}
    said |= {"pool": side.pool, "bridge": side.bridge}
    return {f"{side.network}_{name}": value for name, value in said.items()}
