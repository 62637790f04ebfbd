"""Expression text → Python's syntax tree, within bounds, or the one thing that is wrong with it."""

from __future__ import annotations

import ast
from functools import lru_cache

from engine.limits import MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_NODES
from engine.packs.expressions.scanning import Flaw, scan


@lru_cache(maxsize=4_096)
def parse(text: str) -> ast.expr | Flaw:
    """The tree of one expression. Never raises, whatever the text.

    Every condition is read twice, for its equalities and for its types, so the answer is kept; do not change the tree.
    Offsets in the tree count UTF-8 bytes of the text with its line breaks made spaces, all on line 1.
    """
    flaw = scan(text)
    if flaw is not None:
        return flaw
    flat = text.translate(_FLAT)
    indent = len(flat) - len(flat.lstrip())
    try:
        # Parentheses would let "a) or (b" through; leading blanks are the only trouble, so they are cut and counted.
        tree = ast.parse(flat[indent:], mode="eval").body
    except SyntaxError as error:
        # Python says 0 for "the text ended too early".
        offset = indent + error.offset - 1 if error.offset else len(text)
        return Flaw(
            min(offset, len(text.rstrip())), "E200", f"not an expression: {error.msg}", "check brackets and operators"
        )
    except (MemoryError, RecursionError, ValueError):
        return Flaw(0, "E201", "expression nested too deeply", f"at most {MAX_EXPRESSION_DEPTH} levels: use let")
    return _oversize(tree) or _shifted(tree, indent)


_FLAT = {ord("\n"): " ", ord("\r"): " ", ord("\t"): " "}


def _oversize(tree: ast.expr) -> Flaw | None:
    """Count nodes and depth without recursion; the checker, which recurses, runs only on what passed."""
    nodes = deepest = 0
    pending: list[tuple[ast.AST, int]] = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, ast.expr):
            nodes += 1
            deepest = max(deepest, depth)
        pending.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    if nodes > MAX_EXPRESSION_NODES:
        return Flaw(0, "E201", f"expression of {nodes} parts", f"at most {MAX_EXPRESSION_NODES}: use let")
    if deepest > MAX_EXPRESSION_DEPTH:
        return Flaw(0, "E201", f"expression nested {deepest} deep", f"at most {MAX_EXPRESSION_DEPTH}: use let")
    return None


def _shifted(tree: ast.expr, indent: int) -> ast.expr:
    if indent:
        for node in ast.walk(tree):
            if isinstance(node, ast.expr | ast.keyword):
                node.col_offset += indent
                if node.end_col_offset is not None:
                    node.end_col_offset += indent
    return tree
