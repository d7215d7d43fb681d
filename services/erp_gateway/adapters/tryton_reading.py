"""Reads sales from Tryton: a fixed number of calls for any number of sales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_snapshot import (
    AddressRow,
    LineRow,
    MoveRow,
    ProductRow,
    SaleSnapshot,
    ShipmentRow,
    WarehouseRow,
)
from services.erp_gateway.adapters.tryton_units import number

_SALE = (
    "number", "reference", "state", "shipment_state", "description", "comment", "shipping_date", "currency.code",
    "company.timezone", "party", "party.code", "party.name", "warehouse", "warehouse.code", "warehouse.name",
    "warehouse.address",
    "shipment_address", "last_modified_at", "lines", "shipments",
)  # fmt: skip
_LINE = (
    "sale", "type", "quantity", "unit.symbol", "unit_price", "product", "product.code", "product.name", "product.type",
    "product.weight", "product.weight_uom.symbol", "product.volume", "product.volume_uom.symbol", "last_modified_at",
)  # fmt: skip
_SHIPMENT = ("number", "reference", "state", "delivery_address", "effective_date", "outgoing_moves", "last_modified_at")
_MOVE = ("origin", "shipment", "quantity", "unit.symbol", "state", "last_modified_at")
_ADDRESS = (
    "party", "attn", "street", "city", "subdivision.code", "postal_code", "country.code", "contact_mechanisms.type",
    "contact_mechanisms.value",
)  # fmt: skip


async def read_sales(session: TrytonSession, ids: Sequence[int]) -> list[SaleSnapshot]:
    """Snapshots in the order of ``ids``; a sale that does not exist (any more) is left out."""
    # a search, because a read of one that is gone would fail as a whole
    found = await session.search_read("sale.sale", [("id", "in", list(ids))], _SALE) if ids else []
    sales = sorted(found, key=lambda row: ids.index(row["id"]))
    lines = await session.read("sale.line", _flat(sales, "lines"), _LINE)
    shipments = await session.read("stock.shipment.out", _flat(sales, "shipments"), _SHIPMENT)
    moves = await session.read("stock.move", _flat(shipments, "outgoing_moves"), _MOVE)
    wanted = {row["shipment_address"] for row in sales} | {row["delivery_address"] for row in shipments}
    wanted |= {(row.get("warehouse.") or {}).get("address") for row in sales}
    addresses = await read_addresses(session, sorted(wanted - {None}))
    return [_snapshot(sale, lines, shipments, moves, addresses) for sale in sales]


async def read_addresses(session: TrytonSession, ids: Sequence[int]) -> dict[int, AddressRow]:
    """Addresses by id, each with its position from a contact mechanism that holds a ``geo:`` URI."""
    return {row["id"]: address_row(row) for row in await session.read("party.address", ids, _ADDRESS)}


def address_row(row: dict[str, Any]) -> AddressRow:
    """One address as read with its contact mechanisms."""
    geos = [m["value"] for m in row.get("contact_mechanisms.") or [] if (m.get("value") or "").startswith("geo:")]
    return AddressRow(
        id=row["id"],
        party=row["party"],
        name=row["attn"] or "",
        street=row["street"] or "",
        city=row["city"] or "",
        subdivision=((row.get("subdivision.") or {}).get("code") or "").rpartition("-")[2],
        postal_code=row["postal_code"] or "",
        country=(row.get("country.") or {}).get("code") or "",
        geo=geos[0] if geos else None,
    )


def _flat(rows: Iterable[dict[str, Any]], field: str) -> list[int]:
    return sorted({record for row in rows for record in row[field]})


def _snapshot(
    sale: dict[str, Any],
    lines: list[dict[str, Any]],
    shipments: list[dict[str, Any]],
    moves: list[dict[str, Any]],
    addresses: dict[int, AddressRow],
) -> SaleSnapshot:
    own_shipments = [row for row in shipments if row["id"] in set(sale["shipments"])]
    move_ids = {move for row in own_shipments for move in row["outgoing_moves"]}
    warehouse = sale.get("warehouse.")
    return SaleSnapshot(
        id=sale["id"],
        number=sale["number"],
        reference=sale["reference"],
        state=sale["state"],
        shipment_state=sale["shipment_state"],
        description=sale["description"] or "",
        comment=sale["comment"] or "",
        shipping_date=sale["shipping_date"],
        currency=sale["currency."]["code"],
        time_zone=sale["company."]["timezone"] or "UTC",
        party=sale["party"],
        party_code=sale["party."]["code"],
        party_name=sale["party."]["name"] or f"Party {sale['party']}",
        warehouse=warehouse
        and WarehouseRow(sale["warehouse"], warehouse["code"] or "", warehouse["name"], warehouse["address"]),
        shipment_address=sale["shipment_address"],
        stamp=max(
            row["last_modified_at"]
            for row in (
                sale,
                *own_shipments,
                *(row for row in lines if row["sale"] == sale["id"]),
                *(row for row in moves if row["id"] in move_ids),
            )
        ),
        lines=tuple(
            _line(row) for record in sale["lines"] for row in lines if row["id"] == record and row["type"] == "line"
        ),
        moves=tuple(_move(row) for row in moves if row["id"] in move_ids and _is_of_line(row)),
        shipments=tuple(_shipment(row) for row in own_shipments),
        addresses=addresses,
    )


def _line(row: dict[str, Any]) -> LineRow:
    product = row.get("product.")
    return LineRow(
        id=row["id"],
        product=product
        and ProductRow(
            id=row["product"],
            code=product["code"] or "",
            name=product["name"],
            type=product["type"],
            weight=product["weight"],
            weight_unit=(product.get("weight_uom.") or {}).get("symbol"),
            volume=product["volume"],
            volume_unit=(product.get("volume_uom.") or {}).get("symbol"),
        ),
        quantity=number(row["quantity"] or 0),
        unit=(row.get("unit.") or {}).get("symbol") or "u",
        unit_price=row["unit_price"],
    )


def _is_of_line(row: dict[str, Any]) -> bool:
    return bool((row["origin"] or "").startswith("sale.line,") and row["shipment"])


def _move(row: dict[str, Any]) -> MoveRow:
    return MoveRow(
        id=row["id"],
        line=int(row["origin"].partition(",")[2]),
        shipment=int(row["shipment"].partition(",")[2]),
        quantity=number(row["quantity"] or 0),
        unit=(row.get("unit.") or {}).get("symbol") or "u",
        state=row["state"],
    )


def _shipment(row: dict[str, Any]) -> ShipmentRow:
    return ShipmentRow(
        id=row["id"],
        number=row["number"],
        reference=row["reference"],
        state=row["state"],
        address=row["delivery_address"],
        effective_date=row["effective_date"],
    )
