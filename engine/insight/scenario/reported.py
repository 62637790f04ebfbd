"""Finds the command that a test's report is about: the newest open one that fits, without a look at all of them."""

from __future__ import annotations

from collections.abc import Callable

from engine.insight.scenario.history import Made
from engine.insight.scenario.values import canonical
from engine.insight.scenario.wanted import Leaf, WantedCommand

#: A command's name, and where an argument narrows it down its name and value.
_Where = tuple[str, ...]


class Reported:
    """Commands by what a report may name of them; those that were found closed are let go."""

    def __init__(self, is_open: Callable[[Made], bool]) -> None:
        """Begin with none.

        Args:
            is_open: whether a command may still be reported on; once it may not, it never may.
        """
        self._is_open = is_open
        self._taken = 0
        self._known: dict[_Where, list[tuple[int, Made]]] = {}

    def take(self, made: list[Made]) -> None:
        """Take what was made since the last time.

        Args:
            made: all commands so far, in order.
        """
        for number in range(self._taken, len(made)):
            each = made[number]
            for where in ((each.command,), *((each.command, n, canonical(v)) for n, v in each.args.items())):
                self._known.setdefault(where, []).append((number, each))
        self._taken = len(made)

    def newest(self, wanted: WantedCommand) -> Made | None:
        """The newest open command that fits; None if there is none."""
        found = [last for where in self._places(wanted) if (last := self._last(where, wanted)) is not None]
        return max(found, key=lambda each: each[0])[1] if found else None

    def _places(self, wanted: WantedCommand) -> list[_Where]:
        """Where it can be: by the argument that the fewest commands share, else by the command's name alone."""
        places: list[list[_Where]] = [[(wanted.command,)]]
        for name, value in wanted.args:
            if isinstance(value, Leaf):
                places.append([(wanted.command, name, form) for form in sorted(value.forms)])
        return min(places, key=lambda each: sum(len(self._known.get(where, ())) for where in each))

    def _last(self, where: _Where, wanted: WantedCommand) -> tuple[int, Made] | None:
        known = self._known.get(where, [])
        while known and not self._is_open(known[-1][1]):
            known.pop()
        closed = 0
        found = None
        for number, each in reversed(known):
            if not self._is_open(each):
                closed += 1
            elif wanted.fits(each.command, each.args):
                found = number, each
                break
        if closed:
            known[:] = [(number, each) for number, each in known if self._is_open(each)]
        return found
