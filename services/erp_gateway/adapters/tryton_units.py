"""Tryton's units and numbers in the contract's terms: UN/ECE Recommendation 20 codes, decimal strings, SI units (pure).

Tryton sends quantities as JSON floats; ``Decimal(str(x))`` gives back the shortest decimal that the float stands for,
which is what the clerk typed.
"""

from __future__ import annotations

from decimal import Decimal

from logistics.type.v1 import quantity_pb2
from services.erp_gateway.translation import plain

_REC20 = {
    "u": "C62",
    "g": "GRM",
    "kg": "KGM",
    "t": "TNE",
    "lb": "LBR",
    "oz": "ONZ",
    "l": "LTR",
    "m³": "MTQ",
    "m": "MTR",
    "h": "HUR",
    "d": "DAY",
}
_KILOGRAMS = {
    "g": Decimal("0.001"),
    "kg": Decimal(1),
    "t": Decimal(1000),
    "lb": Decimal("0.45359237"),
    "oz": Decimal("0.028349523125"),
}
_CUBIC_METRES = {
    "cm³": Decimal("0.000001"),
    "l": Decimal("0.001"),
    "m³": Decimal(1),
    "in³": Decimal("0.000016387064"),
    "ft³": Decimal("0.028316846592"),
    "gal": Decimal("0.003785411784"),
}


class UnknownUnitError(ValueError):
    """A unit symbol of the ERP that has no Recommendation 20 code here; the message names it and the remedy."""


def number(value: float | Decimal) -> Decimal:
    """A number of the ERP as an exact decimal."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def quantity(value: float | Decimal, symbol: str) -> quantity_pb2.Quantity:
    """An amount in a unit of the ERP. Raises ``UnknownUnitError``."""
    code = _REC20.get(symbol)
    if code is None:
        raise UnknownUnitError(
            f"the ERP's unit {symbol!r} has no UN/ECE Recommendation 20 code; sell in one of {sorted(_REC20)}"
        )
    return quantity_pb2.Quantity(value=plain(number(value)), unit_code=code)


def weight(per_unit: float | None, symbol: str | None, units: Decimal) -> quantity_pb2.Quantity | None:
    """The weight of ``units`` in KGM; None where the ERP knows none. Raises ``UnknownUnitError``."""
    return _measure(per_unit, symbol, units, _KILOGRAMS, "KGM")


def volume(per_unit: float | None, symbol: str | None, units: Decimal) -> quantity_pb2.Quantity | None:
    """The volume of ``units`` in MTQ; None where the ERP knows none. Raises ``UnknownUnitError``."""
    return _measure(per_unit, symbol, units, _CUBIC_METRES, "MTQ")


def _measure(
    per_unit: float | None, symbol: str | None, units: Decimal, factors: dict[str, Decimal], code: str
) -> quantity_pb2.Quantity | None:
    if per_unit is None or symbol is None:
        return None
    if symbol not in factors:
        raise UnknownUnitError(f"the ERP's unit {symbol!r} is not known for {code}; use one of {sorted(factors)}")
    return quantity_pb2.Quantity(value=plain(number(per_unit) * factors[symbol] * units), unit_code=code)
