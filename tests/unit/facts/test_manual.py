"""The page for other services is held to the code: its examples are taken, its codes are the codes."""

import re
import shlex
from pathlib import Path

import pytest

import engine
from engine.matching.decoders import KindDecoder
from engine.matching.envelope import parse_envelope
from engine.matching.strict_json import parse_object
from engine.model.kinds import Field, Kind, Type

ROOT = Path(engine.__file__).parent.parent
PAGE = (ROOT / "docs" / "facts.md").read_text(encoding="utf-8")
EXAMPLES = [shlex.split(line) for line in PAGE.splitlines() if re.match(r"(redis-cli|resp) XADD ", line)]
KINDS = {
    "network": Kind(
        "network",
        (Field("id", Type("id")), Field("height", Type("int")), Field("base_fee", Type("wei"))),
        key=("id",),
        order=("height",),
        ttl_ms=1,
    ),
    "quote": Kind("quote", (Field("id", Type("id")),), key=("id",), ttl_ms=1),
    "liquidity": Kind(
        "liquidity",
        (
            Field("network", Type("id")),
            Field("venue", Type("id")),
            Field("asset", Type("id")),
            Field("height", Type("int")),
        ),
        key=("network", "venue", "asset"),
        order=("height",),
        ttl_ms=1,
    ),
}


@pytest.mark.parametrize("words", EXAMPLES, ids=lambda words: " ".join(words[4:8]))
def test_every_example_is_taken(words: list[str]) -> None:
    assert words[1:4] == ["XADD", "lockstep:{p0}:journal", "*"]
    envelope = parse_envelope([word.encode() for word in words[4:]])
    if envelope.op == "assert":
        assert KindDecoder(KINDS[envelope.kind]).decode(envelope.data) == ("ethereum", 21_000_000, 29_000_000_000)
    elif envelope.op == "retract":
        key, order = KindDecoder(KINDS[envelope.kind]).decode_retract(envelope.data)
        assert (key, order) in [(("q-17",), None), (("base", "dex", "usdc-base"), (7001,))]
    else:
        assert parse_object(envelope.data)


def test_the_page_has_examples_of_every_operation() -> None:
    assert {words[words.index("op") + 1] for words in EXAMPLES} == {"assert", "retract", "reorg", "report"}


def test_every_code_of_the_decoders_has_a_line_and_every_line_a_code() -> None:
    documented = re.findall(r"^\| (F[12][0-9]{2}) \|", PAGE, re.MULTILINE)
    assert documented == sorted(set(documented))
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "engine" / "matching").glob("*.py"))
    assert set(re.findall(r'"(F[12][0-9]{2})"', source)) == set(documented)


def test_every_code_of_the_core_has_a_line() -> None:
    documented = set(re.findall(r"^\| (F3[0-9]{2}) \|", PAGE, re.MULTILINE))
    raised = {c for p in (ROOT / "engine").rglob("*.py") for c in re.findall(r'"(F3[0-9]{2})"', p.read_text("utf-8"))}
    assert raised <= documented
