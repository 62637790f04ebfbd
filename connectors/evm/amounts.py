"""Amounts of a chain's native coin, as people write them: ``30 gwei``, ``0.05 ether``, ``21000``; whole wei inside."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

_DECIMALS: Final = {"wei": 0, "gwei": 9, "ether": 18}
_AMOUNT: Final = re.compile(r"(\d{1,78})(?:\.(\d{1,18}))?(?:\s*(wei|gwei|ether))?")


def wei_of(text: object) -> int:
    """Wei.

    Raises:
        ValueError: it is no amount, or not a whole number of wei.
    """
    found = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"'{text}' is no amount; write e.g. 30 gwei, 0.05 ether, 21000 (wei)")
    whole, fraction, decimals = found[1], found[2] or "", _DECIMALS[found[3] or "wei"]
    if len(fraction.rstrip("0")) > decimals:
        raise ValueError(f"'{text}' is no whole number of wei")
    return int(whole + fraction[:decimals].ljust(decimals, "0"))


def _wei(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) else wei_of(value)


#: A field of options that is an amount of the native coin, in wei.
Wei = Annotated[int, BeforeValidator(_wei), Field(ge=0, lt=1 << 256)]
