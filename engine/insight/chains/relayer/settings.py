"""What a relayer is told: both sides, how deep a deposit must be, where its book is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.insight.chains.ground import Ground
from engine.insight.chains.problems import ChainError

_Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]


class SideSettings(BaseModel):
    """One of the two chains.

    Attributes:
        network: its name in the log and the book.
        chain_id: a node that answers another one is not believed.
        url: of its node.
        bridge: address of the bridge there, lower case.
        account: that releases there; the node holds its key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    network: Annotated[str, Field(min_length=1, max_length=64)]
    chain_id: Annotated[int, Field(ge=1)]
    url: Annotated[str, Field(pattern=r"^https?://")]
    bridge: _Address
    account: _Address


class RelayerSettings(BaseModel):
    """The whole file.

    Attributes:
        depth: blocks, a deposit's own included, after which it counts; of a release, after which it is left alone.
        poll_ms: pause between two looks at both chains, 10 to 60,000 ms.
        timeout_ms: of one request, 100 to 60,000 ms.
        book: the relayer's own file; a relative path begins at the settings' directory.
        sides: exactly two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    depth: Annotated[int, Field(ge=1, le=1_000)]
    poll_ms: Annotated[int, Field(ge=10, le=60_000)] = 250
    timeout_ms: Annotated[int, Field(ge=100, le=60_000)] = 5_000
    book: Annotated[str, Field(min_length=1)] = "relayer.book.json"
    sides: Annotated[list[SideSettings], Field(min_length=2, max_length=2)]


def settings_for(ground: Ground, depth: int) -> RelayerSettings:
    """What the relayer of this ground is told; write it with ``model_dump_json``."""
    sides = [
        SideSettings(network=s.network, chain_id=s.chain_id, url=s.url, bridge=s.bridge, account=ground.relayer)
        for s in (ground.home, ground.far)
    ]
    return RelayerSettings(depth=depth, sides=sides)


def read_settings(path: Path) -> RelayerSettings:
    """From the file, its book's path made absolute.

    Raises:
        ChainError: X157, it cannot be read, or says what it must not.
    """
    hint = "it holds depth, book and two sides with network, chain_id, url, bridge and account"
    try:
        read = RelayerSettings.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ChainError("X157", f"{path}: {_words(error)}", hint) from error
    if read.sides[0].network == read.sides[1].network or read.sides[0].chain_id == read.sides[1].chain_id:
        raise ChainError("X157", f"{path}: both sides are the same", "name two networks with ids of their own")
    return read.model_copy(update={"book": str(path.parent.absolute() / read.book)})


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
    return str(error)
