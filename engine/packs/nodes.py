"""What the reader makes of a YAML file: texts, lists and mappings, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.model.rules import Span


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A text, never interpreted: ``no``, ``012`` and ``1:30`` are those characters.

    Attributes:
        text: the characters, quotes and escapes already undone.
        style: empty for a plain text, else ``'``, ``"``, ``|`` or ``>``.
        span: where it begins.
    """

    text: str
    style: str
    span: Span

    @property
    def is_plain(self) -> bool:
        """Written without quotes, and not as a block text."""
        return not self.style

    def inside(self, skip: int = 0) -> Span:
        """Where the text itself begins, behind a quote and ``skip`` characters; for a block text its first line."""
        if self.style in {"|", ">"}:
            return Span(self.span.file, self.span.line + 1, 1)
        return Span(self.span.file, self.span.line, self.span.column + skip + len(self.style))

    @property
    def is_empty(self) -> bool:
        """A key with nothing behind it."""
        return self.is_plain and not self.text


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping in file order; its keys are unique."""

    entries: tuple[Entry, ...]
    span: Span

    def __iter__(self) -> Iterator[Entry]:
        """The entries in file order."""
        return iter(self.entries)

    def get(self, name: str) -> Node | None:
        """The value under that key, if there is one."""
        for entry in self.entries:
            if entry.key.text == name:
                return entry.value
        return None


Node = ScalarNode | ListNode | MapNode


def node_word(node: Node) -> str:
    """What a person calls this shape."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    return "nothing" if node.is_empty else "a text"
