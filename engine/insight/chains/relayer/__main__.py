"""``python -m engine.insight.chains.relayer FILE``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.errors import Exit, LockstepError
from engine.insight.chains.relayer.relayer import live
from engine.insight.chains.relayer.settings import read_settings


def main(words: list[str]) -> int:
    """Runs it; the exit code."""
    if len(words) != 1:
        sys.stderr.write("python -m engine.insight.chains.relayer FILE\n")
        return Exit.USAGE
    try:
        asyncio.run(live(read_settings(Path(words[0]))))
    except LockstepError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
