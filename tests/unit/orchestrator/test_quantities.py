"""Quantities are decimals, exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from logistics.type.v1 import Quantity
from services.orchestrator.quantities import (
    UnitMismatch,
    decimal_of,
    difference,
    in_unit,
    is_zero,
    quantity_of,
    same,
    total,
)


def kilos(value: str) -> Quantity:
    return Quantity(value=value, unit_code="KGM")


@pytest.mark.parametrize(
    ("number", "text"),
    [("10", "10"), ("10.500", "10.5"), ("0.000", "0"), ("-0", "0"), ("1E+3", "1000"), ("1E-9", "0.000000001")],
)
def test_a_quantity_is_written_in_its_shortest_form(number: str, text: str) -> None:
    assert quantity_of(Decimal(number), "KGM") == kilos(text)


def test_unset_counts_as_zero_and_zero_has_no_unit() -> None:
    assert is_zero(Quantity())
    assert same(Quantity(), kilos("0.00"))
    assert same(kilos("1.0"), kilos("1"))
    assert not same(kilos("1"), Quantity(value="1", unit_code="C62"))


def test_sums_keep_every_digit() -> None:
    large, small = decimal_of(kilos("999999999999999999")), decimal_of(kilos("0.000000001"))
    assert total([large] * 1000 + [small]) == Decimal("999999999999999999000.000000001")
    assert difference(large, small) == Decimal("999999999999999998.999999999")
    assert total([]) == 0


def test_units_do_not_mix() -> None:
    assert in_unit(Quantity(), "C62") == 0
    with pytest.raises(UnitMismatch, match="is not in C62"):
        in_unit(kilos("2"), "C62")
