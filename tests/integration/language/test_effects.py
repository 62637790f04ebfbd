"""Effects: arguments, texts, chains over packs, conclusions that follow, and what fails at run time."""

from __future__ import annotations

from typing import Any

from tests.integration.language.conftest import MakeDaemon, MakeWorld
from tests.integration.language.shop import pack, rule
from tests.support.world import START, World

BIG = 2**255 + 12_345_678_901_234_567_890
ALL = """
pack: types
version: 1
params:
  cap: {type: wei, default: 30 gwei}
  wait: {type: duration, default: 250ms}
  share: {type: bps, default: 50 bps}
kinds:
  all:
    key: [id]
    ttl: 1d
    fields:
      id: id
      text: text
      flag: bool
      int: int
      uint: uint256
      asset: id
      amount: amount(asset)
      wei: wei
      bps: bps
      ppm: ppm
      when: timestamp
      long: duration
      hash: hash
      address: address
      quantity: quantity
      word: enum(open, closed)
      ids: list(id)
      sums: list(uint256)
      extra: json
      more: int?
rules:
  - rule: r
    when: [{all: x}]
    then:
      - command: log.go
        with:
          text: =x.text
          flag: =x.flag
          int: =x.int
          uint: =x.uint
          amount: =x.amount
          wei: =x.wei
          bps: =x.bps
          ppm: =x.ppm
          when: =x.when
          long: =x.long
          hash: =x.hash
          address: =x.address
          quantity: =x.quantity
          word: =x.word
          ids: =x.ids
          sums: =x.sums
          more: =default(x.more, 7)
          cap: =params.cap
          wait: =params.wait
          share: =params.share
          literal: plain text
          template: "{x.id} pays {x.amount}, {{literally}}"
          yes: no
          number: =x.int * 2
"""


def everything(w: World, at: int = 0, **other: Any) -> None:  # noqa: ANN401
    """A fact with every type."""
    values: dict[str, Any] = {
        "id": "é",
        "text": 'a "quoted"\nline',
        "flag": False,
        "int": -5,
        "uint": str(2**256 - 1),
        "asset": "USDC",
        "amount": str(BIG),
        "wei": "18446744073709551616",
        "bps": 9_995,
        "ppm": "1000000",
        "when": 1_800_000_000_000,
        "long": 250,
        "hash": "0xABCDEF",
        "address": "0x00Aa",
        "quantity": "0x1a",
        "word": "open",
        "ids": ["b", "a"],
        "sums": ["1", str(2**200)],
        "extra": {"any": [1, None, {"x": "y"}]},
    }
    w.say(at, "all", **values | other)


def test_arguments_leave_in_the_form_of_their_type(world: MakeWorld, daemon: MakeDaemon) -> None:
    for w in (world(ALL), daemon(ALL)):
        everything(w)
        ((_, _, args),) = w.told()
        assert args == {
            "text": 'a "quoted"\nline',
            "flag": False,
            "int": -5,
            "uint": str(2**256 - 1),
            "amount": str(BIG),
            "wei": "18446744073709551616",
            "bps": 9_995,
            "ppm": 1_000_000,
            "when": 1_800_000_000_000,
            "long": 250,
            "hash": "0xabcdef",
            "address": "0x00aa",
            "quantity": "26",
            "word": "open",
            "ids": ["b", "a"],
            "sums": ["1", str(2**200)],
            "more": 7,
            "cap": "30000000000",
            "wait": 250,
            "share": 50,
            "literal": "plain text",
            "template": f"é pays {BIG}, {{literally}}",
            "yes": "no",
            "number": -10,
        }


def test_integers_beyond_what_json_readers_hold_leave_as_strings(world: MakeWorld) -> None:
    w = world(ALL)
    everything(w, int=str(2**53))
    everything(w, id="two", int=2**53 - 1)
    everything(w, id="three", int=str(-(2**53)))
    assert [args["int"] for _, _, args in w.told()] == ["9007199254740992", 9007199254740991, "-9007199254740992"]


def test_asserts_and_conclusions_chain_over_packs_within_one_decision(world: MakeWorld) -> None:
    base = pack(rule("a", "- net: n\n  where: n.fee < 30", "- assert: note\n  with: {id: =n.id, text: cheap}"))
    middle = """
        pack: middle
        version: 1
        use: [shop]
        kinds:
          both: {concluded: true, key: [id], fields: {id: id, text: text}}
        rules:
          - rule: b
            when:
              - note: x
                where: x.text == "cheap"
              - order: o
                where: o.net == x.id
            then:
              - conclude: both
                with: {id: =o.id, text: "{o.id} on {x.id}"}
    """
    top = """
        pack: top
        version: 1
        use: [middle, shop]
        rules:
          - rule: c
            when:
              - both: x
              - order: o
                where: o.id == x.id
            then:
              - command: log.go
                with: {text: =x.text, n: =o.n}
    """
    w = world(base, middle, top)
    w.say(0, "order", id="o1", n=4)
    w.say(5, "net", id="e", fee="29")
    assert w.told() == [(5, "log.go", {"text": "o1 on e", "n": 4})]
    (decision,) = w.audit()
    assert [event["rule"] for event in decision["events"]] == ["shop.a", "middle.b", "top.c"]


