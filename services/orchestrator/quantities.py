"""Exact arithmetic on quantities of the contract (pure).

A quantity is a decimal string with a unit; an unset one counts as zero. Nothing here rounds: eighteen digits before the
point, nine behind it and any sum of them fit the precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal

from logistics.type.v1 import Quantity

ZERO = Decimal(0)
_EXACT = Context(prec=60)


class UnitMismatch(ValueError):
    """Two quantities that were to be reckoned together have different units."""


def decimal_of(quantity: Quantity) -> Decimal:
    """Return the number of a quantity; an unset one is zero. Raises decimal.InvalidOperation on what is no number."""
    return Decimal(quantity.value) if quantity.value else ZERO


def quantity_of(value: Decimal, unit_code: str) -> Quantity:
    """Return a quantity in its shortest spelling: no exponent, no zeros at the end."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return Quantity(value="0" if text in {"-0", ""} else text, unit_code=unit_code)


def total(values: Iterable[Decimal]) -> Decimal:
    """Return the exact sum; zero for none."""
    result = ZERO
    for value in values:
        result = _EXACT.add(result, value)
    return result


def difference(minuend: Decimal, subtrahend: Decimal) -> Decimal:
    """Return the exact difference."""
    return _EXACT.subtract(minuend, subtrahend)


def is_zero(quantity: Quantity) -> bool:
    """Return whether a quantity is zero or unset."""
    return decimal_of(quantity) == ZERO


def same(one: Quantity, other: Quantity) -> bool:
    """Return whether two quantities are the same amount: 1.0 is 1, and zero has no unit. Others need the same unit."""
    number = decimal_of(one)
    return number == decimal_of(other) and (number == ZERO or one.unit_code == other.unit_code)


def in_unit(quantity: Quantity, unit_code: str) -> Decimal:
    """Return the number of a quantity that must be of a unit; zero and unset are of any. Raises UnitMismatch."""
    number = decimal_of(quantity)
    if number != ZERO and quantity.unit_code != unit_code:
        raise UnitMismatch(f"{quantity.value} {quantity.unit_code} is not in {unit_code}")
    return number
