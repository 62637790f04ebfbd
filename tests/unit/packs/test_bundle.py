"""The canonical form: the same packs are the same revision, wherever and however they were loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.errors import PackError
from engine.packs.bundle import load_blob, load_paths
from tests.unit.packs.packs import ORDERS, load, rule_text

ROOT = Path(__file__).resolve().parents[3]
OTHER = "pack: other\nuse: [standard]\n"


def test_the_blob_gives_the_same_rule_base(tmp_path: Path) -> None:
    result = load(tmp_path, rule_text("- order: o"), OTHER)
    assert result.rulebase is not None
    again = load_blob(result.blob)
    assert again == result.rulebase
    assert len(again.revision) == 16


def test_the_revision_does_not_depend_on_place_order_or_line_ends(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "elsewhere" / "two"
    two.mkdir(parents=True)
    one.mkdir()
    for folder in (one, two):
        (folder / "a.yaml").write_text(ORDERS)
        (folder / "b.yml").write_text(OTHER)
    (two / "a.yaml").write_bytes(b"\xef\xbb\xbf" + ORDERS.replace("\n", "\r\n").encode())
    first = load_paths([one])
    assert first.rulebase is not None
    for paths in ([two], [two / "b.yml", two / "a.yaml"], [one / "a.yaml", two / "b.yml"], [one, one / "a.yaml"]):
        again = load_paths(paths)
        assert again.blob == first.blob
        assert again.rulebase == first.rulebase


def test_another_text_is_another_revision(tmp_path: Path) -> None:
    one, two = load(tmp_path, ORDERS).rulebase, load(tmp_path, ORDERS + "# a word\n").rulebase
    assert one is not None
    assert two is not None
    assert one.revision != two.revision


def test_files_of_one_name_from_two_directories_stay_apart(tmp_path: Path) -> None:
    for name, text in (("x", ORDERS), ("y", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pack.yaml").write_text(text)
    one, two = load_paths([tmp_path / "x", tmp_path / "y"]), load_paths([tmp_path / "y", tmp_path / "x"])
    assert one.rulebase is not None
    assert set(one.rulebase.packs) == {"shop", "other", "standard"}
    assert one.blob == two.blob


def test_scenario_tests_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("[")
    (tmp_path / "a.test.yaml").write_text("[")
    assert load(tmp_path, ORDERS).problems == []
    assert load_paths([tmp_path / "a.test.yaml"]).problems == []


def test_a_missing_path_and_an_empty_directory_are_problems(tmp_path: Path) -> None:
    assert [p.code for p in load_paths([tmp_path / "no.yaml"]).problems] == ["E100"]
    assert [p.code for p in load_paths([tmp_path]).problems] == ["E117"]


def test_problems_name_the_file_as_the_user_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "a.yaml").write_text("pack: shop\nplan: []\n")
    monkeypatch.chdir(tmp_path)
    assert load_paths([Path("packs")]).problems[0].file == "packs/a.yaml"


def test_the_standard_pack_is_part_of_the_canonical_form(tmp_path: Path) -> None:
    names = [each["name"] for each in json.loads(load(tmp_path, OTHER).blob)["files"]]
    assert names == ["p0.yaml", "standard/kinds.yaml"]
    without = load(tmp_path, ORDERS)
    assert without.rulebase is not None
    assert "standard" not in without.rulebase.packs


def test_the_standard_pack_among_the_files_is_not_added_again(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rules" / "standard", tmp_path / "standard")
    (tmp_path / "p0.yaml").write_text(OTHER)
    with_own = load_paths([tmp_path])
    assert with_own.rulebase is not None
    assert with_own.blob == load_paths([tmp_path / "p0.yaml"]).blob


def test_a_pack_may_be_spread_over_files(tmp_path: Path) -> None:
    rules = rule_text("- order: o").removeprefix(ORDERS)
    result = load(tmp_path, ORDERS, "pack: shop\n" + rules)
    assert result.rulebase is not None
    assert [rule.name for rule in result.rulebase.rules] == ["shop.one"]
    assert [p.code for p in load(tmp_path, ORDERS, "pack: shop\nversion: 2\n").problems] == ["E310"]


@pytest.mark.parametrize("blob", [b"", b"{", b"[]", b'{"format":1,"files":[1]}', b'{"format":2,"files":[]}', b"\xff"])
def test_what_is_no_canonical_form_is_refused_by_name(blob: bytes) -> None:
    with pytest.raises(PackError) as caught:
        load_blob(blob)
    assert caught.value.problems[0].code == "E118"


def test_a_canonical_form_with_errors_is_refused_with_its_problems() -> None:
    blob = json.dumps({"format": 1, "files": [{"name": "a.yaml", "text": "pack: shop\nplan: []\n"}]}).encode()
    with pytest.raises(PackError) as caught:
        load_blob(blob)
    assert str(caught.value.problems[0]).startswith("a.yaml:2:1: E301 a pack has no 'plan'")


def test_the_packs_of_the_repository_have_no_problems() -> None:
    result = load_paths([ROOT / "rules" / "standard", ROOT / "rules" / "cross_network_swap.yaml"])
    assert result.problems == []
    assert result.rulebase is not None
    assert {"cross-network-swap", "standard"} <= result.rulebase.packs.keys()
