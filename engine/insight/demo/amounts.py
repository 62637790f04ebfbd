"""Amounts for people: exact, with the decimals of their asset."""

from __future__ import annotations

from collections.abc import Mapping

_GWEI_DECIMALS = 9


def shown(amount: int, asset: str, decimals: Mapping[str, int]) -> str:
    """``74,962.5 USDC``; bare base units when the asset's decimals are not known."""
    return f"{_decimal(amount, decimals.get(asset, 0))} {asset}"


def gwei(wei: int) -> str:
    """``28.706551239 gwei``."""
    return f"{_decimal(wei, _GWEI_DECIMALS)} gwei"


def _decimal(amount: int, places: int) -> str:
    """The exact number, without the zeros behind its last digit."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10**places)
    fraction = str(rest).rjust(places, "0").rstrip("0") if rest else ""
    return f"{sign}{whole:,}" + (f".{fraction}" if fraction else "")
