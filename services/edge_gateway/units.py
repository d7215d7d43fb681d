"""Units of outside systems, turned into those of the contract (domain reference 2.0, units trap table) (pure)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from logistics.type.v1 import Quantity

__all__ = ["KNOT_MPS", "heading_deg", "knots_to_mps", "quantity"]

KNOT_MPS: Final = 1852 / 3600
"""One knot in metres per second. OsmAnd's form and Traccar report speed in knots."""

_FRACTION = Decimal("0.000000001")
_LARGEST = Decimal(10) ** 18


def knots_to_mps(knots: float) -> float:
    """Return a speed in metres per second, to the millimetre, so that the same report has the same content."""
    return round(knots * KNOT_MPS, 3)


def heading_deg(degrees: float) -> float:
    """Return a direction as 0 <= d < 360; devices also send 360 and more."""
    turned = degrees % 360.0
    return 0.0 if turned >= 360.0 else turned  # the remainder of a tiny negative number rounds up to 360


def quantity(value: float, unit_code: str) -> Quantity | None:
    """Return a measured value as a decimal with at most nine digits behind the point; None where it has none."""
    exact = Decimal(repr(float(value)))
    if not exact.is_finite() or abs(exact) >= _LARGEST:
        return None
    text = format(exact.quantize(_FRACTION).normalize(), "f")
    return Quantity(value="0" if text in {"-0", ""} else text, unit_code=unit_code)
