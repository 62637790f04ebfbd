"""Shipped mappings over answers, held to the standard kinds: what the engine would refuse fails the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from connectors.poll.exact import Json
from connectors.poll.mapping import ApiMapping, read_mapping
from connectors.poll.telling import Told, tell
from connectors.poll.values import Tables
from engine.matching.decoders import KindDecoder
from engine.packs.bundle import load_paths
from engine.settings import Settings

ROOT = Path(__file__).parents[3]
NETWORKS = {"1": "ethereum", "42161": "arbitrum", "8453": "base", "cosmoshub-4": "hub", "osmosis-1": "osmosis"}
DOMAINS = {"0": "ethereum", "6": "base"}
ASSETS = {
    "1:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48": "USDC",
    "42161:0xaf88d065e77c8cC2239327C5EDb3A432268e5831": "USDC.arb",
    "osmosis-1:ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2": "ATOM.osmo",
    "cosmoshub-4:uatom": "ATOM",
}
SUBJECTS = {
    "lifi": {"tx": "0xe1ffdcf09d5aa92a2d89b1b39db3f8cadf09428a296cce0d5e387595ac83d08f", "intent": "I1"},
    "skip": {
        "tx": "EEC65138E6A7BDD047ED0D4BBA249A754F0BBBC7AA976568C4F35A32CD7FB8EB",
        "chain_id": "cosmoshub-4",
        "intent": "I1",
    },
    "circle": {
        "tx": "0x912f22a13e9ccb979b621500f6952b2afd6e75be7eadaed93fc2625fe11c52a2",
        "domain": "0",
        "intent": "I1",
    },
}


@cache
def shipped(name: str) -> ApiMapping:
    tables: Tables = {"networks": DOMAINS if name == "circle" else NETWORKS, "assets": ASSETS}
    return read_mapping(name, Settings().read_file, tables, "a test")


@cache
def decoders() -> Mapping[str, KindDecoder]:
    base = load_paths([ROOT / "rules" / "standard" / "kinds.yaml"]).rulebase
    assert base is not None
    return {name: KindDecoder(kind) for name, kind in base.kinds.items()}


def told(name: str, answer: Json, status: int = 200, fields: Mapping[str, str] | None = None) -> Told:
    """What the mapping says of that answer; each fact is one that the engine takes."""
    found = tell(shipped(name), {**SUBJECTS[name], **(fields or {})}, status, answer)
    for fact in found.facts:
        decoders()[fact.kind].decode(json.dumps(fact.data, ensure_ascii=False).encode())
    return found


def one(found: Told, kind: str) -> dict[str, Any]:
    (fact,) = [fact for fact in found.facts if fact.kind == kind]
    return dict(fact.data)


def kinds(found: Told) -> list[str]:
    return [fact.kind for fact in found.facts]
