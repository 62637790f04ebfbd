"""Where fetched programs and compiled contracts are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[3]


def cache_directory() -> Path:
    """``.anvil`` in a checkout that may be written to, else a directory of the user's cache; it is there."""
    if (_ROOT / "pyproject.toml").exists() and os.access(_ROOT, os.W_OK):
        found = _ROOT / ".anvil"
    else:
        found = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lockstep" / "anvil"
    found.mkdir(parents=True, exist_ok=True)
    return found
