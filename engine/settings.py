"""What a deployment decides: ``config/lockstep.yaml``, with ``LOCKSTEP_*`` in the environment above it.

Order of precedence: what the command line says, the environment, the file, the defaults here. A nested value is
reached from the environment with two underscores: ``LOCKSTEP_CONNECTORS__EXECUTOR__CONCURRENCY=4``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from connectors.base import OptionFile
from engine import limits
from engine.errors import ConfigError, Problem
from engine.model.rules import Span
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode
from engine.packs.reader import read

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,12})\s*(ms|s|m|h|d)")
#: Where the file is looked for when ``--config`` names none; there it may be absent.
DEFAULT_FILE = Path("config/lockstep.yaml")


def _duration_ms(value: object) -> object:
    """``250ms``, ``30s``, ``10m``, ``4h``, ``30d`` as milliseconds."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"'{value}' is no duration; write a whole number with its unit, like 250ms, 30s, 10m, 4h, 30d")
    return int(match[1]) * _UNITS_MS[match[2]]


DurationMs = Annotated[int, BeforeValidator(_duration_ms), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class _Section(BaseModel):
    """A part of the file: unknown keys are errors, nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RateSettings(_Section):
    """At most ``count`` commands each ``per``; ``burst`` may be saved up (default: ``count``)."""

    count: Annotated[int, Field(gt=0, le=1_000_000)]
    per_ms: DurationMs = Field(default=1_000, alias="per")
    burst: Annotated[int, Field(gt=0, le=1_000_000)] | None = None


class RetrySettings(_Section):
    """``tries`` in all; waits double from ``base`` up to ``cap``, with up to half of each as jitter."""

    tries: Annotated[int, Field(gt=0, le=1_000)] = 6
    base_ms: DurationMs = Field(default=500, alias="base")
    cap_ms: DurationMs = Field(default=60_000, alias="cap")


class BreakerSettings(_Section):
    """After ``failures`` in a row nothing is sent for ``cool_down``; then one probe decides."""

    failures: Annotated[int, Field(gt=0, le=1_000_000)] = 10
    cool_down_ms: DurationMs = Field(default=15_000, alias="cool_down")


class ConnectorSettings(_Section):
    """One connector: its type, how fast and how often it may send, and how long a report may take.

    ``options`` is the type's own: texts, lists and mappings as they stand in the file.
    """

    type: str = "redis"
    rate: RateSettings | None = None
    concurrency: Annotated[int, Field(gt=0, le=1_024)] = 16
    timeout_ms: DurationMs = Field(default=10_000, alias="timeout")
    report_within_ms: DurationMs = Field(default=limits.REPORT_WITHIN_MS, alias="report_within")
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    options: dict[str, Any] = Field(default_factory=dict)


class DispatchSettings(_Section):
    """``drain``: how long a stop waits for sends in flight before it leaves them to the next start."""

    drain_ms: DurationMs = Field(default=10_000, alias="drain")


class Settings(_Section):
    """Everything a deployment decides.

    Attributes:
        data: directory of the built-in Redis server, the secret and what else belongs to this daemon.
        redis: URL of a Redis server; None: the built-in one.
        packs: directory pushed at start if it differs from what is in force.
        secret_file: file with the signing secret; None: ``secret`` in the data directory.
        time: ``server``, or ``journal`` for tests and recorded traces (ids are the clock).
        batch: decisions committed together.
        log_level: debug, info, warning or error.
        dispatch: what holds for all connectors.
        connectors: by the name commands are addressed to; ``log`` and executor streams need no entry.
    """

    data: Path = Path(".lockstep")
    redis: str | None = None
    packs: Path | None = None
    secret_file: Path | None = None
    time: Literal["server", "journal"] = "server"
    batch: Annotated[int, Field(gt=0, le=limits.MAX_BATCH)] = limits.MAX_BATCH
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    dispatch: DispatchSettings = DispatchSettings()
    connectors: dict[Name, ConnectorSettings] = Field(default_factory=dict)
    _directory: Path = PrivateAttr(default=Path())

    def connector(self, name: str) -> ConnectorSettings:
        """The settings of that connector; a name without an entry is an executor's stream, ``log`` is the log."""
        found = self.connectors.get(name)
        if found is not None:
            return found
        return ConnectorSettings(type="log") if name == "log" else ConnectorSettings()

    def read_file(self, name: str) -> OptionFile:
        """A YAML file that an option names; a relative name is looked for beside the configuration file.

        Raises:
            ConfigError: C100 it cannot be read, C101 it is not strict YAML.
        """
        path = self._directory / name
        tree = _read_file(path, "name a file that can be read; a relative name starts at the configuration file")

        def place(keys: Sequence[str | int]) -> str:
            span = _nearest(tree, keys)
            return f"{path}:{span.line}:{span.column}" if span is not None else str(path)

        return OptionFile(str(path), {} if tree is None else _plain(tree), place)


def load_settings(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Reads the file, the environment and ``overrides`` (a command line's; None values say nothing).

    Args:
        file: must exist when given; without it ``config/lockstep.yaml`` is read if it is there.
        overrides: top-level fields.

    Raises:
        ConfigError: C100 the file cannot be read, C101 it is not strict YAML, C102 a value is wrong.
    """
    path = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    tree = None if path is None else _read_file(path)
    content = (
        {} if tree is None else {entry.key.text: _plain(entry.value) for entry in tree if not _is_blank(entry.value)}
    )

    class Layered(Settings, BaseSettings):
        model_config = SettingsConfigDict(env_prefix="LOCKSTEP_", env_nested_delimiter="__", env_ignore_empty=True)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=content)

    said = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        layered = Layered(**said)
    except ValidationError as error:
        raise ConfigError("C102", _explain(path, tree, error), "config/lockstep.yaml explains every key") from error
    except SettingsError as error:
        raise ConfigError(
            "C102", f"environment: {error}", "LOCKSTEP_… values are text, JSON for whole sections"
        ) from error
    settings = Settings(**{name: getattr(layered, name) for name in Settings.model_fields})
    if path is not None:
        settings._directory = path.parent
    return settings


def _read_file(path: Path, hint: str = "name a file that can be read with --config") -> MapNode | None:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError("C100", f"{path}: {error.strerror}", hint) from error
    problems: list[Problem] = []
    tree = read(str(path), raw, problems)
    # A file in which everything is commented out says nothing, which is no mistake here.
    if [p.code for p in problems] == ["E115"]:
        return None
    if problems:
        raise ConfigError("C101", "; ".join(map(str, problems[:5])), "the file is read as strictly as packs are")
    if not isinstance(tree, MapNode):
        raise ConfigError("C101", f"{path}: 'key: value' lines are expected", "config/lockstep.yaml is an example")
    return tree


def _is_blank(node: Node) -> bool:
    """A key whose value was commented out keeps its default."""
    return isinstance(node, ScalarNode) and node.is_empty


def _plain(node: Node) -> Any:  # noqa: ANN401 - the models give it its types
    if isinstance(node, MapNode):
        return {entry.key.text: _plain(entry.value) for entry in node if not _is_blank(entry.value)}
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    return node.text


def _explain(path: Path | None, tree: MapNode | None, error: ValidationError) -> str:
    """Every wrong value with the place it comes from: the file, or else the environment or command line."""
    lines = []
    for problem in error.errors():
        names = [str(part) for part in problem["loc"] if part != "[key]"]
        text = "is not a known key" if problem["type"] == "extra_forbidden" else problem["msg"]
        node = _find(tree, names)
        place = "environment" if node is None else f"{path}:{node.span.line}:{node.span.column}"
        lines.append(f"{place}: {'.'.join(names)}: {text.removeprefix('Value error, ')}")
    return "; ".join(lines)


def _find(tree: Node | None, names: list[str]) -> Node | None:
    node = tree
    for name in names:
        if not isinstance(node, MapNode):
            return None
        node = node.get(name)
    return node


def _nearest(tree: Node | None, keys: Sequence[str | int]) -> Span | None:
    """Where the value under those keys and positions begins, or the nearest above it that is there."""
    node, span = tree, None if tree is None else tree.span
    for key in keys:
        found: Node | None = None
        if isinstance(node, MapNode):
            found = node.get(str(key))
        elif isinstance(node, ListNode) and isinstance(key, int) and key < len(node.items):
            found = node.items[key]
        if found is None:
            break
        node, span = found, found.span
    return span
