"""A mapping file is checked whole at start: every mistake with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorContext
from connectors.poll import PollConnector
from connectors.poll.exact import AnswerError, read_json
from connectors.poll.mapping import ApiMapping, read_mapping
from connectors.poll.telling import tell
from engine.errors import ConfigError
from engine.settings import load_settings

GAS = """
request:
  url: https://gas.example.com/v1/{subject.network}/fees
  query: {unit: wei}
  headers: {Accept-Language: en}
subject: [network, tier?]
tables: [speeds]
answers: [404]
expect: "status == `404` || answer.fees"
items: "answer.fees || `[]`"
facts:
  - kind: gas
    when: item.speed != 'slow'
    fields:
      id: "{subject.network}-{index}"
      speed: {from: item.speed, table: speeds}
      fee: {from: "units(item.gwei, `9`)", as: integer}
      tier?: =subject.tier
      open: {from: item.state, map: {up: "true", "down*": "false"}, as: bool}
      note?: {from: item.factor, as: text}
      raw: "{{as written}}"
      all?: =item.more
"""


def mapping_of(tmp_path: Path, text: str = GAS) -> ApiMapping:
    (tmp_path / "gas.yaml").write_text(text)
    (tmp_path / "lockstep.yaml").write_text("log_level: debug\n")
    settings = load_settings(tmp_path / "lockstep.yaml")
    return read_mapping("gas.yaml", settings.read_file, {"speeds": {"FAST": "quick"}}, "connector 'gas'")


def said(tmp_path: Path, answer: bytes, text: str = GAS, status: int = 200) -> list[dict[str, Any]]:
    found = tell(mapping_of(tmp_path, text), {"network": "base"}, status, read_json(answer))
    return [dict(fact.data) for fact in found.facts]


def test_a_mapping_says_how_to_ask_and_what_answers_tell(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path)
    assert mapping.url({"network": "a/b"}) == "https://gas.example.com/v1/a%2Fb/fees?unit=wei"
    assert mapping.url({"network": "x"}, "http://h:1/p/") == "http://h:1/p/v1/x/fees?unit=wei"
    assert mapping.headers == {"Accept-Language": "en"}
    answer = b"""{"fees": [
      {"speed": "Fast", "gwei": 0.013, "state": "up", "factor": 1.50, "more": {"x": [1, true, null]}},
      {"speed": "slow", "gwei": 1, "state": "up"},
      {"speed": "turbo", "gwei": 2, "state": "down for repair"}]}"""
    assert said(tmp_path, answer) == [
        {
            "id": "base-0",
            "speed": "quick",
            "fee": "13000000",
            "open": True,
            "note": "1.50",
            "raw": "{as written}",
            "all": {"x": ["1", True, None]},
        },
        {"id": "base-2", "speed": "turbo", "fee": "2000000000", "open": False, "raw": "{as written}"},
    ]
    assert said(tmp_path, b"{}", status=404) == []


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (b'{"speed": "a", "gwei": 0.0000000001, "state": "up"}', "C182"),
        (b'{"speed": "a", "gwei": 1, "state": "sideways"}', "C183"),
        (b'{"speed": "a", "gwei": null, "state": "up"}', "C183"),
        (b'{"speed": null, "gwei": 1, "state": "up"}', "C183"),
        (b'{"speed": "a", "gwei": 1, "state": "up", "more": 1.5}', "C183"),
        (b'{"speed": "a", "gwei": 1, "state": "up", "more": {"deep": [1e3]}}', "C183"),
        (b'{"speed": "\\ud800", "gwei": 1, "state": "up"}', "C183"),
        (b'{"speed": "' + b"x" * 70_000 + b'", "gwei": 1, "state": "up"}', "C183"),
        (b'{"speed": "a", "gwei": 1, "state": "up"},' * 500 + b"{}", "C185"),
    ],
)
def test_one_item_that_does_not_fit_says_nothing_of_all(tmp_path: Path, item: bytes, code: str) -> None:
    good = b'{"speed": "a", "gwei": 1, "state": "up"}'
    with pytest.raises(AnswerError, match=code):
        said(tmp_path, b'{"fees": [' + good + b"," + item + b"]}")


def test_a_segment_of_the_path_cannot_lead_elsewhere(tmp_path: Path) -> None:
    for network in ("..", "."):
        with pytest.raises(AnswerError, match="C183"):
            mapping_of(tmp_path).url({"network": network})


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "words"),
    [
        ("when: item.speed", "wenn: item.speed", "C172", "13:11", "not a known key"),
        ("kind: gas", "kind: Gas", "C172", "12:11", "pattern"),
        ("answers: [404]", "answers: [200]", "C172", "8:11", "300"),
        ("as: integer}", "as: number}", "C172", "17:48", "integer"),
        ("map: {up", "table: speeds, map: {up", "C172", "19:13", "not both"),
        ("table: speeds}", "table: speed}", "C173", "16:14", "no table 'speed'"),
        ("=subject.tier", "=subject.tear", "C173", "18:14", "no 'tear'"),
        ("units(item.gwei", "unit(item.gwei", "C173", "17:12", "no function 'unit'"),
        ("{subject.network}/fees", "{subject.}/fees", "C173", "3:8", "no JMESPath"),
        ("https://gas", "ftp://gas", "C173", "3:8", "no http"),
        ("/fees\n", "/fees?x=1\n", "C173", "3:8", "`query`"),
        ("{{as written}}", "{as written", "C173", "21:12", "brace"),
        ("subject: [network, tier?]", "subject: [network, tier?]\nkey: [tier]", "C173", "7:6", "each subject has"),
    ],
)
def test_each_mistake_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, code: str, place: str, words: str
) -> None:
    assert old in GAS
    with pytest.raises(ConfigError) as caught:
        mapping_of(tmp_path, GAS.replace(old, new, 1))
    assert caught.value.code == code
    assert f"gas.yaml:{place}:" in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        mapping_of(tmp_path, GAS.replace("=subject.tier", "=subject.tear").replace("item.speed !=", "itm.speed !="))
    assert caught.value.message.count("gas.yaml:") == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "C170"),
        ({"mapping": "lifi", "evry": "1s"}, "C170"),
        ({"mapping": "lifi", "every": "1 second"}, "C170"),
        ({"mapping": "lifi", "every": "10ms"}, "C170"),
        ({"mapping": "lify"}, "C171"),
        ({"mapping": "../mappings/lifi"}, "C171"),
        ({"mapping": "none.yaml"}, "C100"),
        ({"mapping": "lifi", "subjects": [{"hash": "0x1"}]}, "C174"),
        ({"mapping": "lifi", "base_url": "li.quest"}, "C161"),
        ({"mapping": "lifi", "headers_env": {"x-lifi-api-key": "NOT_SET_ANYWHERE"}}, "C165"),
    ],
)
def test_wrong_options_are_refused_with_a_hint(tmp_path: Path, options: dict[str, Any], code: str) -> None:
    (tmp_path / "lockstep.yaml").write_text("log_level: debug\n")
    read_file = load_settings(tmp_path / "lockstep.yaml").read_file
    with pytest.raises(ConfigError) as caught:
        PollConnector(ConnectorContext("api", options, read_file=read_file))
    assert caught.value.code == code
    assert caught.value.hint
