"""Claims: order, sources, quorum, disputes, tombstones, reorganisations, events, lifetimes."""

from __future__ import annotations

import pytest

from tests.integration.language.conftest import MakeWorld
from tests.support.world import World

PACK = """
pack: claims
version: 1
kinds:
  pool:
    key: [id]
    order: [height]
    ttl: 10m
    chain: {network: network, block: block}
    fields: {id: id, network: id, height: int, block: hash?, size: uint256}
  price:
    key: [asset]
    claims: per_source
    ttl: 1m
    fields: {asset: id, usd: uint256}
  seen:
    event: true
    keep: while_used
    key: [network, block, tx]
    chain: {network: network, block: block}
    fields: {network: id, block: hash, tx: hash, n: int}
  plain: {key: [id], ttl: 1h, fields: {id: id, n: int}}
  few: {key: [id], permanent: true, limit: 2, fields: {id: id}}
  shown: {concluded: true, key: [what, id], fields: {what: id, id: id, text: text}}
rules:
  - rule: pools
    when: [{pool: x}]
    then: [{conclude: shown, with: {what: pool, id: =x.id, text: "{x.size}@{x.height}"}}]
  - rule: plains
    when: [{plain: x}]
    then: [{conclude: shown, with: {what: plain, id: =x.id, text: "{x.n}"}}]
  - rule: prices
    when: [{price: x}]
    then: [{conclude: shown, with: {what: price, id: =x.asset, text: "{x.usd}"}}]
  - rule: agreed
    when:
      - price: x
        where: x.usd >= 100
        fresh: 30s
        quorum: 2
    then:
      - command: log.agreed
        with: {usd: =x.usd}
      - conclude: shown
        with: {what: agreed, id: =x.asset, text: "{x.usd}"}
  - rule: disputes
    when:
      - price: x
        where: disputed(x)
    then: [{conclude: shown, with: {what: dispute, id: =x.asset, text: "{x.usd}"}}]
  - rule: events
    when: [{seen: x}]
    then:
      - command: log.seen
        with: {tx: =x.tx, n: =x.n}
      - conclude: shown
        with: {what: seen, id: =x.tx, text: "{x.n}"}
"""


def shown(w: World, what: str) -> list[str]:
    """What the rules see."""
    return [fact["text"] for fact in w.facts("shown") if fact["what"] == what]


def pool(w: World, at: int, height: int, size: int, block: str | None = None, observed_at: int | None = None) -> None:
    """A pool's size at a height."""
    w.say(at, "pool", observed_at=observed_at, id="p", network="e", height=height, size=str(size), block=block)


def test_the_kinds_order_decides_and_not_the_arrival(world: MakeWorld) -> None:
    w = world(PACK)
    pool(w, 0, 10, 100)
    pool(w, 1, 9, 90)
    assert shown(w, "pool") == ["100@10"]
    pool(w, 2, 10, 101)  # of equal order the later entry stands
    assert shown(w, "pool") == ["101@10"]
    pool(w, 3, 11, 110)
    assert shown(w, "pool") == ["110@11"]
    assert [at for at, _ in w.events("superseded")] == [1]
    assert w.facts("source")[0]["superseded"] == 1


def test_a_late_retry_with_its_observed_at_or_seq_does_not_overtake(world: MakeWorld) -> None:
    w = world(PACK)
    w.say(1_000, "plain", observed_at=500, id="a", n=1)
    w.say(1_001, "plain", observed_at=900, id="a", n=2)
    w.say(1_002, "plain", observed_at=500, id="a", n=1)
    assert shown(w, "plain") == ["2"]
    w.say(2_000, "plain", seq=7, id="b", n=1)
    w.say(2_000, "plain", seq=8, id="b", n=2)
    w.say(2_000, "plain", seq=7, id="b", n=1)
    assert shown(w, "plain") == ["2", "2"]
    w.say(3_000, "plain", id="a", n=3)  # no observed_at: the entry's time, which is later
    assert shown(w, "plain") == ["3", "2"]


