"""The journal, told: which entries are worth a line, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.insight.demo.amounts import gwei, shown
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.said import said_in
from engine.model.journal import RawEntry, StreamId


class JournalNews:
    """Tells what is new; remembers what was told, so that duplicates and late samples are told as what they are."""

    def __init__(self) -> None:
        self._height: dict[tuple[str, str], int] = {}
        self._available: dict[tuple[str, ...], str] = {}
        self._intents: set[str] = set()
        self._depths: dict[str, int] = {}
        #: asset → decimals, as the journal declares them.
        self.decimals: dict[str, int] = {}
        #: The gas price is of interest until something was started.
        self.shows_gas = True

    def of(self, entry: RawEntry) -> Happening | None:
        """The line for an entry, if it deserves one."""
        found = said_in(entry)
        told = None if found is None else self._told(*found)
        return None if told is None else Happening(StreamId.parse(entry[0]).ms, *told)

    def _told(self, fields: Mapping[str, str], said: Mapping[str, Any]) -> tuple[Who, str] | None:
        source = fields.get("source", "")
        if fields.get("op") == "report":
            return Who.EXECUTOR, f"{source} reports {said['command'][:8]} {said['status']}"
        tell = {
            "asset": self._asset,
            "intent": self._intent,
            "network": self._network,
            "liquidity": self._liquidity,
            "transfer": self._transfer,
        }.get(fields.get("kind", ""))
        return None if tell is None else tell(source, said)

    def _asset(self, _source: str, said: Mapping[str, Any]) -> None:
        self.decimals[said["id"]] = int(said["decimals"])

    def _intent(self, source: str, said: Mapping[str, Any]) -> tuple[Who, str]:
        if said["id"] in self._intents:
            return Who.ASKED, f"{source} sends {said['id']} once more: the same data, so nothing changes"
        self._intents.add(said["id"])
        gives = shown(int(said["amount"]), said["asset_in"], self.decimals)
        wants = shown(int(said["min_out"]), said["asset_out"], self.decimals)
        return Who.ASKED, f"{said['id']}: {gives} on {said['source']} for at least {wants} on {said['target']}"

    def _network(self, source: str, said: Mapping[str, Any]) -> tuple[Who, str] | None:
        height, fee = int(said["height"]), gwei(int(said["base_fee"]))
        newest = self._height.get((said["id"], "network"), 0)
        if height < newest:
            return (
                Who.SEEN,
                f"{source} is late with block {height} of {said['id']} ({fee}): older, so it changes nothing",
            )
        if height <= newest:
            return None
        self._height[said["id"], "network"] = height
        if said["id"] == "polygon" and self.shows_gas:
            return Who.SEEN, f"{said['id']} block {height}: base fee {fee}"
        return None

    def _liquidity(self, source: str, said: Mapping[str, Any]) -> tuple[Who, str] | None:
        if not isinstance(said["available"], str):
            return None
        height, place = int(said["height"]), (said["network"], said["venue"])
        pays = shown(int(said["available"]), said["asset"], self.decimals)
        if height < self._height.get(place, 0):
            return Who.SEEN, f"{source} is late with {pays} of block {height}: older, so it changes nothing"
        self._height[place] = height
        if self._available.get(place) == said["available"]:
            return None
        before = self._available.get(place)
        self._available[place] = said["available"]
        return Who.SEEN, f"{'/'.join(place)} can pay {pays}" + (" now: a provider has left" if before else "")

    def _transfer(self, _source: str, said: Mapping[str, Any]) -> tuple[Who, str] | None:
        depth = int(said.get("depth", 0))
        if depth <= self._depths.get(said["id"], -1) or depth not in (0, 1, 4):
            return None
        self._depths[said["id"]] = depth
        amount = shown(int(said["amount"]), said["asset"], self.decimals)
        whose = f"{amount} of {said['intent']}"
        if said["state"] == "in_flight":
            return Who.SEEN, f"{whose} left {said['source']} for {said['target']}"
        return Who.SEEN, f"{whose} arrived on {said['target']}" + (f", {depth} blocks deep" if depth > 1 else "")
