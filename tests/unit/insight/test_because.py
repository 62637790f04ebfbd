from pathlib import Path

import orjson
import pytest

from engine.errors import StoreError
from engine.insight.audit import Fired, decode
from engine.insight.because.roots import Explainer, UnexplainedError
from engine.insight.because.search import MAX_DEPTH
from engine.insight.because.tree import FactReason, Reason
from engine.insight.coordinations.reading import known_cases, meant
from engine.model.journal import StreamId
from engine.store.records import AuditEntry
from tests.support.kept_world import KeptWorld
from tests.support.world import START
from tests.unit.insight.shop import PACK as SHOP
from tests.unit.insight.shop import moved, order, sold_and_taken_back

PACK = """
pack: gas
version: 1
kinds:
  network:
    key: [id]
    ttl: 1h
    fields: {id: id, fee: wei}
  cheap:
    concluded: true
    key: [id]
    fields: {id: id, fee: wei}
  plan_b:
    key: [id]
    ttl: 1h
    fields: {id: id, step: int}
rules:
  - rule: is-cheap
    when:
      - network: n
        where: n.fee <= gwei(30)
    then:
      - conclude: cheap
        with: {id: =n.id, fee: =n.fee}
  - rule: think
    when:
      - cheap: c
    then:
      - assert: plan_b
        with: {id: =c.id, step: 1}
  - rule: again
    when:
      - plan_b: b
        where: b.step < 20
    then:
      - assert: plan_b
        with: {id: '={b.id}x', step: =b.step + 1}
  - rule: go
    when:
      - plan_b: b
        where: b.id == "base"
      - network: n
        where: n.id == b.id
    then:
      - command: log.go
        with: {network: =n.id}
      - command: log.tell
        with: {network: =n.id}
  - rule: done
    when:
      - command: k
        where: k.verb == "go" and k.status == "done"
    then:
      - command: log.finish
        with: {id: =k.id}
""".replace("'={b.id}x'", "'{b.id}x'")


@pytest.fixture
def gas(tmp_path: Path) -> KeptWorld:
    world = KeptWorld(tmp_path, PACK)
    world.say(1_000, "network", source_="rpc", id="base", fee="29000000000")
    return world


@pytest.fixture
def shop(tmp_path: Path) -> KeptWorld:
    return KeptWorld(tmp_path, SHOP)


def explainer(world: KeptWorld) -> Explainer:
    return Explainer(world, world.rulebase)


def command(world: KeptWorld, name: str) -> str:
    return next(made.id for made in reversed(world.commands()) if made.command == name)


def maker(reason: Reason, alias: str) -> Reason:
    """What made the fact of that alias."""
    (found,) = [fact.because for fact in reason.facts if fact.fact.alias == alias]
    assert found is not None
    return found


def linked(reason: Reason) -> dict[str, str]:
    return {link.label: link.because.title for link in reason.links if link.because is not None}


async def test_below_a_command_stands_what_made_each_fact_it_read(gas: KeptWorld) -> None:
    answer = await explainer(gas).by_id(command(gas, "log.go"))
    (fired,) = answer.reasons
    assert (fired.title, fired.at, fired.cause) == ("rule gas.go fired", START + 1_000, f"{START + 1_000}-0")
    assert fired.event["revision"] == gas.rulebase.revision
    (network,) = [fact for fact in fired.facts if fact.fact.alias == "n"]
    assert (network.because, network.fact.source, network.fact.position) == (None, "rpc", f"{START + 1_000}-0")
    think = maker(fired, "b")
    assert think.title == "rule gas.think fired"
    concluded = maker(think, "c")
    assert concluded.title == "rule gas.is-cheap fired"
    assert concluded.facts[0].fact.values == {"id": "base", "fee": "29000000000"}
    assert concluded.facts[0].because is None


@pytest.mark.parametrize("of", ["command", "activation", "entry"])
async def test_a_command_an_activation_and_an_entry_lead_to_the_firing(gas: KeptWorld, of: str) -> None:
    identity = command(gas, "log.tell")
    (fired,) = (await explainer(gas).by_id(identity)).reasons
    wanted = {"command": identity, "activation": fired.event["activation"], "entry": f"{START + 1_000}-0"}[of]
    answer = await explainer(gas).by_id(wanted)
    assert "rule gas.go fired" in [reason.title for reason in answer.reasons]
    told = answer.as_dicts()[0]
    assert (told["command"] is not None) == (of == "command")
    assert {"rule", "revision", "activation", "facts", "cause", "at", "audit", "noted"} <= told.keys()
    orjson.dumps(answer.as_dicts())