def test_a_claim_past_its_ttl_supersedes_nothing_and_one_that_arrives_so_changes_nothing(world: MakeWorld) -> None:
    w = world(PACK)
    pool(w, 0, 1_000, 1)
    pool(w, 600_001, 5, 2)
    assert shown(w, "pool") == ["2@5"]
    w.say(4_000_000, "plain", observed_at=4_000_000 - 3_600_001, id="a", n=1)
    assert shown(w, "plain") == []
    w.say(4_000_001, "plain", observed_at=4_000_001 - 3_600_000, id="a", n=1)
    assert shown(w, "plain") == ["1"]
    w.until(4_000_003)
    assert shown(w, "plain") == []


def test_each_source_has_its_word_and_rules_see_the_newest(world: MakeWorld) -> None:
    w = world(PACK)
    w.say(0, "price", source_="a", asset="x", usd="90")
    w.say(1_000, "price", source_="b", asset="x", usd="91")
    assert shown(w, "price") == ["91"]
    w.say(2_000, "price", source_="a", asset="x", usd="92")
    assert shown(w, "price") == ["92"]
    w.retract(3_000, "price", source_="a", asset="x")
    assert shown(w, "price") == ["91"]  # the next becomes the fact
    w.until(61_001)
    assert shown(w, "price") == ["91"]
    w.until(61_002)
    assert shown(w, "price") == []


def test_a_quorum_counts_sources_whose_living_claims_satisfy_the_pattern(world: MakeWorld) -> None:
    w = world(PACK)
    w.say(0, "price", source_="a", asset="x", usd="100")
    w.say(1_000, "price", source_="a", asset="x", usd="101")  # twice the same source is one source
    w.say(2_000, "price", source_="b", asset="x", usd="99")
    assert w.fired() == []
    w.say(3_000, "price", source_="b", asset="x", usd="120")
    w.say(4_000, "price", source_="c", asset="x", usd="5")  # the newest of all does not satisfy: it does not bind
    assert w.told() == [(3_000, "log.agreed", {"usd": "120"})]
    assert shown(w, "agreed") == ["120"]
    w.until(31_001)
    assert shown(w, "agreed") == ["120"]
    w.until(31_002)
    assert shown(w, "agreed") == []  # a's word was 30 s old at 31 s
    w.say(32_000, "price", source_="a", asset="x", usd="100")
    assert shown(w, "agreed") == ["100"]


def test_claims_of_equal_order_that_differ_are_disputed(world: MakeWorld) -> None:
    w = world(PACK)
    w.say(1_000, "price", source_="a", observed_at=500, asset="x", usd="100")
    w.say(1_001, "price", source_="b", observed_at=500, asset="x", usd="100")
    assert shown(w, "dispute") == []
    w.say(1_002, "price", source_="c", observed_at=500, asset="x", usd="101")
    assert shown(w, "dispute") == ["101"]
    w.say(1_003, "price", source_="c", observed_at=600, asset="x", usd="101")
    assert shown(w, "dispute") == []


def test_a_retraction_keeps_late_duplicates_away_for_an_hour(world: MakeWorld) -> None:
    w = world(PACK)
    pool(w, 0, 10, 1)
    w.retract(1, "pool", id="p")
    pool(w, 2, 10, 1, observed_at=0)
    pool(w, 3, 9, 1)
    assert shown(w, "pool") == []
    pool(w, 4, 11, 2)
    assert shown(w, "pool") == ["2@11"]
    w.retract(5, "pool", id="p", height=10)  # older than what stands
    assert shown(w, "pool") == ["2@11"]
    w.retract(6, "pool", id="p", height=12)
    pool(w, 7, 12, 3, observed_at=6)
    pool(w, 3_500_000, 11, 3)
    assert shown(w, "pool") == []
    pool(w, 3_600_007, 11, 3)
    assert shown(w, "pool") == ["3@11"]


