"""``python -m engine.cli``: the program without its entry point installed."""

from __future__ import annotations

from engine.cli.main import main

main()
