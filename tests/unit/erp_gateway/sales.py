"""Snapshots for tests: a sale of ten and four at two addresses."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from services.erp_gateway.adapters.tryton_snapshot import (
    AddressRow,
    LineRow,
    MoveRow,
    ProductRow,
    SaleSnapshot,
    ShipmentRow,
    WarehouseRow,
)

USUAL, OTHER, DEPOT = 7, 8, 2


def address(record: int, name: str, geo: str | None = "geo:39.7,-104.9") -> AddressRow:
    return AddressRow(record, 3, name, "610 Josephine Street\nDock 2", "Denver", "CO", "80206", "US", geo)


def product(record: int, code: str, weight: float | None = 12.5) -> ProductRow:
    return ProductRow(record, code, code.title(), "goods", weight, "kg", 18.0, "l")


def line(record: int, code: str, quantity: str) -> LineRow:
    return LineRow(record, product(record, code), Decimal(quantity), "u", Decimal("9.6000"))


def move(record: int, of_line: int, shipment: int, quantity: str, state: str = "draft") -> MoveRow:
    return MoveRow(record, of_line, shipment, Decimal(quantity), "u", state)


def shipment(record: int, where: int = USUAL, state: str = "waiting") -> ShipmentRow:
    return ShipmentRow(record, f"S{record}", None, state, where, None)


SALE = SaleSnapshot(
    id=5,
    number="S-17",
    reference="PO-1",
    state="processing",
    shipment_state="waiting",
    description="",
    comment="Ring twice",
    shipping_date=dt.date(2026, 1, 6),
    currency="USD",
    time_zone="America/Denver",
    party=3,
    party_code="C1002",
    party_name="Congress Park Outfitters",
    warehouse=WarehouseRow(1, "HAM", "Hampden", DEPOT),
    shipment_address=USUAL,
    stamp=dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC),
    lines=(line(11, "WATER24", "10"), line(12, "COFFEE5", "4")),
    moves=(move(101, 11, 1, "10"), move(102, 12, 2, "4")),
    shipments=(shipment(1), shipment(2, OTHER)),
    addresses={USUAL: address(USUAL, "Store"), OTHER: address(OTHER, "Annex"), DEPOT: address(DEPOT, "Depot")},
)


def with_(**changes: object) -> SaleSnapshot:
    return replace(SALE, **changes)  # type: ignore[arg-type]
