"""Amounts for people: exact, with the decimals of their asset."""

from __future__ import annotations

from collections.abc import Mapping


def shown(amount: int, asset: str, decimals: Mapping[str, int]) -> str:
    """``74,962.500000 USDC``; bare base units when the asset's decimals are not known."""
    places = decimals.get(asset, 0)
    sign, digits = ("-", str(-amount)) if amount < 0 else ("", str(amount))
    whole, fraction = digits[: len(digits) - places] or "0", digits[len(digits) - places :].rjust(places, "0")
    return f"{sign}{int(whole):,}" + (f".{fraction}" if places else "") + f" {asset}"


def gwei(wei: int) -> str:
    """``28.71 gwei``, cut."""
    return f"{wei // 10**9}.{wei % 10**9 // 10**7:02d} gwei"
