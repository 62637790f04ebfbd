"""The worked pack does what its head says, held to the reference engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from engine.model.kinds import Value
from engine.packs.bundle import load_paths
from tests.support.reference.engine import ReferenceEngine
from tests.support.reference.records import CommandMade
from tests.support.reference.steps import Advance, Assert, Reorg, Step

PACK = Path(__file__).resolve().parents[3] / "rules" / "cross_network_swap.yaml"
START = 1_800_000_000_000
GWEI = 10**9
AMOUNT, LEAST, OUT = 75_000_000_000, 24 * 10**18, 25 * 10**18


@dataclass
class World:
    """What the services around the engine report, by seconds from the start."""

    engine: ReferenceEngine
    commands: list[CommandMade] = field(default_factory=list)
    entries: int = 0

    def step(self, step: Step) -> None:
        for decision in self.engine.step(step).decisions:
            for firing in decision.firings:
                self.commands += [each for each in firing.effects if isinstance(each, CommandMade)]

    def say(self, second: int, kind: str, reporter: str = "test", /, **values: Value) -> None:
        known = self.engine.rulebase.kinds[kind]
        assert values.keys() <= known.positions.keys()
        self.entries += 1
        whole = {each.name: values.get(each.name, each.default) for each in known.fields}
        self.step(Assert(START + second * 1_000, self.entries, kind, reporter, whole))

    def wait(self, second: int) -> None:
        self.step(Advance(START + second * 1_000))

    def networks(self, second: int, height: int, fee: int = 20) -> None:
        for name in ("polygon", "base"):
            self.say(second, "network", f"{name}-rpc", id=name, height=height, base_fee=fee * GWEI)

    def bridges(self, second: int, sources: int = 2) -> None:
        for n in range(sources):
            at: dict[str, Value] = {"source": "polygon", "target": "base", "asset": "USDC"}
            self.say(second, "bridge", f"watch-{n}", **at, capacity=2 * AMOUNT, fee=5)

    def market(self, second: int, available: int = 2 * OUT) -> None:
        self.say(second, "liquidity", network="base", venue="pool", asset="WETH", available=available, height=second)
        self.say(second, "quote", id=f"q-{second}", intent="I1", asset_out="WETH", out=OUT)

    def intent(self, second: int, deadline: int = 600) -> None:
        parties = {"source": "polygon", "target": "base", "asset_in": "USDC", "asset_out": "WETH"}
        due = START + deadline * 1_000
        self.say(second, "intent", id="I1", **parties, amount=AMOUNT, min_out=LEAST, deadline=due)

    def transfer(self, second: int, purpose: str, **more: Value) -> None:
        ends: dict[str, Value] = {"source": "polygon", "target": "base", "asset": "USDC", "amount": AMOUNT}
        self.say(second, "transfer", id=f"T-{purpose}", intent="I1", purpose=purpose, **{**ends, **more})

    def ready(self) -> None:
        """All that the source leg waits for."""
        self.intent(0)
        self.bridges(0)
        self.market(0)
        self.networks(0, 100)
        self.networks(2, 101)

    def arrived(self, second: int) -> None:
        self.transfer(second, "bridge", state="arrived", network="base", depth=4, height=7, block_hash="0xb1")

    @property
    def verbs(self) -> list[str]:
        return [each.verb for each in self.commands]

    def outcome(self) -> dict[str, Value] | None:
        return self.fact("swap_outcome")

    def fact(self, kind: str) -> dict[str, Value] | None:
        """The only fact of a kind."""
        found = [each for each in self.engine.facts() if each.kind == kind]
        assert len(found) <= 1
        names = self.engine.rulebase.kinds[kind].positions
        return dict(zip(names, found[0].values, strict=True)) if found else None


def world() -> World:
    rulebase = load_paths([PACK]).rulebase
    assert rulebase is not None
    return World(ReferenceEngine(rulebase, start_ms=START))


def test_the_good_case_bridges_swaps_and_completes() -> None:
    w = world()
    w.ready()
    assert w.verbs == ["bridge"]
    args = json.loads(w.commands[0].args)
    assert (args["intent"], args["amount"], args["min_arrival"]) == ("I1", str(AMOUNT), "74962500000")
    w.market(8)
    w.arrived(10)
    assert w.verbs == ["bridge", "swap"]
    assert json.loads(w.commands[1].args)["min_out"] == str(OUT * 9950 // 10000)
    assert w.outcome() is None
    w.transfer(15, "swap", state="arrived", asset="WETH", amount=LEAST, source="base")
    outcome = w.outcome()
    assert outcome is not None
    assert (outcome["verdict"], outcome["place"], outcome["amount"]) == ("COMPLETED", "base", LEAST)
    w.wait(400)
    assert w.verbs == ["bridge", "swap"]


def test_value_comes_back_when_the_far_liquidity_stays_away() -> None:
    w = world()
    w.ready()
    w.market(8, available=LEAST - 1)
    w.arrived(10)
    assert w.verbs == ["bridge"]
    assert w.fact("swap_at_risk") is not None
    w.wait(18)
    assert w.verbs == ["bridge"]
    w.wait(19)
    assert w.verbs == ["bridge", "bridge_back"]
    assert json.loads(w.commands[1].args)["reason"] == "FAR_LIQUIDITY_LOST"
    w.market(20)
    assert w.verbs == ["bridge", "bridge_back"]
    w.transfer(25, "refund", state="arrived", source="base", target="polygon", amount=AMOUNT - 10)
    outcome = w.outcome()
    assert outcome is not None
    assert (outcome["verdict"], outcome["place"], outcome["reason"]) == ("REFUNDED", "polygon", "FAR_LIQUIDITY_LOST")


def test_a_short_drought_does_not_send_the_value_back() -> None:
    w = world()
    w.ready()
    w.market(8, available=0)
    w.arrived(10)
    w.market(14)
    assert w.verbs == ["bridge", "swap"]
    w.market(15, available=0)
    w.wait(60)
    assert "bridge_back" not in w.verbs


def test_nothing_starts_while_a_condition_is_missing() -> None:
    dear = world()
    dear.intent(0)
    dear.bridges(0)
    dear.market(0)
    dear.networks(0, 100, fee=31)
    dear.networks(2, 101, fee=31)
    assert dear.verbs == []
    dear.networks(4, 102)
    assert dear.verbs == []
    dear.networks(6, 103)
    assert dear.verbs == ["bridge"]
    alone = world()
    alone.intent(0)
    alone.bridges(0, sources=1)
    alone.market(0)
    alone.networks(0, 100)
    alone.networks(2, 101)
    assert alone.verbs == []
    alone.bridges(3)
    assert alone.verbs == ["bridge"]


def test_one_unit_short_is_no_success_and_a_late_one_is_named() -> None:
    w = world()
    w.ready()
    w.market(8)
    w.arrived(10)
    w.transfer(15, "swap", state="arrived", asset="WETH", amount=LEAST - 1, source="base")
    assert w.outcome() is None
    late = START + 601_000
    w.transfer(20, "swap", state="arrived", asset="WETH", amount=LEAST, source="base", chain_time=late)
    outcome = w.outcome()
    assert outcome is not None
    assert outcome["verdict"] == "SETTLED_LATE"


def test_value_that_arrives_after_the_deadline_goes_back() -> None:
    w = world()
    w.ready()
    w.market(599)
    w.arrived(600)
    assert w.verbs[0] == "bridge"
    assert w.verbs[-1] == "swap"
    other = world()
    other.ready()
    other.market(600)
    other.arrived(601)
    assert other.verbs[-1] == "bridge_back"


def test_a_cancelled_intent_brings_its_value_back() -> None:
    w = world()
    w.ready()
    w.say(5, "cancel", id="I1")
    w.market(8)
    w.arrived(10)
    assert w.verbs == ["bridge", "bridge_back"]
    early = world()
    early.say(0, "cancel", id="I1")
    early.ready()
    early.wait(60)
    assert early.verbs == []


def test_a_reorganised_arrival_takes_its_outcome_with_it() -> None:
    w = world()
    w.ready()
    w.market(8)
    w.arrived(10)
    w.transfer(
        15, "swap", state="arrived", asset="WETH", amount=LEAST, source="base", network="base", block_hash="0xb2"
    )
    assert w.outcome() is not None
    w.step(Reorg(START + 16_000, 9_999, "base-rpc", "base", removed=("0xb2",)))
    assert w.outcome() is None


def test_a_leg_that_is_not_seen_is_asked_for_and_then_made_known() -> None:
    w = world()
    w.ready()
    w.wait(200)
    assert w.verbs == ["bridge", "inquire", "inquire", "inquire"]
    assert [json.loads(each.args)["attempt"] for each in w.commands[1:]] == [1, 2, 3]
    incident = w.fact("incident")
    assert incident is not None
    assert (incident["id"], incident["severity"], incident["open"]) == ("stuck-I1-bridge", "critical", True)
