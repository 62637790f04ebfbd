from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.insight.demo.amounts import gwei, shown
from engine.insight.demo.happening import Who
from engine.insight.demo.journal_news import JournalNews
from engine.insight.demo.trace import TRACE, Trace, load

DECIMALS = {"USDC": 6, "WETH": 18}


@pytest.fixture(scope="module")
def trace() -> Trace:
    return load()


def test_the_trace_is_in_order_and_has_what_the_demonstration_shows(trace: Trace) -> None:
    assert [line.at_ms for line in trace.lines] == sorted(line.at_ms for line in trace.lines)
    sent = [
        (line.fields["kind"], line.fields["source"], json.dumps(line.fields["data"]))
        for line in trace.lines
        if line.fields
    ]
    assert len(sent) > len(set(sent)), "something is sent twice"
    assert {"polygon-rpc-1", "polygon-rpc-2", "base-indexer-1", "base-indexer-2"} <= {source for _, source, _ in sent}
    assert any(
        int(json.loads(data)["amount_in"]) > 0 and int(json.loads(data)["out"]) > 2**63
        for k, _, data in sent
        if k == "quote"
    )
    assert any(line.hold for line in trace.lines)
    assert {opening.intent for opening in trace.opening} == set(trace.expect)
    assert set(trace.expect.values()) == {"COMPLETED", "REFUNDED"}


@pytest.mark.parametrize("reporter", ["polygon-rpc-2", "base-indexer-2"])
def test_a_reporter_of_the_trace_is_out_of_order(trace: Trace, reporter: str) -> None:
    heights = [int(line.fields["data"]["height"]) for line in trace.lines if line.fields.get("source") == reporter]
    assert heights != sorted(heights)


def test_moments_of_the_trace_are_put_where_the_clock_is(trace: Trace) -> None:
    intent = next(line for line in trace.lines if line.fields.get("kind") == "intent")
    words = intent.entry(began_ms=1_000_000)
    fields = dict(zip(words[::2], words[1::2], strict=True))
    assert json.loads(fields["data"])["deadline"] == 1_900_000
    assert json.loads(fields["data"])["amount"] == "75000000000"
    sample = next(line for line in trace.lines if "observed_at" in line.fields)
    words = sample.entry(began_ms=1_000_000)
    assert words[words.index("observed_at") + 1].isdigit()


def test_a_broken_trace_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(TRACE.read_text()[:500])
    with pytest.raises(ConfigError, match="C140"):
        load(tmp_path / "t.jsonl")
    with pytest.raises(ConfigError, match="C140"):
        load(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    ("amount", "asset", "said"),
    [
        (74_962_500_000, "USDC", "74,962.5 USDC"),
        (24_873_808_145_113_565_803, "WETH", "24.873808145113565803 WETH"),
        (1, "WETH", "0.000000000000000001 WETH"),
        (-1_500_000, "USDC", "-1.5 USDC"),
        (0, "USDC", "0 USDC"),
        (12_345, "ABC", "12,345 ABC"),
    ],
)
def test_amounts_are_shown_exactly(amount: int, asset: str, said: str) -> None:
    assert shown(amount, asset, DECIMALS) == said
    assert gwei(28_706_551_239) == "28.706551239 gwei"


def told(news: JournalNews, **fields: object) -> str | None:
    flat: list[bytes] = []
    for name, value in fields.items():
        flat += [name.encode(), (value if isinstance(value, str) else json.dumps(value)).encode()]
    happening = news.of((b"5-0", flat))
    return None if happening is None else happening.text


def test_the_timeline_tells_a_late_sample_as_late_and_a_repeated_one_not_at_all() -> None:
    news = JournalNews()
    sample = {"network": "base", "venue": "v2", "asset": "WETH", "available": "400", "height": 7}
    assert told(news, op="assert", kind="liquidity", source="one", data=sample) == "base/v2 can pay 400 WETH"
    assert told(news, op="assert", kind="liquidity", source="two", data=sample) is None
    gone = sample | {"available": "90", "height": 9}
    assert (
        told(news, op="assert", kind="liquidity", source="one", data=gone)
        == "base/v2 can pay 90 WETH now: a provider has left"
    )
    late = told(news, op="assert", kind="liquidity", source="two", data=sample | {"height": 8})
    assert late == "two is late with 400 WETH of block 8: older, so it changes nothing"


def test_the_timeline_stands_what_is_no_fact() -> None:
    news = JournalNews()
    assert told(news, op="assert", kind="network", source="x", data="{") is None
    assert told(news, op="result", source="x", data={"command": "c"}) is None
    assert Who.SEEN.value == "seen"