async def test_a_command_fact_leads_to_its_report_and_to_what_made_the_command(gas: KeptWorld) -> None:
    gas.report(2_000, command(gas, "log.go"), "done")
    (fired,) = (await explainer(gas).by_id(command(gas, "log.finish"))).reasons
    report = maker(fired, "k")
    assert report.title == f"command {command(gas, 'log.go')} is done, says executor"
    assert linked(report) == {"command": "rule gas.go fired"}


async def test_a_long_chain_is_cut_at_a_depth_and_says_so(gas: KeptWorld) -> None:
    reason: Reason | None = (await explainer(gas).of_fact("plan_b", "base" + "x" * 15)).because
    titles = []
    while reason is not None:
        titles.append(reason.title)
        last, reason = reason, reason.facts[0].because if reason.facts else None
    assert titles == ["rule gas.again fired"] * (MAX_DEPTH)
    assert last.note == "what is behind it is not shown; ask for it by itself"


async def test_what_is_met_twice_is_told_once(gas: KeptWorld) -> None:
    gas.report(2_000, command(gas, "log.go"), "done")
    (fired,) = (await explainer(gas).by_id(command(gas, "log.finish"))).reasons
    again = fired.told_before()
    assert (again.note, again.facts, again.title) == ("told above", [], fired.title)


async def test_a_fact_is_explained_by_its_rule_or_by_its_sender(gas: KeptWorld) -> None:
    cheap = await explainer(gas).of_fact("cheap", "base")
    assert cheap.because is not None
    assert cheap.because.title == "rule gas.is-cheap fired"
    gas.say(3_000, "network", source_="rpc", id="base", fee="1")
    followed = await explainer(gas).of_fact("cheap", '{"id": "base"}')
    assert followed.fact.values["fee"] == "1"
    assert followed.because is not None
    assert followed.because.event["concludes"][0]["values"]["fee"] == "29000000000"
    said = await explainer(gas).of_fact("network", "base")
    assert (said.because, said.fact.source, said.note) == (None, "rpc", "")


async def test_a_fact_or_kind_that_is_not_there_is_an_error_with_those_that_are(gas: KeptWorld) -> None:
    with pytest.raises(UnexplainedError) as kind:
        await explainer(gas).of_fact("netwrok", "base")
    assert (kind.value.code, kind.value.hint) == ("U156", "did you mean network?")
    with pytest.raises(UnexplainedError) as fact:
        await explainer(gas).of_fact("network", "bse")
    assert (fact.value.code, fact.value.hint) == ("U157", "did you mean base?")


async def test_what_the_audit_has_forgotten_is_said_to_be_gone(gas: KeptWorld) -> None:
    gas.audited = [entry for entry in gas.audited if b"is-cheap" not in (entry.get("events") or b"")]
    cheap = await explainer(gas).of_fact("cheap", "base")
    assert (cheap.because, cheap.note) == (None, "what made it is not in the audit (any more)")


async def test_a_step_is_explained_by_its_evidence_its_command_and_what_it_came_after(shop: KeptWorld) -> None:
    shop.say(0, "stock", place="shelf", left="9")
    shop.say(0, "stock", place="van", left="9")
    order(shop, 1_000, "O1")
    moved(shop, 2_000, "m1", "O1", "99", "till")
    known = meant(await known_cases(shop), "O1")
    pay = await explainer(shop).of_step(known, "pay")
    assert pay.title == "step pay of shop.buy O1 is confirmed"
    assert [(f.fact.alias, f.fact.kind, f.fact.source) for f in pay.facts] == [("m", "moved", "bank")]
    assert linked(pay) == {"command": "step shop.buy.pay was commanded"}
    paid = pay.links[0].because
    assert paid is not None
    assert {fact.fact.alias for fact in paid.facts} == {"o", "s"}
    (ship,) = (await explainer(shop).by_id(command(shop, "post.ship"))).reasons
    assert linked(ship) == {"after pay": "step pay of shop.buy O1 is confirmed"}