def test_a_conclusion_follows_the_facts_it_reads_and_goes_with_its_last_support(world: MakeWorld) -> None:
    low = rule("low", "- net: n\n  where: n.fee < 30", "- conclude: alert\n  with: {id: x, why: 'low {n.fee}'}")
    even = rule("even", "- net: n\n  where: mod(raw(n.fee), 2) == 0", "- conclude: alert\n  with: {id: x, why: even}")
    seen = rule("seen", "- alert: a\n  where: a.why == 'even'", "- command: log.seen")
    w = world(pack(low, even, seen))
    says = []
    for at, fee in enumerate(["29", "27", "28", "40", "41"]):
        w.say(at, "net", id="e", fee=fee)
        says.append([fact["why"] for fact in w.facts("alert")])
    assert says == [["low 29"], ["low 27"], ["even"], ["even"], []]  # `even` comes before `low` by name
    assert [at for at, _ in w.fired()] == [2]


def test_what_a_firing_makes_false_does_not_fire(world: MakeWorld) -> None:
    a = rule(
        "a",
        "- order: o\n- without: note\n  as: x\n  where: x.id == o.net",
        "- command: log.a\n- conclude: alert\n  with: {id: =o.id}",
        "priority: 2",
    )
    b = rule("b", "- order: o\n- without: alert\n  as: x\n  where: x.id == o.id", "- command: log.b")
    w = world(pack(a, b))
    w.say(0, "order", id="o")
    assert w.fired() == [(0, "log.a")]


def test_division_by_zero_in_a_condition_is_false_and_in_an_effect_drops_all_effects(world: MakeWorld) -> None:
    guard = rule("guard", "- order: o\n  where: floor_div(100, o.n) > 1", "- command: log.guard")
    effect = rule("effect", "- order: o", "- command: log.one\n- command: log.two\n  with: {x: '=floor_div(100, o.n)'}")
    w = world(pack(guard, effect))
    w.say(0, "order", id="zero", n=0)
    w.say(1, "order", id="fine", n=2)
    assert sorted(w.fired()) == [(1, "log.guard"), (1, "log.one"), (1, "log.two")]
    ((at, dropped),) = w.events("dropped")
    assert (at, dropped["rule"]) == (0, "shop.effect")
    assert dropped["code"].startswith("X")
    assert "zero" in dropped["message"]


def test_a_run_away_chain_keeps_the_entrys_own_change_and_suspends_its_rules(world: MakeWorld) -> None:
    up = rule("up", "- order: o\n  where: o.n >= 0", "- assert: order\n  with: {id: '{o.id}x', n: =o.n + 1}")
    other = rule("other", "- order: o", "- command: log.other\n  with: {id: =o.id}")
    w = world(pack(up, other))
    w.say(0, "order", id="a")
    assert [fact["id"] for fact in w.facts("order")] == ["a"]
    assert [args["id"] for _, _, args in w.told()] == ["a"]
    ((_, alarm),) = w.events("suspended")
    assert alarm["rules"] == ["shop.up"]
    w.say(1, "order", id="b")
    assert [args["id"] for _, _, args in w.told()] == ["a", "b"]


def test_an_assertion_takes_defaults_and_a_retraction_leaves_a_tombstone(world: MakeWorld) -> None:
    make = rule("make", "- order: o\n  where: o.n == 1", "- assert: note\n  with: {id: =o.id}")
    drop = rule("drop", "- order: o\n  where: o.n == 2", "- retract: note\n  key: {id: =o.id}")
    w = world(pack(make, drop, rule("seen", "- note: x", "- command: log.seen\n  with: {text: =x.text}")))
    w.say(0, "order", id="a", n=1)
    w.say(10, "order", id="a", n=2)
    w.say(20, "note", observed_at=5, id="a", text="late")
    assert w.facts("note") == []
    w.say(30, "note", observed_at=15, id="a", text="newer")
    assert [(at, args["text"]) for at, _, args in w.told()] == [(0, ""), (30, "newer")]


def test_expires_is_an_instant_and_absent_means_never(world: MakeWorld) -> None:
    text = "- command: log.a\n  expires: =now + seconds(60)\n- command: log.b\n- command: log.c\n  expires: =o.at"
    w = world(pack(rule("r", "- order: o", text)))
    w.say(7, "order", id="a", at=START + 9)
    assert [made.expires for made in w.commands()] == [60_007, None, 9]
