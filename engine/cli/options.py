"""Options that many commands share, spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_DATA = Path(".lockstep")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="LOCKSTEP_DATA", help="Directory of the built-in Redis server; not used with --redis."
    ),
]
RedisUrl = Annotated[
    str | None,
    typer.Option("--redis", envvar="LOCKSTEP_REDIS", help="Redis server, e.g. redis://host:6379/0.", show_envvar=True),
]
