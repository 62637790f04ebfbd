"""The relayer's settings and its book."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.insight.chains.problems import ChainError
from engine.insight.chains.relayer import book as books
from engine.insight.chains.relayer.book import Book, Entry, Mark
from engine.insight.chains.relayer.deposit import Deposit
from engine.insight.chains.relayer.settings import read_settings

ADDRESS = "0x" + "ab" * 20
DEPOSIT = Deposit("0x01", "0x02", 2**200 + 1, 2**200, ADDRESS, "home", 7, "0x03")


def said(**changed: object) -> dict[str, Any]:
    """A good file."""
    sides = [
        {"network": name, "chain_id": number, "url": "http://127.0.0.1:1", "bridge": ADDRESS, "account": ADDRESS}
        for number, name in ((1, "home"), (2, "far"))
    ]
    return {"depth": 3, "sides": sides, **changed}


def test_a_book_lies_beside_its_settings_unless_they_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "relayer.json"
    file.write_text(json.dumps(said()))
    assert read_settings(file).book == str(tmp_path / "relayer.book.json")
    file.write_text(json.dumps(said(book="/elsewhere/b.json")))
    assert read_settings(file).book == "/elsewhere/b.json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting"),
        (json.dumps(said(depth=0)), "depth: Input should be greater than"),
        (json.dumps(said(depth="3")), "depth: Input should be a valid integer"),
        (json.dumps(said(dept=3)), "dept: Extra inputs"),
        (json.dumps(said(sides=said()["sides"][:1])), "sides: List should have at least 2 items"),
        (json.dumps(said(sides=said()["sides"][:1] * 2)), "both sides are the same"),
    ],
)
def test_settings_that_are_wrong_are_refused_with_their_place(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "relayer.json"
    file.write_text(text)
    with pytest.raises(ChainError, match=f"X157 .*relayer.json: {words}"):
        read_settings(file)


def test_a_book_is_read_as_it_was_saved(tmp_path: Path) -> None:
    book = Book(tmp_path / "b.json", {"home": Mark(9, "0x09")}, {"0x01": Entry(DEPOSIT, "sent", "0x0a")})
    book.save()
    assert Book.open(book.path) == book
    assert Book.open(tmp_path / "none.json") == Book(tmp_path / "none.json")


def test_a_book_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    for text in ("", "[]", '{"marks": {"home": 3}, "entries": []}', '{"marks": {}, "entries": [{"deposit": {}}]}'):
        path.write_text(text)
        with pytest.raises(ChainError, match=r"X157 .*is no relayer's book"):
            Book.open(path)
        assert path.read_text() == text


def test_a_book_keeps_all_that_is_open_and_some_of_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "_KEPT", 2)
    book = Book(tmp_path / "b.json")
    for number, state in enumerate(["final", "due", "final", "sent", "final", "final"]):
        deposit = replace(DEPOSIT, id=f"0x0{number}")
        book.entries[deposit.id] = Entry(deposit)
        book.note(deposit, state, None)  # type: ignore[arg-type]
    book.save()
    assert [*Book.open(book.path).entries] == ["0x01", "0x03", "0x04", "0x05"]
    assert [entry.deposit.id for entry in book.open_of("home")] == ["0x01", "0x03"]
    assert [*book.open_of("far")] == []
