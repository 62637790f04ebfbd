"""What the demonstration on live chains says of what it reads, and what it remembers of it."""

from __future__ import annotations

import json
from typing import Any

from engine.insight.audit import Decision, Fired, MadeCommand, Noted
from engine.insight.chains.telling import ChainTelling
from engine.insight.demo.happening import Who
from engine.model.journal import StreamId

AT = StreamId(1_000, 0)


def said(telling: ChainTelling, op: str, data: dict[str, Any], kind: str = "") -> tuple[Who, str] | None:
    words = {"op": op, "kind": kind, "source": "home", "data": json.dumps(data)}
    happening = telling.of_entry((b"1000-0", [word.encode() for pair in words.items() for word in pair]))
    return None if happening is None else (happening.who, happening.text)


def deposit(depth: int, block: str = "0x01") -> dict[str, Any]:
    said = {"intent": "swap-1", "purpose": "deposit", "network": "home", "asset": "USDX", "amount": "75000000000"}
    return said | {"depth": str(depth), "height": "12", "block_hash": block, "tx": "0xaa"}


def test_a_transfer_is_told_when_seen_and_when_deep_and_forgotten_with_its_block() -> None:
    telling = ChainTelling(depth=4)
    place = ("swap-1", "deposit", "home")
    lines = [said(telling, "assert", deposit(depth), "transfer") for depth in (1, 2, 3, 4)]
    seen = "75,000 USDX of swap-1 locked in the bridge on home, "
    assert lines == [(Who.SEEN, seen + "in block 12"), None, None, (Who.SEEN, seen + "4 blocks deep")]
    reorg = said(telling, "reorg", {"network": "home", "removed": ["0x00", "0x01"], "added": []})
    assert reorg == (
        Who.CHAIN,
        "home is reorganised: its last 2 blocks are no more; with them the deposit of swap-1",
    )
    assert place not in telling.known.transfers
    assert said(telling, "assert", deposit(1, "0x02"), "transfer") == (Who.SEEN, seen + "in block 12")
    assert telling.known.transfers[place]["block_hash"] == "0x02"


def test_heads_are_told_now_and_then_and_each_while_gas_is_dear() -> None:
    telling = ChainTelling(depth=4)

    def head(height: int, fee: int) -> tuple[Who, str] | None:
        return said(telling, "assert", {"id": "home", "height": str(height), "base_fee": str(fee)}, "network")

    told = [height for height in range(1, 31) if head(height, 10**9 + height) is not None]
    assert told == [10, 20, 30]
    assert head(31, 80 * 10**9) == (Who.CHAIN, "home block 31: base fee 80 gwei")
    assert head(32, 70_123_456_789) == (Who.CHAIN, "home block 32: base fee 70.123 gwei")


def test_a_transaction_is_told_from_its_command_to_its_block_and_back() -> None:
    telling = ChainTelling(depth=4)
    made = MadeCommand("abcdefghijkl", "home", "bridge", {"intent": "swap-1", "asset": "USDX", "amount": "75000000000"})
    fired = Fired("chains.swap-across", "r", "a", 1, "g", (), {}, (made,), (), ())
    outcome = Noted("outcome", {"subject": "swap-1", "verdict": "COMPLETED", "reason": "", "provisional": False})
    step = Noted("step", {"subject": "swap-1", "step": "bridge", "state": "confirmed"})
    told = telling.of_decision(Decision(AT, "1000-0", 1_000, (outcome, fired, step)))
    assert [(each.who, each.text) for each in told] == [
        (Who.COMMAND, "home.bridge abcdefgh: 75,000 USDX of swap-1"),
        (Who.OUTCOME, "bridge of swap-1 is confirmed"),
        (Who.OUTCOME, "swap-1: COMPLETED"),
    ]
    assert telling.known.commanded("swap-1", "home.bridge") == ["abcdefghijkl"]
    assert telling.known.steps == {("swap-1", "bridge"): ["confirmed"]}
    fact = {"id": "abcdefghijkl", "tx": "0x0123456789abcdef", "network": "home", "nonce": "3", "height": "9"}
    states = ("pending", "mined", "mined", "unconfirmed", "pending")
    lines = [said(telling, "assert", fact | {"state": state}, "transaction") for state in states]
    text = "home.bridge abcdefgh: transaction 0x01234567…"
    assert lines == [
        (Who.SENT, text + ", nonce 3, goes to home"),
        (Who.SENT, text + " is in block 9 of home"),
        None,
        (Who.SENT, text + ": its block has left the chain; the same bytes go out again"),
        (Who.SENT, text + " again to home"),
    ]
