"""Options that many commands share, spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.settings import Settings, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Directory of the built-in Redis server and the secret. (default: .lockstep)"),
]
RedisUrl = Annotated[
    str | None, typer.Option("--redis", help="Your Redis server instead of the built-in one: redis://host:6379/0")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Configuration file. (default: config/lockstep.yaml, if it is there)")
]


def place(data: Path | None, redis: str | None, config: Path | None) -> Settings:
    """The settings of the deployment a command is about.

    Raises:
        ConfigError: the file, the environment or an option is wrong.
    """
    said = {"data": data, "redis": redis}
    return load_settings(config, {name: value for name, value in said.items() if value is not None})
