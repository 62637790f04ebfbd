"""The page is right: its configuration builds, its mapping is one."""

from __future__ import annotations

import re
from pathlib import Path

from connectors.base import ConnectorContext
from connectors.poll import PollConnector
from connectors.poll.mapping import SHIPPED, read_mapping
from connectors.poll.options import PollOptions
from engine.settings import load_settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "poll.md").read_text()
CONFIGURATION, MAPPING = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_configuration_of_the_page_builds_and_shows_every_option_with_its_default(tmp_path: Path) -> None:
    (tmp_path / "lockstep.yaml").write_text(CONFIGURATION)
    settings = load_settings(tmp_path / "lockstep.yaml")
    found = settings.connector("lifi")
    connector = PollConnector(ConnectorContext("lifi", found.options, read_file=settings.read_file))
    assert connector.capabilities.verbs == frozenset({"track", "untrack"})
    shown = PollOptions.model_validate(found.options)
    default = PollOptions(mapping="lifi")
    given = {"networks", "assets"}
    assert shown.model_dump(exclude=given) == default.model_dump(exclude=given)
    for name in PollOptions.model_fields:
        assert re.search(rf"^ +(# )?{name}:", CONFIGURATION, re.MULTILINE), name


def test_the_mapping_of_the_page_is_one(tmp_path: Path) -> None:
    (tmp_path / "gas.yaml").write_text(MAPPING)
    (tmp_path / "lockstep.yaml").write_text("log_level: debug\n")
    read_file = load_settings(tmp_path / "lockstep.yaml").read_file
    mapping = read_mapping("gas.yaml", read_file, {}, "a test")
    asked = mapping.url({"network": "base", "tier": "gold"})
    assert asked == "https://gas.example.com/v1/base/fees?unit=wei&tier=gold"


def test_the_page_names_every_code_and_every_shipped_mapping() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "connectors" / "poll").glob("*.py"))
    for code in set(re.findall(r'"(C1[789]\d)"', sources)) | {"C187"}:
        assert code in PAGE, code
    for path in SHIPPED.glob("*.yaml"):
        assert f"### `{path.stem}`" in PAGE
