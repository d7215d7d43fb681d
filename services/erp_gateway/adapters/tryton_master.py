"""Reads master data and stock of Tryton: customers, addresses, availability, credit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gladhand.errors import NotFound
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.order.v1 import order_pb2
from logistics.type.v1 import place_pb2, reference_pb2
from services.erp_gateway.adapters.port import KnownPlace, OrderFacts
from services.erp_gateway.adapters.tryton_order import WAREHOUSE_REFERENCE, location
from services.erp_gateway.adapters.tryton_reading import read_addresses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_units import number, quantity
from services.erp_gateway.promising import Demand, left_after
from services.erp_gateway.translation import money, reference_value

_EVEN_CLOSED = {"active_test": False}


class MasterReader:
    """Master data of one ERP instance. ``today`` tells the ERP's date, real time and not the mesh's."""

    def __init__(self, session: TrytonSession, instance: str) -> None:
        self._session = session
        self._instance = instance
        self._has_credit: bool | None = None

    async def order_facts(self, order: order_pb2.Order, today: dt.date) -> OrderFacts:
        """What is needed to validate an order."""
        code = reference_value(order.customer.references, reference_pb2.REFERENCE_TYPE_PARTY)
        party = await self._party(code)
        sale = await self._sale(order)
        warehouse = reference_value(order.ship_from.references, reference_pb2.REFERENCE_TYPE_OTHER, WAREHOUSE_REFERENCE)
        skus = list(dict.fromkeys(line.sku for line in order.lines))
        stock = await self._stock(warehouse, skus, today)
        return OrderFacts(
            customer_active=None if party is None else bool(party["active"]),
            places=await self._places(order),
            available=_available(skus, stock, None if sale is None else sale["id"]),
            credit_limit=(party or {}).get("credit_limit_amount"),
            credit_used=(party or {}).get("credit_amount") or Decimal(0),
            references=tuple(
                reference_pb2.ExternalReference(
                    system=self._instance,
                    type=reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER,
                    value=shipment["number"],
                )
                for shipment in (sale or {}).get("shipments.") or []
                if shipment["number"] and shipment["state"] != "cancelled"
            ),
        )

    async def customer(self, code: str) -> erp.Customer:
        """A customer's master record. Raises NotFound."""
        row = await self._party(code)
        if row is None:
            raise NotFound(
                "customer", code, message=f"the ERP has no customer {code!r}", reason="CUSTOMER_UNKNOWN",
                metadata={"customer": code},
            )  # fmt: skip
        company = await self._company()
        addresses = await read_addresses(self._session, row["addresses"])
        party = erp.Customer(code=code, active=bool(row["active"]))
        party.party.name = row["name"] or code
        party.party.references.add(system=self._instance, type=reference_pb2.REFERENCE_TYPE_PARTY, value=row["code"])
        party.party.email = next((m["value"] for m in row["contact_mechanisms."] or [] if m["type"] == "email"), "")
        if row.get("credit_limit_amount") is not None:
            party.credit_limit.CopyFrom(money(row["credit_limit_amount"], company["currency."]["code"]))
        invoicing = {a["id"] for a in row["addresses."] or [] if a["invoice"] and not a["delivery"]}
        party.delivery_locations.extend(
            location(address, company["timezone"] or "UTC", self._instance)
            for address in addresses.values()
            if address.id not in invoicing
        )
        return party

    async def availability(self, warehouse: str, skus: Sequence[str], today: dt.date) -> list[erp.Availability]:
        """What a warehouse can supply. Raises NotFound for the warehouse."""
        stock = await self._stock(warehouse, skus, today)
        if stock is None:
            raise NotFound(
                "warehouse", warehouse, message=f"the ERP has no warehouse {warehouse!r}",
                reason="ERP_DOCUMENT_NOT_FOUND", metadata={"reference": warehouse},
            )  # fmt: skip
        left = _available(skus, stock, None)
        answer = []
        for sku in skus:
            amount = left[sku]
            entry = erp.Availability(sku=sku, known=amount is not None)
            if amount is not None:
                entry.available.CopyFrom(quantity(max(amount, Decimal(0)), stock.units[sku]))
            answer.append(entry)
        return answer

    async def _party(self, code: str) -> dict[str, Any] | None:
        if not code:
            return None
        fields = [
            "name", "code", "active", "addresses", "addresses.invoice", "addresses.delivery",
            "contact_mechanisms.type", "contact_mechanisms.value",
        ]  # fmt: skip
        if await self._credit_is_kept():
            fields += ["credit_limit_amount", "credit_amount"]
        rows = await self._session.search_read("party.party", [("code", "=", code)], fields, context=_EVEN_CLOSED)
        return rows[0] if rows else None

    async def _credit_is_kept(self) -> bool:
        if self._has_credit is None:
            fields = await self._session.model("party.party", "fields_get", [])
            self._has_credit = "credit_limit_amount" in fields
        return self._has_credit

    async def _company(self) -> dict[str, Any]:
        (row,) = await self._session.read(
            "company.company", [self._session.context["company"]], ["timezone", "currency.code"]
        )
        return row

    async def _sale(self, order: order_pb2.Order) -> dict[str, Any] | None:
        number = reference_value(order.references, reference_pb2.REFERENCE_TYPE_SALES_ORDER)
        rows = await self._session.search_read(
            "sale.sale", [("number", "=", number)], ["shipments.number", "shipments.state"], limit=1
        )
        return rows[0] if rows else None

    async def _places(self, order: order_pb2.Order) -> dict[str, KnownPlace]:
        places: list[place_pb2.Location] = [order.ship_from, order.ship_to, *(line.ship_to for line in order.lines)]
        names = {reference_value(place.references, reference_pb2.REFERENCE_TYPE_ADDRESS) for place in places}
        wanted = sorted(int(name) for name in names if name.isdecimal())
        found = await self._session.search_read(
            "party.address",
            [("id", "in", wanted)],
            ["party.code", "contact_mechanisms.value"],
        )
        return {
            str(row["id"]): KnownPlace(
                party_code=row["party."]["code"] or "",
                has_point=any((m["value"] or "").startswith("geo:") for m in row["contact_mechanisms."] or []),
            )
            for row in found
        }

    async def _stock(self, warehouse: str, skus: Sequence[str], today: dt.date) -> _Stock | None:
        locations = await self._session.search_read(
            "stock.location", [("type", "=", "warehouse"), ("code", "=", warehouse)], ["id"], limit=1
        )
        if not locations:
            return None
        warehouse_id = locations[0]["id"]
        # tomorrow, so that no time zone hides today's stock; future supplies are not counted by "quantity"
        context = {"locations": [warehouse_id], "with_childs": True, "stock_date_end": today + dt.timedelta(days=1)}
        products = await self._session.search_read(
            "product.product", [("code", "in", list(skus))], ["code", "quantity", "default_uom.symbol"], context=context
        )
        moves = await self._session.search_read(
            "stock.move",
            [
                ("product.code", "in", list(skus)),
                ("state", "in", ["draft", "assigned"]),
                ("from_location", "child_of", [warehouse_id], "parent"),
                ("to_location.type", "=", "customer"),
                ("shipment", "!=", None),
            ],
            ["product.code", "internal_quantity", "sale"],
        )
        return _Stock(
            on_hand={row["code"]: number(row["quantity"] or 0) for row in products},
            units={row["code"]: row["default_uom."]["symbol"] for row in products},
            demands=[
                Demand(row["sale"] or 0, row["product."]["code"], number(row["internal_quantity"] or 0))
                for row in moves
            ],
        )


class _Stock:
    """Stock and needs of one warehouse."""

    def __init__(self, on_hand: dict[str, Decimal], units: dict[str, str], demands: list[Demand]) -> None:
        self.on_hand = on_hand
        self.units = units
        self.demands = demands


def _available(skus: Sequence[str], stock: _Stock | None, before_sale: int | None) -> dict[str, Decimal | None]:
    if stock is None:
        return dict.fromkeys(skus)
    left = left_after(stock.on_hand, stock.demands, before_sale)
    return {sku: left.get(sku) for sku in skus}
