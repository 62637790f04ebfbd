import pytest

from engine.model.signing import RESERVED_OPS, sign, signed_fields, verify

SECRET = b"0123456789abcdef0123456789abcdef"
ENTRY = signed_fields("result", '{"command":"c1","status":"done"}', "daemon-1", 7, SECRET)


def test_a_signed_entry_verifies_from_text_and_from_bytes() -> None:
    assert verify(ENTRY, SECRET)
    assert verify({n: v.encode() for n, v in ENTRY.items()}, SECRET)
    assert ENTRY["source"] == "engine"
    assert ENTRY["op"] in RESERVED_OPS


def test_the_order_of_fields_does_not_matter() -> None:
    assert verify(dict(reversed(ENTRY.items())), SECRET)


@pytest.mark.parametrize("name", [n for n in ENTRY if n != "sig"])
def test_a_change_in_any_field_breaks_the_signature(name: str) -> None:
    assert not verify(ENTRY | {name: ENTRY[name] + "1"}, SECRET)
    assert not verify({n: v for n, v in ENTRY.items() if n != name}, SECRET)


def test_an_added_field_breaks_the_signature() -> None:
    assert not verify(ENTRY | {"kind": "command"}, SECRET)


def test_a_signature_copied_to_another_entry_fails() -> None:
    other = signed_fields("result", '{"command":"c2","status":"done"}', "daemon-1", 8, SECRET)
    assert not verify(other | {"sig": ENTRY["sig"]}, SECRET)


def test_the_same_words_with_another_number_have_another_signature() -> None:
    again = signed_fields("result", ENTRY["data"], "daemon-1", 8, SECRET)
    assert again["sig"] != ENTRY["sig"]


def test_no_shift_of_a_boundary_gives_the_same_signature() -> None:
    pairs: list[dict[str, str | bytes]] = [
        {"a": "bc", "d": "e"},
        {"ab": "c", "d": "e"},
        {"a": "b", "cd": "e"},
        {"a": "bcde"},
        {"abcd": "e"},
        {"a": "bc1:d", "d": "e"},
        {"a": "2:bc1:d1:e"},
        {"a": "bc\x00", "d": "e"},
        {"a": "", "bcd": "e"},
    ]
    assert len({sign(p, SECRET) for p in pairs}) == len(pairs)


def test_swapped_values_have_another_signature() -> None:
    assert sign({"writer": "1", "n": "2"}, SECRET) != sign({"writer": "2", "n": "1"}, SECRET)


def test_another_secret_does_not_verify() -> None:
    assert not verify(ENTRY, b"f" * 32)


@pytest.mark.parametrize("sig", ["", "0" * 64, "é", b"\xff", ENTRY["sig"].upper(), ENTRY["sig"][:-1]])
def test_what_is_no_signature_does_not_verify(sig: str | bytes) -> None:
    assert not verify(ENTRY | {"sig": sig}, SECRET)


def test_an_entry_without_writer_or_number_never_verifies() -> None:
    bare: dict[str, str | bytes] = {"op": "control", "source": "x", "data": "{}"}
    assert not verify(bare, SECRET)
    assert not verify(bare | {"sig": sign(bare, SECRET)}, SECRET)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        sign({"a": "b"}, b"short")


def test_a_fact_of_the_engine_s_own_kind_can_be_signed() -> None:
    fields = signed_fields("assert", "{}", "w", 1, SECRET, source="poll-1", kind="source", observed_at=5)
    assert (fields["kind"], fields["source"], fields["observed_at"]) == ("source", "poll-1", "5")
    assert verify(fields, SECRET)