def test_a_reorganisation_takes_claims_and_clears_their_order(world: MakeWorld) -> None:
    w = world(PACK)
    pool(w, 0, 10, 1, "0xa1")
    w.say(0, "seen", network="e", block="0xA1", tx="0x1", n=5)
    w.say(0, "seen", network="f", block="0xa1", tx="0x2", n=6)
    w.reorg(1, "e", ["0xA1"])
    assert shown(w, "pool") == []
    assert shown(w, "seen") == ["6"]
    pool(w, 2, 10, 1, "0xa1")  # late, on the removed block: refused whoever sends it
    assert [r.code for r in w.refused()] == ["F304"]
    pool(w, 3, 9, 2, "0xb1")
    assert shown(w, "pool") == ["2@9"]
    w.reorg(4, "e", ["0xb1"], ["0xa1"])
    assert shown(w, "pool") == []
    pool(w, 5, 10, 1, "0xa1")
    w.say(5, "seen", network="e", block="0xa1", tx="0x1", n=5)
    assert shown(w, "pool") == ["1@10"]
    assert [(at, args["tx"]) for at, _, args in w.told()] == [(0, "0x1"), (0, "0x2"), (5, "0x1")]


def test_removed_blocks_are_remembered_for_a_day(world: MakeWorld) -> None:
    w = world(PACK)
    w.reorg(0, "e", ["0xa1"])
    day = 86_400_000
    pool(w, day, 10, 1, "0xa1")
    assert [r.code for r in w.refused()] == ["F304"]
    pool(w, day + 1, 10, 1, "0xa1")
    assert shown(w, "pool") == ["1@10"]


def test_an_event_is_immutable_and_the_same_again_changes_nothing(world: MakeWorld) -> None:
    w = world(PACK)
    w.say(0, "seen", network="e", block="0xa1", tx="0x1", n=5)
    w.say(1, "seen", network="e", block="0xa1", tx="0x1", n=5, source_="other")
    w.say(2, "seen", network="e", block="0xa1", tx="0x1", n=6)
    assert [(r.at, r.code) for r in w.refused()] == [(2, "F305")]
    assert shown(w, "seen") == ["5"]
    w.retract(3, "seen", network="e", block="0xa1", tx="0x1")
    assert shown(w, "seen") == []
    assert len(w.commands()) == 1


def test_a_kind_with_a_limit_takes_no_more(world: MakeWorld) -> None:
    w = world(PACK)
    for name in ("a", "b", "c"):
        w.say(0, "few", id=name)
    w.say(1, "few", id="a")
    assert [r.code for r in w.refused()] == ["F306"]
    w.retract(2, "few", id="a")
    w.say(3, "few", id="c")
    assert [fact["id"] for fact in w.facts("few")] == ["b", "c"]


@pytest.mark.parametrize(("ahead", "taken"), [(15_000, True), (15_001, False)])
def test_a_fact_from_the_future_is_quarantined_beyond_fifteen_seconds(
    world: MakeWorld, ahead: int, taken: bool
) -> None:
    w = world(PACK)
    w.say(0, "plain", observed_at=ahead, id="a", n=1)
    assert shown(w, "plain") == (["1"] if taken else [])
    assert [r.code for r in w.refused()] == ([] if taken else ["F303"])
    assert w.facts("source")[0]["state"] == ("ok" if taken else "skewed")
    assert w.facts("source")[0]["skewed"] == (0 if taken else 1)


def test_seventeen_sources_keep_sixteen_words(world: MakeWorld) -> None:
    w = world(PACK)
    for number in range(17):
        w.say(number, "price", source_=f"s{number:02}", asset="x", usd=str(number))
    assert len(w.facts("price")) == 16
    assert shown(w, "price") == ["16"]
