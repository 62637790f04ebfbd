"""When a coordination left working memory, by the record of how it ended."""

from __future__ import annotations

import re
from typing import Final

from engine import limits

#: Records are canonical, so this comes last.
_UNTIL: Final = re.compile(rb'"until":([0-9]+)\}$')


def left_at(record: bytes) -> int:
    """Unix ms; 0 if the record does not say."""
    found = _UNTIL.search(record)
    return 0 if found is None else int(found.group(1)) - limits.DONE_KEEP_MS
