"""The reader takes texts as they stand, and gives nothing for tricks."""

from __future__ import annotations

from engine.errors import Problem
from engine.limits import MAX_PACK_BYTES
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode
from engine.packs.reader import read


def tree(text: str | bytes) -> tuple[Node | None, list[Problem]]:
    problems: list[Problem] = []
    raw = text.encode() if isinstance(text, str) else text
    return read("p.yaml", raw, problems), problems


def plain(node: Node | None) -> object:
    """The node as Python values, texts untouched."""
    if isinstance(node, ScalarNode):
        return node.text
    if isinstance(node, ListNode):
        return [plain(each) for each in node.items]
    return {entry.key.text: plain(entry.value) for entry in node} if isinstance(node, MapNode) else None


def only_problem(text: str | bytes) -> str:
    found = tree(text)[1]
    assert len(found) == 1, found
    return str(found[0])


def test_no_plain_text_changes_its_meaning() -> None:
    words = ["no", "off", "Y", "012", "1:30", "1_000", "0x10", "1e3", "null", "~", "2027-01-15", ".inf", "=", "true"]
    node, problems = tree("".join(f"- {word}\n" for word in words))
    assert problems == []
    assert plain(node) == words


def test_no_is_a_key_like_any() -> None:
    assert plain(tree("no: yes\non: off\n")[0]) == {"no": "yes", "on": "off"}


def test_a_place_is_counted_in_characters_from_one() -> None:
    node, _ = tree("a: é\nbé: {c: 'x'}\n")
    assert isinstance(node, MapNode)
    inner = node.get("bé")
    assert isinstance(inner, MapNode)
    value = inner.get("c")
    assert isinstance(value, ScalarNode)
    assert (value.span.line, value.span.column) == (2, 9)
    assert value.inside().column == 10


def test_a_duplicate_key_names_the_first() -> None:
    assert only_problem("a: 1\nb: 2\na: 3\n") == (
        "p.yaml:3:1: E111 the key 'a' stands twice; it stands already at line 1; delete one"
    )


def test_anchors_aliases_tags_merges_and_documents_are_refused() -> None:
    assert [p.code for p in tree("a: &x 1\nb: *x\nc: !!int 3\nd: {<<: 1}\n")[1]] == ["E106", "E106", "E107", "E108"]
    assert [p.code for p in tree("a: 1\n---\nb: 1\n")[1]] == ["E109"]
    assert [p.code for p in tree("%YAML 1.1\n---\na: 1\n")[1]] == ["E109"]


def test_a_bomb_of_aliases_costs_its_length_and_no_more() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    node, problems = tree("\n".join(lines))
    assert node is None
    assert len([p for p in problems if p.code == "E106"]) == 40 + 39 * 9


def test_depth_and_number_of_values_are_bounded_before_anything_is_built() -> None:
    assert only_problem("[" * 500_000).startswith("p.yaml:1:33: E113 ")
    assert only_problem("{a: " * 200_000).startswith("p.yaml:1:")
    assert " E114 " in only_problem("- x\n" * 200_000)
    assert " E101 " in only_problem(b" " * (MAX_PACK_BYTES + 1))


def test_a_tab_in_the_indentation_is_named() -> None:
    assert only_problem("a:\n\t- b\n") == "p.yaml:2:1: E104 a tab in the indentation; indent with spaces"
    assert only_problem("a:\n  \t- b\n").startswith("p.yaml:2:3: E104 ")
    assert tree("a: 'x\ty'\n")[1] == []


def test_characters_that_deceive_the_eye_are_refused() -> None:
    assert "U+202E" in only_problem("a: \u202etxt")
    assert "U+0000" in only_problem("a: \x00")
    assert "U+2028" in only_problem("a: b\u2028c: d")
    assert " E102 " in only_problem(b"a: \xff")
    assert tree(b"\xef\xbb\xbfa: 1\r\n")[1] == []


def test_an_expression_cut_at_its_commas_is_put_together_and_named() -> None:
    node, problems = tree("a: {b: =min(x.y, max(1, 2)), c: d}\n")
    assert plain(node) == {"a": {"b": "=min(x.y, max(1, 2))", "c": "d"}}
    assert [(p.code, p.column, p.hint) for p in problems] == [("E110", 8, 'quote it: b: "=min(x.y, max(1, 2))"')]
    node, problems = tree("[f(a, b), c]\n")
    assert plain(node) == ["f(a, b)", "c"]
    assert [p.code for p in problems] == ["E110"]


def test_a_key_without_a_value_is_not_taken_for_a_cut() -> None:
    node, problems = tree("{a: 1, b}\n")
    assert problems == []
    assert plain(node) == {"a": "1", "b": ""}


def test_syntax_errors_say_what_to_write() -> None:
    assert "quote the whole" in only_problem('where: "a" == b.c\n')
    assert "quote each value" in only_problem("a: {b: x in [c, d]}\n")
    assert "quote the whole value" in only_problem("a: b: c\n")
    assert "never closed" in only_problem("a: 'x\n")


def test_an_empty_file_is_said_to_be_empty() -> None:
    assert " E115 " in only_problem("")
    assert " E115 " in only_problem("# nothing but a comment\n")
