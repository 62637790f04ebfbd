from __future__ import annotations

import pytest

from connectors.evm.abi import Event
from connectors.evm.templates import Scope, Template, TemplateError

EVENT = Event.of("Open(bytes32 id, (address owner, uint256 amount) order, uint256 until, bool paid, uint256[] parts)")
SCOPE = Scope(EVENT.parameters, {"states": {"1": "open", "*": "other"}, "strict": {"1": "open"}})
ARGUMENTS = {
    "id": "0x" + b"I-1".hex().ljust(64, "0"),
    "order": {"owner": "0x" + "ab" * 20, "amount": 2**256 - 1},
    "until": 1_800_000_000,
    "paid": True,
    "parts": [1, 2],
}
LOG = {"network": "alpha", "depth": 3, "height": 7}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("in_flight", "in_flight"),
        ("=event.until", "1800000000"),
        ("=ms(event.until)", "1800000000000"),
        ("=hex(event.until)", "0x6b49d200"),
        ("=text(event.id)", "I-1"),
        ("=number(event.id)", str(int(b"I-1".hex().ljust(64, "0"), 16))),
        ("=event.order.amount", str(2**256 - 1)),
        ("=event.parts", ["1", "2"]),
        ("=event.order", {"owner": "0x" + "ab" * 20, "amount": str(2**256 - 1)}),
        ("=event.paid", True),
        ("=true", True),
        ("=log.depth", "3"),
        ("{log.network}/{text(event.id)} {{x}} {event.paid}", "alpha/I-1 {x} true"),
        ("=states[log.height]", "other"),
    ],
)
def test_a_field_reads_exactly_what_it_says(text: str, value: object) -> None:
    template = Template.of(text, SCOPE)
    assert template.read(ARGUMENTS, LOG) == value
    assert template.reads_depth == ("depth" in text)


@pytest.mark.parametrize("text", ["=strict[log.height]", "=ms(event.id)", "{event.parts}", "=hex(event.paid)"])
def test_what_cannot_be_read_from_a_log_is_said(text: str) -> None:
    with pytest.raises(TemplateError):
        Template.of(text, SCOPE).read(ARGUMENTS, LOG)


@pytest.mark.parametrize(
    "text", ["=event", "=event.nope", "=event.order.nope", "=event.parts.x", "=log.nope", "=f(event.id)", "={event.id}"]
)
def test_what_is_not_there_is_refused_when_it_is_compiled(text: str) -> None:
    with pytest.raises(TemplateError):
        Template.of(text, SCOPE)
