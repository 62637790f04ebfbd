"""What bad input gets: a code, a message, a hint and its own fields back; and the loop goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from engine.model.signing import signed_fields
from tests.integration.language.conftest import MakeDaemon, MakeWorld
from tests.integration.language.shop import pack, rule
from tests.support.world import START, World

TEXT = pack(
    rule("r", "- net: n", "- command: log.go\n  with: {id: =n.id}"),
    rule("bad", "- source: s\n  where: s.state in ['noisy', 'skewed']", "- command: log.bad\n  with: {id: =s.id}"),
    more="",
).replace(
    "  note:\n",
    "  many: {key: [id], ttl: 1h, fields: {id: id, n: int?, b: bool?, l: list(int)?, h: hash?, j: json?}}\n  note:\n",
)


@dataclass(frozen=True)
class Bad:
    """An entry, and what must be said of it."""

    name: str
    fields: list[bytes]
    code: str
    says: str = ""
    hint: str = ""


def fact(data: bytes | str, kind: bytes = b"net", *more: bytes, source: bytes = b"bad") -> list[bytes]:
    """An assertion with any data."""
    raw = data if isinstance(data, bytes) else data.encode()
    return [b"op", b"assert", b"kind", kind, b"source", source, b"data", raw, *more]


def net(fee: str) -> list[bytes]:
    """A network with any text as its fee."""
    return fact(f'{{"id":"e","fee":{fee}}}')


def many(values: str) -> list[bytes]:
    """A fact of the kind with all sorts of fields."""
    return fact(f'{{"id":"e",{values}}}', b"many")


GOOD = fact('{"id":"good","fee":"1"}', source=b"good")
BAD = [
    Bad("not JSON", fact("hello"), "F2"),
    Bad("nothing", fact(""), "F2"),
    Bad("binary", fact(b"\xff\xfe\x00{}"), "F2", "UTF-8"),
    Bad("a list", fact("[1,2]"), "F2", "object"),
    Bad("a text", fact('"x"'), "F2", "object"),
    Bad("null", fact("null"), "F2", "object"),
    Bad("cut short", fact('{"id":"e"'), "F2"),
    Bad("something after it", fact('{"id":"e","fee":"1"} x'), "F2"),
    Bad("a key twice", fact('{"id":"e","fee":"1","fee":"2"}'), "F2", "fee"),
    Bad("a key twice, escaped", fact('{"id":"e","fee":"1","f\\u0065e":"2"}'), "F2", "fee"),
    Bad("NaN", net("NaN"), "F2"),
    Bad("Infinity", net("-Infinity"), "F2"),
    Bad("ten thousand arrays", net("[" * 10_000 + "]" * 10_000), "F2"),
    Bad("ten thousand open arrays", net("[" * 10_000), "F2"),
    Bad("half a surrogate pair", net('"\\ud800"'), "F2"),
    Bad("half a surrogate pair as a key", fact('{"id":"e","\\udc00":"1"}'), "F2"),
    Bad("ten megabytes", net('"' + "9" * 10_000_000 + '"'), "F1", "bytes"),
    Bad("a JSON number as wei", net("29000000000"), "F2", "fee", '"29000000000"'),
    Bad("a float as wei", net("1.5"), "F"),
    Bad("an exponent as wei", net('"1e18"'), "F2", "fee"),
    Bad("an exponent as a number", net("1e18"), "F"),
    Bad("2^256", net(f'"{2**256}"'), "F2", "fee"),
    Bad("minus one wei", net('"-1"'), "F2", "fee"),
    Bad("a plus", net('"+1"'), "F2", "fee"),
    Bad("leading zeros", net('"007"'), "F2", "fee"),
    Bad("underscores", net('"1_000"'), "F2", "fee"),
    Bad("hex wei", net('"0x10"'), "F2", "fee"),
    Bad("spaces", net('" 1"'), "F2", "fee"),
    Bad("Arabic digits", net('"٣"'), "F2", "fee"),
    Bad("an empty number", net('""'), "F2", "fee"),
    Bad("a bool as wei", net("true"), "F2", "fee"),
    Bad("null where there must be something", net("null"), "F2", "fee"),
    Bad("a list as wei", net("[]"), "F2", "fee"),
    Bad("a missing field", fact('{"id":"e"}'), "F2", "fee"),
    Bad("an unknown field", fact('{"id":"e","fee":"1","base_fees":"1"}'), "F2", "base_fees"),
    Bad("a misspelt field", fact('{"id":"e","feee":"1"}'), "F2", "feee", "fee"),
    Bad("an empty id", fact('{"id":"","fee":"1"}'), "F2", "id"),
    Bad("a long id", fact(json.dumps({"id": "x" * 257, "fee": "1"})), "F2", "id"),
    Bad("an id with a control character", fact('{"id":"a\\u0000b","fee":"1"}'), "F2", "id"),
    Bad("an id that is not NFC", fact('{"id":"e\\u0301","fee":"1"}'), "F2", "id"),
    Bad("a number as id", fact('{"id":7,"fee":"1"}'), "F2", "id"),
    Bad("2^53 as a number", many('"n":9007199254740992'), "F2", "n"),
    Bad("a float", many('"n":1.0'), "F"),
    Bad("a text as bool", many('"b":"true"'), "F2", "b"),
    Bad("null in a list", many('"l":[1,null]'), "F2", "l"),
    Bad("a long list", many('"l":[' + ",".join("1" * 257) + "]"), "F2", "l"),
    Bad("a hash without 0x", many('"h":"abcd"'), "F2", "h"),
    Bad("a float in json", many('"j":{"a":[0.1]}'), "F"),
    Bad("an unknown kind", fact('{"id":"e"}', b"netz"), "F301", "netz", "net"),
    Bad("the engine's kind", fact('{"id":"e"}', b"command"), "F302"),
    Bad("a concluded kind", fact('{"id":"e"}', b"alert"), "F302"),
    Bad("a kind of nothing", fact('{"id":"e"}', b""), "F1", "kind"),
    Bad("a fact from the future", fact('{"id":"e","fee":"1"}', b"net", b"observed_at", b"1900000000000"), "F303"),
    Bad("observed_at in a form of its own", fact('{"id":"e","fee":"1"}', b"net", b"observed_at", b"now"), "F1"),
    Bad("a negative seq", fact('{"id":"e","fee":"1"}', b"net", b"seq", b"-1"), "F1", "seq"),
    Bad("an unknown entry field", fact('{"id":"e","fee":"1"}', b"net", b"observedat", b"1"), "F102", "observedat"),
    Bad("an entry field of garbage", [b"\x00\xff", b"\x01\x02", *fact('{"id":"e","fee":"1"}')], "F102"),
    Bad("an entry field twice", [b"op", b"assert", *fact('{"id":"e","fee":"1"}')], "F103", "op"),
    Bad("empty names and values", [b"", b""], "F1"),
    Bad("no op", [b"kind", b"net", b"source", b"bad", b"data", b"{}"], "F104", "op"),
    Bad("an unknown op", [b"op", b"upsert", b"source", b"bad", b"data", b"{}"], "F105", "upsert"),
    Bad("an op in capitals", [b"op", b"ASSERT", *fact("{}")[2:]], "F105", "ASSERT", "assert"),
    Bad("no kind", [b"op", b"assert", b"source", b"bad", b"data", b"{}"], "F104", "kind"),
    Bad("no data", [b"op", b"assert", b"source", b"bad", b"kind", b"net"], "F104", "data"),
    Bad("a huge source", [*fact("{}")[:5], b"x" * 5_000, b"data", b"{}"], "F1"),
    Bad("a reserved op", [b"op", b"result", b"source", b"bad", b"data", b'{"command":"x","status":"done"}'], "F307"),
    Bad("an order of the operator", [b"op", b"control", b"source", b"bad", b"data", b"{}"], "F307"),
    Bad("a rule base of one's own", [b"op", b"rulebase", b"source", b"bad", b"data", b'{"revision":"x"}'], "F3"),
    Bad("part of a signature", [*fact('{"id":"e","fee":"1"}'), b"writer", b"me"], "F111"),
    Bad("retract of an unknown kind", [b"op", b"retract", b"kind", b"nets", *fact('{"id":"e"}')[4:]], "F301"),
    Bad("retract with too much", [b"op", b"retract", *fact('{"id":"e","fee":"1"}')[2:]], "F2", "fee"),
    Bad("reorg without a network", [b"op", b"reorg", b"source", b"bad", b"data", b'{"removed":["0x1"]}'], "F313"),
    Bad("reorg of a number", [b"op", b"reorg", b"source", b"bad", b"data", b'{"network":"e","removed":5}'], "F312"),
    Bad(
        "report on nothing", [b"op", b"report", b"source", b"bad", b"data", b'{"command":"x","status":"done"}'], "F309"
    ),
]


def forged() -> list[bytes]:
    """A result with the signature of another secret."""
    data = '{"command":"x","status":"done"}'
    return [w.encode() for pair in signed_fields("result", data, "dispatch", 1, b"0" * 32).items() for w in pair]


def check(bad: Bad, w: World) -> None:
    """The refusal stands there, in full."""
    (refused,) = w.refused()
    assert refused.code.startswith(bad.code), refused
    assert len(refused.code) == 4, refused
    assert refused.message, refused
    assert refused.hint, refused
    assert len(refused.message) < 400, refused
    assert len(refused.hint) < 400, refused
    assert bad.says in refused.message, refused
    assert bad.hint in refused.hint, refused
    sent = dict(zip(bad.fields[::2], bad.fields[1::2], strict=True))
    assert {n: v for n, v in refused.fields.items() if n not in (b"entry",)}.keys() == sent.keys()
    for name, value in sent.items():
        assert refused.fields[name] == value[:2_048]


@pytest.mark.parametrize("bad", [pytest.param(b, id=b.name) for b in BAD])
def test_it_is_refused_with_a_reason_and_the_next_fact_is_taken(world: MakeWorld, bad: Bad) -> None:
    w = world(TEXT)
    w.raw(0, bad.fields)
    check(bad, w)
    w.raw(1, GOOD)
    assert [(at, args["id"]) for at, c, args in w.told() if c == "log.go"] == [(1, "good")]


def test_all_of_it_at_once_does_not_stop_the_program(daemon: MakeDaemon) -> None:
    w = daemon(TEXT)
    genuine = signed_of(w.client.xrange(w.keys.journal))
    for number, bad in enumerate(BAD):
        w.raw(number, bad.fields)
    w.raw(1_000, forged())
    w.raw(1_001, genuine)  # a signature that was good once
    w.raw(1_002, GOOD)
    codes = [r.code for r in w.refused()]
    assert [c[: len(b.code)] for c, b in zip(codes, BAD, strict=False)] == [b.code for b in BAD]
    assert codes[len(BAD) :] == ["F307", "F308"]
    assert [(at, args["id"]) for at, c, args in w.told() if c == "log.go"] == [(1_002, "good")]
    # The reporter is heard of when it becomes noisy, and when its clock is seen to be wrong; not for each entry.
    assert next(args["id"] for _, c, args in w.told() if c == "log.bad") == "bad"
    assert len([1 for _, c, _ in w.told() if c == "log.bad"]) <= 3
    states = {fact["id"]: fact["state"] for fact in w.facts("source")}
    assert states["bad"] in ("noisy", "skewed")
    assert states["good"] == "ok"


def signed_of(entries: list[tuple[bytes, dict[bytes, bytes]]]) -> list[bytes]:
    """The fields of the program's own rule-base entry, to be copied."""
    (fields,) = [fields for _, fields in entries if fields[b"op"] == b"rulebase"]
    return [word for pair in fields.items() for word in pair]


def test_an_id_of_the_far_future_does_not_move_time(daemon: MakeDaemon) -> None:
    w = daemon(TEXT, time="server")
    server_s, _ = w.client.time()
    ahead = (server_s + 10_000_000) * 1_000
    w.send(ahead, 0, GOOD)
    w.send(ahead, 1, fact('{"id":"next","fee":"1"}', source=b"good"))  # Redis would number it so by itself
    times = [made.at + START for made in w.commands()]
    assert len(times) == 2
    assert all(server_s * 1_000 <= at < (server_s + 60) * 1_000 for at in times)
    noted = {identity.decode(): int(row[b"now"]) for identity, row in w.client.xrange(w.keys.clock)}
    assert [noted[f"{ahead}-{number}"] for number in (0, 1)] == times
    assert w.refused() == []
