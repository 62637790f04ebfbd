"""The far sides of all connectors, for the suite that every connector must stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.line import Trouble
from tests.support.worlds.base import Place, World
from tests.support.worlds.evm import EvmWorld
from tests.support.worlds.example import SpoolWorld
from tests.support.worlds.http import HttpWorld
from tests.support.worlds.log import LogWorld
from tests.support.worlds.poll import PollWorld
from tests.support.worlds.redis import RedisWorld

#: By type. A connector joins the suite by its entry here.
WORLDS: Final[Mapping[str, type[World]]] = {
    world.name: world for world in (LogWorld, RedisWorld, HttpWorld, PollWorld, EvmWorld, SpoolWorld)
}

__all__ = ["WORLDS", "Place", "Trouble", "World"]
