"""A small plan with a way back, and the words with which its services speak."""

from __future__ import annotations

from tests.support.kept_world import KeptWorld

PACK = """
pack: shop
version: 1
kinds:
  order:
    key: [id]
    keep: while_used
    fields: {id: id, amount: amount(asset), asset: id, by: timestamp, is_open: {type: bool, default: true}}
  stock:
    key: [place]
    ttl: 1h
    fields: {place: id, left: uint256, is_shut: {type: bool, default: false}}
  moved:
    event: true
    keep: while_used
    key: [id]
    fields: {id: id, order: id, amount: amount(asset), asset: id, to: id}
plans:
  - plan: buy
    for:
      - order: o
        where: o.is_open
    deadline: =o.by
    escalation: ops.page
    steps:
      - step: pay
        when:
          - stock: s
            where: s.place == "shelf" and s.left >= 5
            reason: STOCK
        reserve: {of: s, field: left, amount: 5, for: 60s}
        command: bank.pay
        with: {order: =o.id}
        confirmed:
          - moved: m
            where: m.order == o.id and m.to == "till"
        moves:
          gives: {asset: =o.asset, amount: =o.amount, place: purse}
          gets: {asset: =o.asset, amount: =m.amount, place: till}
        within: 10m
        retry: {waits: [5s]}
        undo:
          - command: bank.refund
            with: {order: =o.id}
            confirmed:
              - moved: r
                where: r.order == o.id and r.to == "purse"
            moves:
              gives: {asset: =o.asset, amount: '=holding("till", o.asset)', place: till}
              gets: {asset: =o.asset, amount: =r.amount, place: purse}
            within: 10m
      - step: ship
        after: [pay]
        when:
          - stock: t
            where: t.place == "van" and not t.is_shut
            reason: VAN
        command: post.ship
        with: {order: =o.id}
        within: 10m
        otherwise:
          blocked: [{for: 30s, undo: true, reason: NO_VAN}]
"""


def order(world: KeptWorld, at: int, name: str) -> None:
    """Somebody orders."""
    world.say(at, "order", id=name, amount="100", asset="USD", by=1_800_000_000_000 + 3_600_000)


def moved(world: KeptWorld, at: int, name: str, order_: str, amount: str, to: str) -> None:
    """Money arrived somewhere."""
    world.say(at, "moved", source_="bank", id=name, order=order_, amount=amount, asset="USD", to=to)


def sold_and_taken_back(world: KeptWorld) -> None:
    """An order that is paid, cannot be shipped, and is refunded 40 s later."""
    world.say(0, "stock", place="shelf", left="9")
    order(world, 1_000, "O1")
    world.report(2_000, world.commands()[-1].id, "submitted")
    moved(world, 3_000, "m1", "O1", "99", "till")
    world.until(34_000)
    world.report(35_000, world.commands()[-1].id, "submitted")
    moved(world, 43_000, "m2", "O1", "99", "purse")
