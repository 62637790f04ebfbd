"""Every code the pack checker gives is in the list for authors, and the list names no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_lists_exactly_the_codes_in_use() -> None:
    used = set()
    packs = ROOT / "engine" / "packs"
    for path in (*packs.glob("*.py"), *packs.glob("plans/*.py")):
        used |= set(re.findall(r'"([EW][1-9]\d\d)"', path.read_text(encoding="utf-8")))
    page = (ROOT / "engine" / "packs" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([EW0-9, ]+) \|", page, re.MULTILINE)
    assert {code for row in rows for code in row.split(", ")} == used
