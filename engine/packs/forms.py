"""Reading a mapping by names: what is unknown, missing or of the wrong shape is said once, here."""

from __future__ import annotations

from collections.abc import Collection

from engine.errors import Problem
from engine.model.kinds import Type, Value
from engine.model.rules import Span
from engine.packs.complaints import complain, did_you_mean, listed, quoted
from engine.packs.expressions import duration
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode, node_word

Params = dict[str, tuple[Type, Value]]


def as_scalar(node: Node, what: str, problems: list[Problem]) -> ScalarNode | None:
    """The node, if it is a text that is not empty."""
    if isinstance(node, ScalarNode):
        if not node.is_empty:
            return node
        complain(problems, node.span, "E305", f"'{what}' is empty", "give it a value, or delete the line")
        return None
    complain(
        problems, node.span, "E300", f"'{what}' must be a text, not {node_word(node)}", "write one value behind the ':'"
    )
    return None


def as_list(node: Node, what: str, problems: list[Problem]) -> ListNode | None:
    """The node, if it is a list."""
    if isinstance(node, ListNode):
        return node
    hint = "begin each item with '- '"
    complain(problems, node.span, "E300", f"'{what}' must be a list, not {node_word(node)}", hint)
    return None


def as_map(node: Node, what: str, problems: list[Problem]) -> MapNode | None:
    """The node, if it is a mapping."""
    if isinstance(node, MapNode):
        return node
    hint = "write 'key: value' lines below it"
    complain(problems, node.span, "E300", f"'{what}' must be a mapping, not {node_word(node)}", hint)
    return None


class Form:
    """One mapping with known keys.

    Attributes:
        span: where the mapping begins.
        problems: takes what is wrong.
    """

    def __init__(
        self, node: MapNode, what: str, allowed: Collection[str], problems: list[Problem], params: Params | None = None
    ) -> None:
        self.span = node.span
        self.problems = problems
        self._what = what
        self._params = params or {}
        self._values: dict[str, Node] = {}
        self._keys: dict[str, ScalarNode] = {}
        for entry in node:
            name = entry.key.text
            if name not in allowed:
                hint = did_you_mean(name, allowed)
                complain(problems, entry.key.span, "E301", f"{what} has no {quoted(name)}", hint)
                continue
            self._values[name] = entry.value
            self._keys[name] = entry.key

    def __contains__(self, key: str) -> bool:
        """Whether the key is written, whatever its value."""
        return key in self._values

    def at(self, key: str) -> Span:
        """Where the key stands, else where the mapping begins."""
        return self._keys[key].span if key in self._keys else self.span

    def node(self, key: str) -> Node | None:
        """The value, of any shape."""
        return self._values.get(key)

    def need(self, *keys: str) -> bool:
        """Says which of the keys are missing."""
        missing = [key for key in keys if key not in self._values]
        for key in missing:
            complain(self.problems, self.span, "E302", f"{self._what} needs '{key}'", f"add '{key}: …'")
        return not missing

    def only_one_of(self, *keys: str) -> bool:
        """Says which keys exclude each other."""
        given = [key for key in keys if key in self._values]
        if len(given) > 1:
            message = f"{self._what} has {listed([quoted(k) for k in given])}"
            complain(self.problems, self.at(given[1]), "E306", message, "keep one of them")
        return len(given) <= 1

    def scalar(self, key: str) -> ScalarNode | None:
        """The text under the key."""
        value = self._values.get(key)
        return None if value is None else as_scalar(value, key, self.problems)

    def list(self, key: str) -> ListNode | None:
        """The list under the key."""
        value = self._values.get(key)
        return None if value is None else as_list(value, key, self.problems)

    def map(self, key: str) -> MapNode | None:
        """The mapping under the key."""
        value = self._values.get(key)
        return None if value is None else as_map(value, key, self.problems)

    def doc(self) -> str:
        """The text of ``doc``, for people."""
        value = self.scalar("doc")
        return value.text.strip() if value else ""

    def flag(self, key: str) -> bool:
        """``true`` or ``false``; absent is false."""
        return self.word(key, ("true", "false")) == "true"

    def word(self, key: str, options: Collection[str]) -> str | None:
        """One of the words."""
        value = self.scalar(key)
        if value is None:
            return None
        if value.text in options:
            return value.text
        hint = did_you_mean(value.text, options)
        complain(self.problems, value.span, "E303", f"'{key}' cannot be {quoted(value.text)}", hint)
        return None

    def count(self, key: str, low: int, high: int) -> int | None:
        """A whole number within the bounds, or ``=params.name`` of one."""
        value = self.scalar(key)
        if value is None:
            return None
        given = self._param(value, ("int", "uint256"))
        if given is None and value.text.isascii() and value.text.isdigit() and len(value.text) <= 18:
            given = int(value.text)
        if given is not None and low <= given <= high:
            return given
        message = f"'{key}' cannot be {quoted(value.text)}"
        complain(self.problems, value.span, "E303", message, f"a whole number from {low} to {high}")
        return None

    def ms(self, key: str, *, is_positive: bool = True) -> int | None:
        """A duration in ms: ``12s``, or ``=params.name`` of one."""
        value = self.scalar(key)
        return None if value is None else self.ms_of(value, key, is_positive=is_positive)

    def ms_of(self, value: ScalarNode, key: str, *, is_positive: bool = True) -> int | None:
        """A duration in ms that stands somewhere below the key."""
        if value.text.startswith("="):
            given = self._param(value, ("duration",))
            if given is None:
                hint = "write '12s', or '=params.name' of a parameter of type duration"
                complain(self.problems, value.span, "E303", f"'{key}' cannot be {quoted(value.text)}", hint)
        else:
            given = duration(value.text, value.span, self.problems)
        if given is not None and (given < 0 or (is_positive and given == 0)):
            complain(self.problems, value.span, "E303", f"'{key}' must be longer than nothing", "as in '12s'")
            return None
        return given

    def _param(self, value: ScalarNode, types: tuple[str, ...]) -> int | None:
        head, _, name = value.text.removeprefix("=").strip().partition(".")
        if not value.text.startswith("=") or head != "params" or name not in self._params:
            return None
        kind, given = self._params[name]
        return given if kind.name in types and isinstance(given, int) else None
