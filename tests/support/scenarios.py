"""Plays scenario tests written as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from engine.cli.playing import daemon_machinery
from engine.insight.scenario.coverage import Coverage
from engine.insight.scenario.failure import Result
from engine.insight.scenario.files import TestFile, read_files
from engine.insight.scenario.player import play

TestFile.__test__ = False  # type: ignore[attr-defined]

#: One rule for each thing a test may want to see.
PACK = """
pack: fees
version: 1
kinds:
  fee:
    key: [network]
    ttl: 1h
    fields: {network: id, value: wei, at: timestamp?}
  order:
    event: true
    keep: while_used
    key: [id]
    fields: {id: id, amount: amount?, note: {type: text, default: ""}}
  cheap:
    concluded: true
    key: [network]
    fields: {network: id}
rules:
  - rule: buy
    when:
      - fee: f
        where: f.value <= 30000000000
        fresh: 60s
        reason: GAS_CAP
      - order: o
    then:
      - command: shop.buy
        with: {order: =o.id, fee: =f.value, until: =now + seconds(60), parts: {network: =f.network, list: [=o.id, x]}}
  - rule: is-cheap
    when:
      - fee: f
        where: f.value <= 30000000000
    for: 10s
    then:
      - conclude: cheap
        with: {network: =f.network}
      - command: shop.tell
        with: {network: =f.network}
"""


def read_text(directory: Path, tests: str, packs: Mapping[str, str]) -> TestFile:
    """A test file beside these packs (by file name without ending; ``fees`` is PACK unless given)."""
    for name, text in ({"fees": PACK} | dict(packs)).items():
        (directory / f"{name}.yaml").write_text(dedent(text))
    (directory / "it.test.yaml").write_text(dedent(tests))
    (file,) = read_files([directory / "it.test.yaml"])
    return file


def play_text(directory: Path, tests: str, packs: Mapping[str, str], coverage: Coverage | None = None) -> list[Result]:
    """What became of each test; the file must be without problems."""
    file = read_text(directory, tests, packs)
    assert file.problems == []
    return [play(case, daemon_machinery(), coverage) for case in file.cases]


def steps(text: str, more: str = "") -> str:
    """One test with these steps, each line as it stands."""
    body = "\n".join(f"      {line}" for line in dedent(text).strip().splitlines())
    rest = "\n".join(f"    {line}" for line in dedent(more).strip().splitlines())
    return f"tests:\n  - test: it\n    packs: [fees.yaml]\n    steps:\n{body}\n{rest}\n"


def kinds_of(result: Result) -> list[str]:
    """The kinds of its failures, in order."""
    return [failure.kind for failure in result.failures]
