"""The pack of the demonstration at its limits: one wei, one unit, one millisecond to either side."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.playing import daemon_machinery
from engine.insight.scenario.failure import Result
from engine.insight.scenario.files import read_files
from engine.insight.scenario.player import play

PACK = Path(__file__).resolve().parents[3] / "rules" / "cross_network_swap.yaml"
LEAST = 24 * 10**18
ARRIVED = 74_962_500_000
BACK = "purpose: refund, state: arrived, asset: USDC, source: base, target: polygon"
INTO = "purpose: bridge, state: arrived, asset: USDC, source: polygon, target: base"
OUT = "purpose: swap, state: arrived, asset: WETH, source: base, target: base"


def intent(**more: object) -> str:
    fields: dict[str, object] = {
        "id": "I1",
        "kind": "cross-network-swap",
        **{"source": "polygon", "target": "base", "asset_in": "USDC", "asset_out": "WETH"},
        **{"amount": 75_000_000_000, "min_out": LEAST, "deadline": "600s"},
        **more,
    }
    return flow("intent", fields)


def flow(kind: str, fields: dict[str, object]) -> str:
    return f"assert: {{{kind}: {{{', '.join(f'{k}: {v}' for k, v in fields.items())}}}}}"


def network(name: str, height: int, fee: str = "29 gwei", **more: object) -> str:
    return flow("network", {"id": name, "height": height, "base_fee": fee, **more})


def bridge(capacity: int = 150_000_000_000, **more: object) -> str:
    fields = {"source": "polygon", "target": "base", "asset": "USDC", "capacity": capacity, "fee": "5 bps", **more}
    return flow("bridge", fields)


def pool(available: int, height: int) -> str:
    fields = {"network": "base", "venue": "pool", "asset": "WETH", "available": available, "height": height}
    return flow("liquidity", fields)


def quote(out: int = 25 * 10**18, name: str = "q-1") -> str:
    return flow("quote", {"id": name, "intent": "I1", "asset_out": "WETH", "out": out})


def transfer(name: str, what: str, amount: int, depth: int = 4) -> str:
    return f"assert: {{transfer: {{id: {name}, intent: I1, {what}, amount: {amount}, depth: {depth}}}}}"


#: Everything the source leg waits for, the last of it at 2 s.
READY = {
    "intent": (0, "desk", intent()),
    "pool": (0, "indexer", pool(50 * 10**18, 1)),
    "quote": (0, "quoter", quote()),
    "watch-1": (0, "watch-1", bridge()),
    "far": (0, "rpc", network("base", 900)),
    "near": (0, "rpc", network("polygon", 100)),
    "watch-2": (1, "watch-2", bridge()),
    "cheap": (2, "rpc", network("polygon", 101)),
}


def played(directory: Path, *said: tuple[float, str, str], **changed: tuple[int, str, str] | None) -> Result:
    """What becomes of READY with these lines changed (None: left out), and then of these."""
    lines = [line for line in ({**READY, **changed}).values() if line is not None]
    text = ["tests:", "  - test: it", f"    packs: [{PACK}]", "    others: ignore", "    steps:"]
    for second, source, what in sorted([*lines, *said], key=lambda line: line[0]):
        text.append(f"      - {{at: {int(second * 1_000)}ms, source: {source}, {what}}}")
    (directory / "it.test.yaml").write_text("\n".join(text))
    (file,) = read_files([directory / "it.test.yaml"])
    assert file.problems == []
    result = play(file.cases[0], daemon_machinery())
    assert result.failures == []
    return result


def verbs(result: Result) -> list[str]:
    return [made.command.partition(".")[2] for made in result.made]


def verdict(result: Result) -> tuple[str, str]:
    return (result.outcomes[-1].verdict, result.outcomes[-1].reason) if result.outcomes else ("none", "")


REPORTED = (3, "executor-1", "report: {command: executor.bridge, status: submitted}")
ARRIVES = (10, "indexer", transfer("T-in", INTO, ARRIVED))


def test_the_source_leg_starts_when_everything_is_there(tmp_path: Path) -> None:
    result = played(tmp_path)
    assert [(made.at_ms - result.case.start_ms, made.command) for made in result.made] == [(2_000, "executor.bridge")]
    assert result.made[0].args["amount"] == "75000000000"
    assert result.made[0].args["min_arrival"] == str(ARRIVED)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("watch-2", None),
        ("watch-2", (1, "watch-1", bridge())),
        ("watch-2", (1, "watch-2", bridge(capacity=74_999_999_999))),
        ("watch-2", (1, "watch-2", bridge(paused="true"))),
        ("cheap", None),
        ("cheap", (2, "rpc", network("polygon", 101, "30000000001"))),
        ("cheap", (2, "rpc", network("polygon", 101, paused="true"))),
        ("far", (0, "rpc", network("base", 900, sequencer_up="false"))),
        ("quote", (0, "quoter", quote(LEAST - 1))),
        ("pool", (0, "indexer", pool(LEAST - 1, 1))),
        ("intent", (0, "desk", intent(kind="swap"))),
        ("intent", (0, "desk", intent(source="base"))),
        ("intent", (0, "desk", intent(state="closed"))),
        ("intent", (0, "desk", intent(start_by="2s"))),
        ("intent", (0, "desk", intent(deadline="299999ms"))),
    ],
)
def test_one_thing_missing_holds_it_back(tmp_path: Path, name: str, line: tuple[int, str, str] | None) -> None:
    assert verbs(played(tmp_path, (2.5, "desk", intent(id="I9", kind="none")), **{name: line})) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cheap", (2, "rpc", network("polygon", 101, "30 gwei"))),
        ("watch-2", (1, "watch-2", bridge(capacity=75_000_000_000))),
        ("quote", (0, "quoter", quote(LEAST))),
        ("pool", (0, "indexer", pool(LEAST, 1))),
        ("intent", (0, "desk", intent(start_by="2001ms"))),
        ("intent", (0, "desk", intent(deadline="300s"))),
    ],
)
def test_exactly_enough_is_enough(tmp_path: Path, name: str, line: tuple[int, str, str]) -> None:
    assert verbs(played(tmp_path, **{name: line})) == ["bridge"]


@pytest.mark.parametrize(("depth", "wanted"), [(3, ["bridge"]), (4, ["bridge", "swap"])])
def test_an_arrival_counts_at_its_depth(tmp_path: Path, depth: int, wanted: list[str]) -> None:
    assert verbs(played(tmp_path, REPORTED, (10, "indexer", transfer("T-in", INTO, ARRIVED, depth)))) == wanted


@pytest.mark.parametrize(("back_again", "wanted"), [(17.999, ["bridge", "swap"]), (18.001, ["bridge", "bridge_back"])])
def test_the_way_back_begins_after_eight_seconds_without_liquidity(
    tmp_path: Path, back_again: float, wanted: list[str]
) -> None:
    dry = (8, "indexer", pool(LEAST - 1, 2))
    again = (back_again, "indexer", pool(LEAST, 3))
    assert verbs(played(tmp_path, REPORTED, dry, ARRIVES, again, (25, "quoter", quote(name="q-9")))) == wanted


@pytest.mark.parametrize(("amount", "wanted"), [(LEAST, "COMPLETED"), (LEAST - 1, "UNWOUND")])
def test_one_unit_short_is_no_success(tmp_path: Path, amount: int, wanted: str) -> None:
    result = played(tmp_path, REPORTED, ARRIVES, (15, "indexer", transfer("T-out", OUT, amount)))
    assert verdict(result)[0] == wanted
    assert result.outcomes[-1].said["delivered"] == {"base": {"WETH": str(amount)}}


def test_what_comes_back_is_refunded_to_the_unit(tmp_path: Path) -> None:
    dry = (8, "indexer", pool(0, 2))
    back = (30, "indexer", transfer("T-back", BACK, 74_925_018_750))
    result = played(tmp_path, REPORTED, dry, ARRIVES, back)
    assert verdict(result) == ("REFUNDED", "FAR_LIQUIDITY_LOST")
    said = result.outcomes[-1].said
    assert said["ledger"] == {"polygon": {"USDC": "74925018750"}}
    assert said["fees"] == {"USDC": str(75_000_000_000 - 74_925_018_750)}


def test_a_reverted_swap_is_tried_again_and_never_two_at_once(tmp_path: Path) -> None:
    failed = (12, "executor-1", "report: {command: executor.swap, status: failed}")
    assert verbs(played(tmp_path, REPORTED, ARRIVES, (21, "quoter", quote(name="q-8")))) == ["bridge", "swap"]
    again = played(tmp_path, REPORTED, ARRIVES, failed, (22, "quoter", quote(name="q-8")))
    assert verbs(again) == ["bridge", "swap", "swap"]
    assert again.made[2].at_ms - again.made[1].at_ms == 12_000
