"""Which commands there are, and that each brings only what it needs."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from engine.cli.commands import MODULES, commands_of
from engine.cli.main import app


def test_every_command_that_a_module_registers_is_there_and_no_other() -> None:
    registered = {name: module for module in set(MODULES.values()) for name in commands_of(module)}
    assert registered == MODULES


def test_help_names_every_command() -> None:
    page = CliRunner().invoke(app, ["--help"]).output
    assert [name for name in MODULES if f" {name} " not in page] == []


def test_a_near_name_is_offered_for_one_that_nothing_has() -> None:
    found = CliRunner().invoke(app, ["injct"])
    assert found.exit_code == 2
    assert "Did you mean 'inject'?" in found.output


def test_looking_at_facts_does_not_wait_for_the_rules_engine() -> None:
    code = (
        "import sys, engine.cli.look;print([m for m in ('engine.matching', 'engine.packs.bundle') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
