"""Change sets, as short as a test can say them."""

from __future__ import annotations

from typing import Any

from engine.model.journal import ChangeSet, Cursor, OutboxCommand, StreamId


def cursor(n: int) -> Cursor:
    """The n-th cursor; 0 is the start."""
    return Cursor(StreamId(n, 0), n)


def step(before: int, after: int, **changes: Any) -> ChangeSet:  # noqa: ANN401
    """A commit from one cursor to another, its id following from both."""
    return ChangeSet(cursor(before), cursor(after), f"commit-{before}-{after}", **changes)


def command(name: str, connector: str = "executor", expires_ms: int | None = None) -> OutboxCommand:
    """A command by that id."""
    return OutboxCommand(name, connector, "bridge", '{"amount":"1"}', "pack.rule", "co-1", expires_ms)
