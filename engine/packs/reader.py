"""The strict, bounded YAML reader: the only importer of ``yaml``.

It works on parser events, so nothing is built that was not counted first: no anchors, aliases, merge keys, tags or
further documents, and every scalar stays the text that was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from engine.errors import Problem
from engine.limits import MAX_EXPRESSION_CHARS, MAX_PACK_BYTES, MAX_PACK_DEPTH, MAX_PACK_NODES
from engine.model.rules import Span
from engine.packs.complaints import complain, quoted
from engine.packs.nodes import Entry, ListNode, MapNode, Node, ScalarNode

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Control characters, line ends only YAML knows, and marks that make text read otherwise than it runs.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]",
)
_TAB_INDENT = re.compile(r"^ *\t[ \t]*(?=[^\s#])", re.MULTILINE)
#: What `!!int` stands for.
_YAML_TAG: Final = "tag:yaml.org,2002:"
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_QUOTED_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?")
#: Places reported of one and the same slip in one file.
_SHOWN = 20

_INDENT: Final = "check the indentation of this line and of the one above"
#: What libyaml says → what is wrong, what to write instead.
_SYNTAX: Final = (
    ("mapping values are not allowed", "': ' inside an unquoted text", "quote the whole value"),
    ("that cannot start any token", "a text may not begin with this character", "quote the whole value"),
    ("expected ',' or '}'", "this { … } is not closed where its text ends", "quote each value that holds [ ] { } or ,"),
    ("expected ',' or ']'", "this [ … ] is not closed where its text ends", "quote each item that holds [ ] { } or ,"),
    ("unexpected end of stream", "a quote, { or [ is never closed", "close it"),
    ("could not find expected ':'", "a key without ': '", "write 'key: value', or quote a text over several lines"),
    ("did not find expected key", "this does not continue what stands above", _INDENT),
    ("expected '-' indicator", "a list ends here without the next '- '", _INDENT),
    ("expected <block end>", "this does not continue what stands above", _INDENT),
    ("expected <document start>", "text behind the end of the document", _INDENT),
)


class _StopReading(Exception):
    """A limit is reached; the problem is already noted."""


def read(file: str, raw: bytes, problems: list[Problem]) -> Node | None:
    """Reads one YAML file.

    Args:
        file: the name used in problems.
        raw: the bytes of the file.
        problems: takes what is wrong.

    Returns:
        The tree, or None if there is none to speak of. Problems may have been noted even if there is a tree.
    """
    start = Span(file, 1, 1)
    if len(raw) > MAX_PACK_BYTES:
        complain(problems, start, "E101", f"larger than {MAX_PACK_BYTES} bytes", "split the pack")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        complain(problems, _place(file, raw[: error.start].decode()), "E102", "not UTF-8", "save the file as UTF-8")
        return None
    if not _check_characters(file, text, problems):
        return None
    builder = _Builder(file, problems)
    try:
        return builder.document(yaml.parse(text, Loader=_LOADER))
    except _StopReading:
        return None
    except yaml.MarkedYAMLError as error:
        _complain_of_syntax(file, text, error, problems)
        return None
    except yaml.YAMLError as error:
        complain(problems, start, "E105", f"not YAML: {quoted(str(error))}")
        return None


def _place(file: str, before: str) -> Span:
    """The place after that much text."""
    line = before.count("\n")
    return Span(file, line + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _check_characters(file: str, text: str, problems: list[Problem]) -> bool:
    """Refuses what the parser would misread or report badly."""
    is_clean = True
    for found, _ in zip(_FORBIDDEN.finditer(text), range(_SHOWN), strict=False):
        is_clean = False
        name = f"U+{ord(found[0]):04X}"
        span = _place(file, text[: found.start()])
        complain(problems, span, "E103", f"the invisible character {name}", "delete it, or write it as an escape")
    for found, _ in zip(_TAB_INDENT.finditer(text), range(_SHOWN), strict=False):
        is_clean = False
        span = _place(file, text[: found.start() + found[0].index("\t")])
        complain(problems, span, "E104", "a tab in the indentation", "indent with spaces")
    return is_clean


def _complain_of_syntax(file: str, text: str, error: yaml.MarkedYAMLError, problems: list[Problem]) -> None:
    mark = error.problem_mark or error.context_mark
    span = Span(file, mark.line + 1, mark.column + 1) if mark else Span(file, 1, 1)
    said = f"{error.context or ''} {error.problem or ''}".strip()
    message, hint = f"not YAML: {said}", "quote the value, or check the indentation"
    for words, better, advice in _SYNTAX:
        if words in said:
            message, hint = better, advice
            break
    opened = error.context_mark
    if hint is _INDENT and _is_after_quote(text, span):
        message = "text after a closing quote"
        hint = "a value that begins with a quote must end with it; quote the whole: 'a.state == \"open\"'"
    elif hint is not _INDENT and opened is not None and opened.line + 1 != span.line:
        message += f" (it began at line {opened.line + 1})"
    complain(problems, span, "E105", message, hint)


def _is_after_quote(text: str, span: Span) -> bool:
    """Right behind a closing quote on its line."""
    lines = text.splitlines()
    return span.line <= len(lines) and lines[span.line - 1][: span.column - 1].rstrip()[-1:] in {"'", '"'}


class _Builder:
    """Turns events into nodes, counting as it goes."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems
        self._count = 0
        self._is_whole = True

    def document(self, events: Iterator[yaml.Event]) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if event.version or event.tags:
                    self._complain(event, "E109", "a % directive", "delete the line; packs need none")
                if documents > 1:
                    self._complain(event, "E109", "a second document", "one file, one document: delete the '---'")
                    raise _StopReading
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, 1)
        if root is None or (isinstance(root, ScalarNode) and root.is_empty):
            if self._is_whole:
                complain(self._problems, Span(self._file, 1, 1), "E115", "the file is empty", "begin with 'pack: name'")
            return None
        return root if self._is_whole else None

    def _node(self, event: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int) -> Node:
        self._count += 1
        if self._count > MAX_PACK_NODES:
            self._complain(event, "E114", f"more than {MAX_PACK_NODES} values in one file", "split the pack")
            raise _StopReading
        if depth > MAX_PACK_DEPTH:
            self._complain(event, "E113", f"nested deeper than {MAX_PACK_DEPTH}", "packs need no such depth")
            raise _StopReading
        if isinstance(event, yaml.AliasEvent):
            self._is_whole = False
            message = f"the alias *{event.anchor}" if event.anchor else "an alias"
            self._complain(event, "E106", message, "write the value out; quote a text that begins with '*'")
            return ScalarNode("", "", self._span(event))
        if event.anchor is not None:
            hint = "packs have no anchors; quote a text that begins with '&'"
            self._complain(event, "E106", f"the anchor &{event.anchor}", hint)
        tag = getattr(event, "tag", None)
        if tag is not None:
            hint = "the kind's field decides the type; quote a text that begins with '!', and in expressions write not"
            self._complain(event, "E107", f"the tag {quoted(tag.replace(_YAML_TAG, '!!', 1))}", hint)
        if isinstance(event, yaml.ScalarEvent):
            return ScalarNode(event.value, event.style or "", self._span(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(event, events, depth)
        return self._map(event, events, depth)

    def _list(self, start: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int) -> ListNode:
        items: list[Node] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            if isinstance(event, yaml.NodeEvent):
                items.append(self._node(event, events, depth + 1))
        if getattr(start, "flow_style", False):
            items = self._mend_items(items)
        return ListNode(tuple(items), self._span(start))

    def _map(self, start: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int) -> MapNode:
        halves: list[Node] = []
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if isinstance(event, yaml.NodeEvent):
                halves.append(self._node(event, events, depth + 1))
        entries: list[Entry] = []
        for key, value in zip(halves[::2], halves[1::2], strict=True):
            if not isinstance(key, ScalarNode) or key.is_empty:
                complain(self._problems, key.span, "E112", "a key must be a text", "write 'name: value'")
            else:
                entries.append(Entry(key, value))
        if getattr(start, "flow_style", False):
            entries = self._mend_entries(entries)
        return MapNode(tuple(self._unique(entries)), self._span(start))

    def _unique(self, entries: list[Entry]) -> Iterator[Entry]:
        seen: dict[str, Span] = {}
        for entry in entries:
            name, span = entry.key.text, entry.key.span
            if name == "<<" and entry.key.is_plain:
                self._is_whole = False
                complain(self._problems, span, "E108", "a merge key", "write the entries out")
            elif name in seen:
                hint = f"it stands already at line {seen[name].line}; delete one"
                complain(self._problems, span, "E111", f"the key {quoted(name)} stands twice", hint)
            else:
                seen[name] = span
                yield entry

    def _mend_entries(self, entries: list[Entry]) -> list[Entry]:
        """Joins again what YAML cut at a comma, and says so: ``{a: =f(x, y)}`` is ``a: =f(x`` and ``y)``."""
        mended: list[Entry] = []
        cut: dict[int, Entry] = {}
        for entry in entries:
            whole = _rejoined(mended[-1].value, entry) if mended else None
            if whole is None:
                mended.append(entry)
            else:
                mended[-1] = cut[len(mended)] = Entry(mended[-1].key, whole)
        for entry in cut.values():
            self._complain_of_cut(f"{entry.key.text}: ", entry.value)
        return mended

    def _mend_items(self, items: list[Node]) -> list[Node]:
        """The same for ``[f(x, y)]``."""
        mended: list[Node] = []
        cut: dict[int, Node] = {}
        for item in items:
            last = mended[-1] if mended else None
            if isinstance(last, ScalarNode) and _is_open(last) and isinstance(item, ScalarNode) and item.is_plain:
                mended[-1] = cut[len(mended)] = ScalarNode(_glued(last, item), "", last.span)
            else:
                mended.append(item)
        for whole in cut.values():
            self._complain_of_cut("", whole)
        return mended

    def _complain_of_cut(self, before: str, value: Node) -> None:
        text = value.text if isinstance(value, ScalarNode) else ""
        quote = "'" if '"' in text else '"'
        message = "inside { } and [ ] YAML cuts an unquoted text at its commas"
        complain(self._problems, value.span, "E110", message, f"quote it: {before}{quote}{text}{quote}")

    def _complain(self, event: yaml.Event, code: str, message: str, hint: str) -> None:
        complain(self._problems, self._span(event), code, message, hint)

    def _span(self, event: yaml.Event) -> Span:
        mark = event.start_mark
        return Span(self._file, mark.line + 1, mark.column + 1) if mark else Span(self._file, 1, 1)


def _is_open(node: ScalarNode) -> bool:
    """An unquoted text that closes fewer parentheses than it opens."""
    if not node.is_plain or len(node.text) > MAX_EXPRESSION_CHARS:
        return False
    bare = _QUOTED_TEXT.sub("", node.text)
    return bare.count("(") > bare.count(")")


def _rejoined(value: Node, entry: Entry) -> ScalarNode | None:
    """The whole text, if the entry is none but the rest of the unquoted value before it."""
    if not isinstance(value, ScalarNode) or not value.is_plain or value.is_empty:
        return None
    if not isinstance(entry.value, ScalarNode) or not entry.value.is_empty or not entry.key.is_plain:
        return None
    if len(value.text) > MAX_EXPRESSION_CHARS or not (_is_open(value) or _WORD.fullmatch(entry.key.text) is None):
        return None
    return ScalarNode(_glued(value, entry.key), "", value.span)


def _glued(before: ScalarNode, after: ScalarNode) -> str:
    """Two parts with the comma that YAML cut them at, and a blank if there was room for one."""
    is_tight = before.span.line == after.span.line and after.span.column - before.span.column == len(before.text) + 1
    return f"{before.text}{',' if is_tight else ', '}{after.text}"
