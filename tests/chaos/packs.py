"""A pack in which every memory the engine keeps has something to remember, and the facts that stir it."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.chaos.world import Fact

PACK = """
pack: swap
version: 1
kinds:
  network:
    key: [id]
    ttl: 10m
    fields: {id: id, base_fee: wei, height: int}
  intent:
    key: [id]
    ttl: 1h
    fields: {id: id, network: id, amount: int, state: "enum(open, closed)"}
  quote:
    key: [intent]
    ttl: 700ms
    fields: {intent: id, out: int}
  incident:
    key: [network]
    ttl: 1h
    fields: {network: id, attempts: int}
  at_risk:
    concluded: true
    key: [intent]
    fields: {intent: id, why: text}
rules:
  - rule: go
    when:
      - intent: i
        where: i.state == "open"
      - network: n
        where: n.id == i.network and n.base_fee <= gwei(30)
      - without: incident
        as: x
        where: x.network == i.network
    then:
      - command: executor.go
        with: {intent: =i.id, fee: =n.base_fee, amount: =i.amount}
      - command: log.note
        with: {intent: =i.id}
  - rule: take-the-quote
    when:
      - intent: i
        where: i.state == "open"
      - quote: q
        where: q.intent == i.id and q.out >= i.amount
    once: {key: =i.id}
    then:
      - command: executor.take
        with: {intent: =i.id, out: =q.out}
  - rule: no-quote
    when:
      - intent: i
        where: i.state == "open"
      - without: quote
        as: q
        where: q.intent == i.id
    for: 150ms
    then:
      - conclude: at_risk
        with: {intent: =i.id, why: "no quote on {i.network}"}
  - rule: expensive
    when:
      - network: n
        where: n.base_fee > gwei(30)
    for: 100ms
    repeat: {every: 120ms, times: 2}
    exhausted:
      - assert: incident
        with: {network: =n.id, attempts: =attempt}
    then:
      - command: executor.warn
        with: {network: =n.id, attempt: =attempt}
    ended:
      - retract: incident
        key: {network: =n.id}
  - rule: look-at-risk
    when:
      - at_risk: r
      - intent: i
        where: i.id == r.intent
    throttle: {per: =i.network, every: 200ms}
    then:
      - command: executor.look
        with: {intent: =r.intent, why: =r.why}
  - rule: crowded
    when:
      - network: n
      - count: open_intents
        over: intent
        as: i
        where: i.network == n.id and i.state == "open"
      - check: open_intents >= 4
    then:
      - command: executor.crowded
        with: {network: =n.id, intents: =open_intents}
"""

_NETWORKS = ("ethereum", "base", "arbitrum", "optimism", "polygon")
_INTENTS = 60


def stirring(count: int, seed: int) -> Iterator[Fact]:
    """Facts in a random, but always the same, order; a few are refused."""
    draw = random.Random(seed)
    for number in range(count):
        what = draw.randrange(100)
        intent = f"I{draw.randrange(_INTENTS)}"
        network = draw.choice(_NETWORKS)
        if what < 45:
            fee = draw.choice((20, 25, 29, 31, 40)) * 10**9
            yield Fact("network", {"id": network, "base_fee": str(fee), "height": number})
        elif what < 70:
            state = draw.choice(("open", "open", "closed"))
            yield Fact("intent", {"id": intent, "network": network, "amount": draw.randrange(50), "state": state})
        elif what < 95:
            yield Fact("quote", {"intent": intent, "out": draw.randrange(100)})
        elif what < 98:
            yield Fact("intent", {"id": intent}, op="retract")
        else:
            yield Fact("network", {"id": network, "base_fee": 1.5, "height": number})
