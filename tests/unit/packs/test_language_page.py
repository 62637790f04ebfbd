"""What the pages show of packs is what the engine takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.model.kinds import ENGINE_KINDS
from engine.packs.bundle import load_paths
from tests.support.scenarios import play_text

ROOT = Path(__file__).resolve().parents[3]
LANGUAGE = (ROOT / "docs/language.md").read_text(encoding="utf-8")


def examples(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


FIRST, *OTHERS = [
    text
    for page in ((ROOT / "README.md").read_text(encoding="utf-8"), LANGUAGE)
    for text in examples(page)
    if text.startswith("pack:")
]
(TESTS,) = [text for text in examples(LANGUAGE) if "\ntests:" in text]


@pytest.mark.parametrize("text", [FIRST, *OTHERS], ids=lambda text: text.split("\n")[0].removeprefix("pack: "))
def test_a_pack_on_a_page_is_without_problems(text: str, tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(text, encoding="utf-8")
    result = load_paths([tmp_path])
    assert [str(problem) for problem in result.problems] == []
    assert result.rulebase is not None
    assert len(result.rulebase.kinds) > len(ENGINE_KINDS)


def test_the_tests_on_the_page_pass_with_the_pack_of_the_readme(tmp_path: Path) -> None:
    results = play_text(tmp_path, TESTS, {"gas": FIRST})
    assert [failure.message for result in results for failure in result.failures] == []
    assert [[made.command for made in result.made] for result in results] == [["log.go"], ["log.go"]]


def test_the_page_names_every_field_of_the_kinds_of_the_engine() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", LANGUAGE, re.MULTILINE))
    assert set(rows) == set(ENGINE_KINDS)
    for kind in ENGINE_KINDS.values():
        missing = [field.name for field in kind.fields if not re.search(rf"\b{field.name}\b", rows[kind.name])]
        assert missing == [], kind.name
