"""Which commands there are. What a command needs is imported when it is asked for: most need little of the engine."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

#: Command → the module of this package that registers it, in the order of ``--help``.
MODULES: Final = {
    "run": "run",
    "demo": "run",
    "check": "check",
    "test": "testing",
    "push": "rulebase",
    "activate": "rulebase",
    "inject": "journal",
    "retract": "journal",
    "facts": "look",
    "commands": "look",
    "rejected": "look",
    "coordinations": "coordinations",
    "explain": "explain",
    "why-not": "why",
    "status": "operate",
    "doctor": "operate",
    "pause": "operate",
    "resume": "operate",
    "close": "closing",
    "replay": "replay",
    "export": "replay",
    "rulebase": "rulebase",
}


class Commands(TyperGroup):
    """The program's commands; each module is imported when one of its commands is looked up."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - the context of whichever click typer brings
        """All names, for help and completion."""
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """The command of that name; for a name that nothing has, all are there, so that a near one can be named."""
        wanted = MODULES.get(cmd_name)
        for module in dict.fromkeys(MODULES.values()) if wanted is None else (wanted,):
            self.commands.update(commands_of(module))
        return self.commands.get(cmd_name)


def commands_of(module: str) -> dict[str, Any]:
    """The commands that a module of this package registers, by name."""
    app = typer.Typer()
    import_module(f"engine.cli.{module}").register(app)
    return dict(typer.main.get_group(app).commands)
