"""What somebody said in an entry of the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.model.journal import RawEntry


def said_in(entry: RawEntry) -> tuple[Mapping[str, str], Mapping[str, Any]] | None:
    """The entry's fields, and its ``data`` as the object it is; None if it is no object."""
    _, flat = entry
    words = [word.decode(errors="replace") for word in flat]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    try:
        said = json.loads(fields.get("data", ""))
    except ValueError:
        return None
    return (fields, said) if isinstance(said, dict) else None
