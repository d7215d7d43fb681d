"""What the adapter reads of Tryton, as frozen values: one snapshot holds all that one order is made of (pure)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class AddressRow:
    """A postal address; ``geo`` is the RFC 5870 URI of its position, None where the ERP has none."""

    id: int
    party: int
    name: str
    street: str
    city: str
    subdivision: str
    postal_code: str
    country: str
    geo: str | None


@dataclass(frozen=True, slots=True)
class WarehouseRow:
    """A warehouse; ``storage`` is the location that its stock is counted in."""

    id: int
    code: str
    name: str
    address: int | None


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product with its measures per default unit."""

    id: int
    code: str
    name: str
    type: str
    weight: float | None
    weight_unit: str | None
    volume: float | None
    volume_unit: str | None


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line of a sale."""

    id: int
    product: ProductRow | None
    quantity: Decimal
    unit: str
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class MoveRow:
    """An outgoing move: goods of one sale line in one shipment."""

    id: int
    line: int
    shipment: int
    quantity: Decimal
    unit: str
    state: str


@dataclass(frozen=True, slots=True)
class ShipmentRow:
    """A customer shipment."""

    id: int
    number: str | None
    reference: str | None
    state: str
    address: int
    effective_date: dt.date | None


@dataclass(frozen=True, slots=True)
class SaleSnapshot:
    """A sale with its lines, moves, shipments and addresses, read in one go; ``stamp`` is the newest change of any."""

    id: int
    number: str | None
    reference: str | None
    state: str
    shipment_state: str
    description: str
    comment: str
    shipping_date: dt.date | None
    currency: str
    time_zone: str
    party: int
    party_code: str | None
    party_name: str
    warehouse: WarehouseRow | None
    shipment_address: int | None
    stamp: dt.datetime
    lines: tuple[LineRow, ...]
    moves: tuple[MoveRow, ...]
    shipments: tuple[ShipmentRow, ...]
    addresses: dict[int, AddressRow]
