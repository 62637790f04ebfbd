from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError, Exit
from engine.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Settings:
    Path("lockstep.yaml").write_text(text)
    return load_settings(Path("lockstep.yaml"))


def test_the_shipped_file_says_the_defaults() -> None:
    shipped = load_settings(ROOT / "config" / "lockstep.yaml")
    assert shipped.connector("executor") == Settings().connector("nobody-configured-this")
    assert shipped.model_copy(update={"connectors": {}}).model_dump() == Settings().model_dump()


def test_every_default_shown_in_a_comment_of_the_shipped_file_is_one_that_loads() -> None:
    text = (ROOT / "config" / "lockstep.yaml").read_text()
    keys = ("data:", "redis:", "packs:", "secret_file:", "time:", "batch:", "log_level:", "rate:", "options:")
    lines = [
        line.replace("# ", "", 1) if line.strip().removeprefix("# ").startswith(keys) else line
        for line in text.splitlines()
    ]
    loaded = written("\n".join(lines))
    assert loaded.redis == "redis://localhost:6379/0"
    rate = loaded.connector("executor").rate
    assert rate is not None
    assert (rate.count, rate.per_ms, rate.burst) == (100, 1000, 200)


def test_without_a_file_everything_has_a_default() -> None:
    assert load_settings().redis is None
    assert load_settings().connector("log").type == "log"
    assert load_settings().connector("executor").type == "redis"


def test_a_file_of_comments_alone_is_no_mistake() -> None:
    assert written("# nothing here\n") == load_settings()


def test_command_line_over_environment_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.yaml").write_text("redis: redis://file\nlog_level: debug\nbatch: 7\n")
    monkeypatch.setenv("LOCKSTEP_REDIS", "redis://env")
    monkeypatch.setenv("LOCKSTEP_BATCH", "8")
    loaded = load_settings(Path("c.yaml"), {"redis": "redis://line", "batch": None})
    assert (loaded.redis, loaded.batch, loaded.log_level) == ("redis://line", 8, "debug")


def test_one_value_of_a_connector_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_CONNECTORS__EXECUTOR__RATE__COUNT", "3")
    loaded = written("connectors: {executor: {timeout: 3s, rate: {count: 9, per: 2s}}}")
    executor = loaded.connector("executor")
    assert executor.timeout_ms == 3000
    assert executor.rate is not None
    assert (executor.rate.count, executor.rate.per_ms) == (3, 2000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "connectors:\n  executor:\n    timout: 3s\n",
            "lockstep.yaml:3:13: connectors.executor.timout: is not a known",
        ),
        ("connectors: {executor: {timeout: 3}}", "'3' is no duration; write a whole number with its unit"),
        ("connectors: {executor: {timeout: 0s}}", "greater than 0"),
        ("connectors: {Executor: {}}", "connectors.Executor"),
        ("batch: 501", "lockstep.yaml:1:8: batch: "),
        ("batch: 1.5", "lockstep.yaml:1:8: batch: "),
        ("time: wall", "'server' or 'journal'"),
        ("- a", "lockstep.yaml: 'key: value' lines are expected"),
        ("a: 1\na: 2", "lockstep.yaml:2:1: E111"),
        ("a: &x 1", "E106"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(text)
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code is Exit.CONFIG


def test_a_wrong_value_of_the_environment_is_said_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_BATCH", "many")
    with pytest.raises(ConfigError, match="environment: batch"):
        load_settings()


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match="C100"):
        load_settings(Path("absent.yaml"))


def test_a_file_that_an_option_names_stands_beside_the_configuration(tmp_path: Path) -> None:
    beside = tmp_path / "deployment"
    beside.mkdir()
    (beside / "lockstep.yaml").write_text("log_level: debug\n")
    (beside / "mine.yaml").write_text("items:\n  - name: 012\n    when: no\nblank:\n")
    found = load_settings(beside / "lockstep.yaml").read_file("mine.yaml")
    assert found.content == {"items": [{"name": "012", "when": "no"}]}
    file = beside / "mine.yaml"
    assert found.place(["items", 0, "when"]) == f"{file}:3:11"
    assert found.place(["items", 0, "gone"]) == f"{file}:2:5"
    assert found.place(["gone"]) == f"{file}:1:1"
    assert load_settings(beside / "lockstep.yaml").read_file(str(file)).content == found.content


@pytest.mark.parametrize(
    ("text", "code"), [(None, "C100"), ("a: &x 1\n", "C101"), ("a: 1\na: 2\n", "C101"), ("- 1\n", "C101")]
)
def test_a_file_that_an_option_names_is_read_strictly(text: str | None, code: str) -> None:
    settings = written("log_level: debug\n")
    if text is not None:
        Path("mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        settings.read_file("mine.yaml")
    assert caught.value.code == code
    assert "mine.yaml" in caught.value.message
