"""Warehouses with their addresses, products with weights, and the stock in each warehouse."""

from __future__ import annotations

import datetime as dt

from deploy.tryton.denver import PRODUCTS, WAREHOUSES, Place, Warehouse
from deploy.tryton.seed_ledger import Company, Ledger, module_record
from services.erp_gateway.adapters.tryton_rpc import TrytonSession


async def create_address(session: TrytonSession, company: Company, party: int, place: Place, **kind: bool) -> int:
    """An address with its position.

    Tryton 8.2 has no coordinates on an address, so the position is a contact mechanism of type "other", named
    "Position", on the address, holding an RFC 5870 ``geo:`` URI; the gateway reads it there.
    """
    (address,) = await session.create(
        "party.address",
        {
            "party": party,
            "party_name": None,
            "attn": place.name,
            "street_unstructured": place.street,
            "postal_code": place.postal_code,
            "city": place.city,
            "country": company.country,
            "subdivision": company.subdivision,
            **kind,
        },
    )
    if place.geo_uri is not None:
        await session.create(
            "party.contact_mechanism",
            {"party": party, "address": address, "type": "other", "name": "Position", "value": place.geo_uri},
        )
    return address


async def seed_warehouses(session: TrytonSession, company: Company) -> dict[str, int]:
    """The warehouses by code. The first one is the warehouse that Tryton ships, renamed."""
    shipped = await module_record(session, "stock", "location_warehouse")
    ids: dict[str, int] = {}
    for warehouse in WAREHOUSES:
        ids[warehouse.code] = shipped if not ids else await _create_warehouse(session, warehouse)
        address = await create_address(session, company, company.party, warehouse.place, delivery=True)
        await session.write(
            "stock.location",
            [ids[warehouse.code]],
            {"name": warehouse.name, "code": warehouse.code, "address": address},
        )
    return ids


async def _create_warehouse(session: TrytonSession, warehouse: Warehouse) -> int:
    types = {"input": "storage", "storage": "storage", "output": "storage", "lost and found": "lost_found"}
    parts = await session.create(
        "stock.location",
        *({"name": f"{part.title()} {warehouse.code}", "type": kind} for part, kind in types.items()),
    )
    (created,) = await session.create(
        "stock.location",
        {
            "name": warehouse.name,
            "type": "warehouse",
            "input_location": parts[0],
            "storage_location": parts[1],
            "output_location": parts[2],
            "lost_found_location": parts[3],
        },
    )
    return created


async def seed_products(session: TrytonSession, ledger: Ledger) -> dict[str, int]:
    """The products by code."""
    unit = await module_record(session, "product", "uom_unit")
    kilogram = await module_record(session, "product", "uom_kilogram")
    litre = await module_record(session, "product", "uom_liter")
    templates = await session.create(
        "product.template",
        *(
            {
                "name": product.name,
                "code": product.code,
                "type": "goods",
                "default_uom": unit,
                "salable": True,
                "sale_uom": unit,
                "list_price": product.price,
                "account_category": ledger.category,
                "cost_price_method": "fixed",
                "weight": float(product.weight_kg),
                "weight_uom": kilogram,
                "volume": float(product.volume_l),
                "volume_uom": litre,
                "products": [["create", [{"cost_price": (product.price * 6) / 10}]]],
            }
            for product in PRODUCTS
        ),
    )
    rows = await session.search_read("product.product", [("template", "in", templates)], ["code"])
    return {row["code"]: row["id"] for row in rows}


async def seed_stock(
    session: TrytonSession, company: Company, warehouses: dict[str, int], products: dict[str, int], today: dt.date
) -> None:
    """One confirmed inventory per warehouse, dated the first of the year so that no time zone can hide it."""
    for code, warehouse in warehouses.items():
        (row,) = await session.read("stock.location", [warehouse], ["storage_location"])
        lines = [
            {"product": products[product.code], "quantity": float(product.stock[code])}
            for product in PRODUCTS
            if code in product.stock
        ]
        (inventory,) = await session.create(
            "stock.inventory",
            {
                "location": row["storage_location"],
                "company": company.company,
                "date": dt.date(today.year, 1, 1),
                "empty_quantity": "keep",
                "lines": [["create", lines]],
            },
        )
        await session.model("stock.inventory", "confirm", [inventory])
