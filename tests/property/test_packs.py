"""Whatever stands in a pack file, the author gets problems with places, never a traceback."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Problem
from engine.packs.bundle import load_blob, load_paths
from engine.packs.reader import read

ROOT = Path(__file__).resolve().parents[2]
SWAP = (ROOT / "rules" / "cross_network_swap.yaml").read_text(encoding="utf-8")
KINDS = (ROOT / "rules" / "standard" / "kinds.yaml").read_text(encoding="utf-8")

YAML_BITS = st.sampled_from(
    [
        "a",
        ": ",
        "- ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        '"',
        "#",
        "&x ",
        "*x",
        "!t ",
        "|",
        ">",
        "\t",
        "---",
        "=",
        "é",
    ]
)


def check(text: str) -> list[Problem]:
    """The problems of a pack of that text; it has a rule base exactly if none is an error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.yaml"
        path.write_bytes(text.encode("utf-8", errors="replace"))
        result = load_paths([path])
    assert (result.rulebase is None) == any(problem.is_error for problem in result.problems)
    if result.rulebase is not None:
        assert load_blob(result.blob) == result.rulebase
    return result.problems


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_tree_or_a_problem(raw: bytes) -> None:
    problems: list[Problem] = []
    assert read("p.yaml", raw, problems) is not None or problems


@settings(max_examples=400, deadline=None)
@given(st.lists(YAML_BITS, max_size=60).map("".join))
def test_anything_like_yaml_gives_problems_inside_the_file(text: str) -> None:
    lines = text.splitlines() or [""]
    problems: list[Problem] = []
    assert read("p.yaml", text.encode(), problems) is not None or problems
    assert all(1 <= problem.line <= len(lines) + 1 and problem.column >= 1 for problem in problems)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_pack_with_slips_of_the_pen_gives_problems(seed: int, slips: int) -> None:
    dice = random.Random(seed)
    text = dice.choice([SWAP, KINDS])
    for _ in range(slips):
        at = dice.randrange(len(text))
        width = dice.choice([0, 1, 1, 2, 5])
        text = text[:at] + dice.choice(["", " ", "x", ":", "- ", "{", "}", "=", "'", "0", "\n"]) + text[at + width :]
    check(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_pack_with_lines_lost_doubled_or_moved_gives_problems(seed: int) -> None:
    dice = random.Random(seed)
    lines = dice.choice([SWAP, KINDS]).splitlines()
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(lines))
        moved = lines.pop(at)
        for _ in range(dice.choice([0, 1, 2])):
            lines.insert(dice.randrange(len(lines)), moved)
    check("\n".join(lines))


@settings(max_examples=30, deadline=None)
@given(st.permutations(["a", "b", "c"]), st.randoms(use_true_random=False))
def test_the_canonical_form_does_not_depend_on_the_order_of_files(names: list[str], dice: random.Random) -> None:
    texts = {
        name: f"pack: {name}\nuse: [standard]\nparams:\n  n: {{type: int, default: {dice.randrange(9)}}}\n"
        for name in "abc"
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.yaml" for name in names]
        for path in paths:
            path.write_text(texts[path.stem])
        assert load_paths(paths).blob == load_paths([Path(folder)]).blob
        assert load_paths(paths).rulebase == load_paths(sorted(paths)).rulebase