async def test_an_outcome_is_explained_by_its_steps_and_its_way_back(shop: KeptWorld) -> None:
    sold_and_taken_back(shop)
    known = meant(await known_cases(shop), "O1")
    outcome = await explainer(shop).of_coordination(known)
    assert outcome.title == "shop.buy O1 ended REFUNDED (NO_VAN)"
    assert linked(outcome) == {
        "way back": "what shop.buy O1 moved is taken back (NO_VAN)",
        "step pay": "step pay of shop.buy O1 is undone",
        "step ship": "step ship of shop.buy O1 is ready",
    }
    back = outcome.links[0].because
    assert back is not None
    assert linked(back) == {"alternative": "ship of shop.buy O1 is blocked, VAN missing: undo (NO_VAN)"}
    (refund,) = (await explainer(shop).by_id(command(shop, "bank.refund"))).reasons
    assert refund.title == "undo of step shop.buy.pay was commanded"
    assert linked(refund) == {"way back": "what shop.buy O1 moved is taken back (NO_VAN)"}


async def test_an_open_coordination_is_explained_by_its_beginning_and_its_steps(shop: KeptWorld) -> None:
    shop.say(0, "stock", place="shelf", left="9")
    order(shop, 1_000, "O1")
    known = meant(await known_cases(shop), "O1")
    began = await explainer(shop).of_coordination(known)
    assert began.title == "shop.buy O1 began"
    assert [fact.fact.kind for fact in began.facts] == ["order"]
    assert linked(began) == {"step pay": "step pay of shop.buy O1 is commanded"}
    for step, code in (("shipp", "U154"), ("ship", "U155")):
        with pytest.raises(UnexplainedError) as refused:
            await explainer(shop).of_step(known, step)
        assert refused.value.code == code
    fact = await explainer(shop).of_fact("step", f"{known.case.id}/pay")
    assert isinstance(fact, FactReason)
    assert fact.because is not None
    assert fact.because.title == "step pay of shop.buy O1 is commanded"


async def test_a_second_attempt_leads_to_the_failure_of_the_first(shop: KeptWorld) -> None:
    shop.say(0, "stock", place="shelf", left="9")
    order(shop, 1_000, "O1")
    shop.report(2_000, command(shop, "bank.pay"), "failed")
    shop.until(8_000)
    (again,) = (await explainer(shop).by_id(command(shop, "bank.pay"))).reasons
    assert again.title == "step shop.buy.pay was commanded, attempt 2"
    assert linked(again) == {"last attempt": "step pay of shop.buy O1 is failed"}
    failed = again.links[0].because
    assert failed is not None
    assert list(linked(failed)) == ["report"]


async def test_numbers_of_any_size_are_told_exactly(tmp_path: Path) -> None:
    pack = """
    pack: wide
    version: 1
    kinds:
      heap: {key: [id], ttl: 1h, fields: {id: id, value: uint256}}
    rules:
      - rule: double
        when:
          - heap: s
          - let: twice
            be: =s.value + s.value
        then:
          - command: log.double
            with: {value: =twice}
    """
    world = KeptWorld(tmp_path, pack)
    world.say(0, "heap", id="a", value=str(2**200 + 1))
    (told,) = (await explainer(world).by_id(command(world, "log.double"))).as_dicts()
    assert told["bindings"] == {"twice": str(2**201 + 2)}
    assert told["facts"][0]["values"]["value"] == str(2**200 + 1)
    assert str(2**201 + 2) in orjson.dumps(told).decode()


async def test_an_unknown_id_explains_nothing(gas: KeptWorld) -> None:
    assert (await explainer(gas).by_id("nobody")).as_dicts() == []


def test_an_entry_of_another_form_is_an_error_with_a_code() -> None:
    with pytest.raises(StoreError, match="S301"):
        decode(AuditEntry(StreamId(1, 0), (("cause", b"x"),)))
    with pytest.raises(StoreError, match="S301"):
        decode(AuditEntry(StreamId(1, 0), (("cause", b"x"), ("at", b"1"), ("events", b"[{}]"))))


async def test_a_firing_is_read_as_it_was_written(gas: KeptWorld) -> None:
    fired = [e for entry in gas.audited for e in decode(entry).events if isinstance(e, Fired)]
    go = next(each for each in fired if each.rule == "gas.go")
    assert (go.group, go.attempt, len(go.commands)) == ('[["base"],["base"]]', 1, 2)
