"""Money in whole billionths, so that sums are exact."""

from __future__ import annotations

from logistics.type.v1 import Money

NANOS = 1_000_000_000
"""Billionths of a currency unit in one unit."""


def nanos_of(money: Money) -> int:
    """Return an amount in billionths of its currency."""
    return money.units * NANOS + money.nanos


def money_of(currency: str, nanos: int) -> Money:
    """Return billionths of a currency as an amount."""
    sign = -1 if nanos < 0 else 1
    units, rest = divmod(abs(nanos), NANOS)
    return Money(currency=currency, units=sign * units, nanos=sign * rest)
