from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from connectors import registry as registry_module
from connectors.base import ConnectorContext
from connectors.log import LogConnector
from connectors.registry import GROUP, Registry
from engine.errors import ConfigError


def offering(monkeypatch: pytest.MonkeyPatch, **values: str) -> Registry:
    """A registry as found where packages offer these (two of one name: name, name_2)."""
    points = [EntryPoint(name.removesuffix("_2"), value, GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points if group == GROUP else [])
    return Registry.discover()


def test_the_built_in_types_are_there_without_any_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offering(monkeypatch).names == ("log", "redis")


def test_the_installed_entry_points_agree_with_the_built_in_types() -> None:
    assert Registry.discover().type_of("log") is LogConnector


def test_a_type_of_a_package_is_loaded_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    found = offering(monkeypatch, other="connectors.log:LogConnector", broken="no.such.module:Thing")
    assert found.names == ("broken", "log", "other", "redis")
    assert isinstance(found.build("other", ConnectorContext("mine")), LogConnector)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no.such.module:Thing", "cannot be loaded: No module named"),
        ("connectors.log:Missing", "cannot be loaded: "),
        ("json:dumps", "which is no connector"),
    ],
)
def test_a_broken_type_says_what_is_wrong_with_it(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match="C123") as caught:
        offering(monkeypatch, mine=value).build("mine", ConnectorContext("mine"))
    assert said in caught.value.message
    assert caught.value.hint


def test_an_unknown_type_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="C120") as caught:
        Registry().build("htpp", ConnectorContext("mine"))
    assert "log, redis" in caught.value.hint


@pytest.mark.parametrize("two", [{"log": "a:B"}, {"x": "a:B", "x_2": "c:D"}])
def test_a_name_offered_twice_is_refused(monkeypatch: pytest.MonkeyPatch, two: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="C124"):
        offering(monkeypatch, **two)
