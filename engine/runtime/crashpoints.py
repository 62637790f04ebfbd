"""Named places in the code at which a test can have the process die, as ``kill -9`` would.

``LOCKSTEP_CRASH_AT=before_commit:3`` kills the process when it passes ``before_commit`` for the third time.
``LOCKSTEP_CRASH_ON_ENTRY=1700000000000-0`` kills it whenever it evaluates that journal entry. Nothing happens unless
one of them is set.
"""

from __future__ import annotations

import os
import signal
from typing import Final

BEFORE_COMMIT: Final = "before_commit"
AFTER_COMMIT: Final = "after_commit"
DURING_RECOVERY: Final = "during_recovery"
AFTER_EVALUATION: Final = "after_evaluation"
#: The id of the entry whose evaluation kills; empty: none does. Compared for each entry, so it is a plain constant.
CRASH_ON_ENTRY: Final = os.environ.get("LOCKSTEP_CRASH_ON_ENTRY", "").encode()

_name, _, _count = os.environ.get("LOCKSTEP_CRASH_AT", "").partition(":")
_left = {_name: int(_count or "1")} if _name else {}


def crashpoint(name: str) -> None:
    """Die here, if that was asked for."""
    if name in _left:
        _left[name] -= 1
        if _left[name] <= 0:
            crash()


def crash() -> None:
    """Die at once, with nothing tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)
