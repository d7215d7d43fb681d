"""Weights, volumes and capacities in whole grams and cubic centimetres, never through a float."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Final

from logistics.fleet.v1 import Vehicle
from logistics.fleet.v1.vehicle_pb2 import CAPACITY_DIMENSION_VOLUME, CAPACITY_DIMENSION_WEIGHT
from logistics.order.v1 import OrderLine
from logistics.type.v1 import Quantity
from services.fleet_gateway.planner.port import UNLIMITED

_GRAMS: Final = {"KGM": Decimal(1000), "GRM": Decimal(1), "TNE": Decimal(1_000_000), "LBR": Decimal("453.59237")}
_CUBIC_CENTIMETRES: Final = {"MTQ": Decimal(1_000_000), "LTR": Decimal(1000), "DMQ": Decimal(1000), "CMQ": Decimal(1)}
_UNITS: Final = {CAPACITY_DIMENSION_WEIGHT: _GRAMS, CAPACITY_DIMENSION_VOLUME: _CUBIC_CENTIMETRES}


class DemandInvalid(ValueError):
    """A quantity is negative, no number, or in a unit that does not measure its dimension."""


def _whole(quantity: Quantity, units: dict[str, Decimal], rounding: str, field: str) -> int:
    factor = units.get(quantity.unit_code)
    if factor is None:
        known = ", ".join(units)
        raise DemandInvalid(f"{field}.unit_code is {quantity.unit_code!r}; give it in one of {known}")
    try:
        value = Decimal(quantity.value)
    except InvalidOperation:
        raise DemandInvalid(f"{field}.value {quantity.value!r} is no decimal number") from None
    if not value.is_finite() or value < 0:
        raise DemandInvalid(f"{field}.value is {quantity.value}; it must not be negative")
    return int((value * factor).to_integral_value(rounding))


def amount_of(lines: Iterable[OrderLine]) -> tuple[int, int]:
    """Return the weight and volume of order lines, rounded up; what a line does not tell counts as zero.

    Raises DemandInvalid naming the line and the field.
    """
    grams = cubic_centimetres = 0
    for line in lines:
        if line.HasField("weight"):
            grams += _whole(line.weight, _GRAMS, ROUND_CEILING, f"line {line.line_id}: weight")
        if line.HasField("volume"):
            cubic_centimetres += _whole(line.volume, _CUBIC_CENTIMETRES, ROUND_CEILING, f"line {line.line_id}: volume")
    return grams, cubic_centimetres


def weight_of(quantity: Quantity) -> int:
    """Return a weight in grams, rounded up. Raises DemandInvalid."""
    return _whole(quantity, _GRAMS, ROUND_CEILING, "weight")


def volume_of(quantity: Quantity) -> int:
    """Return a volume in cubic centimetres, rounded up. Raises DemandInvalid."""
    return _whole(quantity, _CUBIC_CENTIMETRES, ROUND_CEILING, "volume")


def capacity_of(vehicle: Vehicle) -> tuple[int, int]:
    """Return what a vehicle holds, rounded down; a dimension that it does not give is not limited.

    Raises DemandInvalid naming the field.
    """
    room = {CAPACITY_DIMENSION_WEIGHT: UNLIMITED, CAPACITY_DIMENSION_VOLUME: UNLIMITED}
    for index, capacity in enumerate(vehicle.capacities):
        units = _UNITS.get(capacity.dimension)
        if units is not None:
            whole = _whole(capacity.quantity, units, ROUND_FLOOR, f"capacities[{index}].quantity")
            room[capacity.dimension] = min(whole, UNLIMITED)
    return room[CAPACITY_DIMENSION_WEIGHT], room[CAPACITY_DIMENSION_VOLUME]
