"""What an order clerk does in Tryton, as the ``order_clerk`` user over RPC: take a sale to "processing".

One sale may go to several delivery addresses. Tryton 8.2 has one delivery address per sale but one per *shipment*, so
the clerk confirms, sets the shipment back to draft, splits off the moves of the other address (wizard
``stock.shipment.split``), writes the address on the new shipment, and releases both again.

A delivery window has no field of its own in Tryton either; the clerk writes it into the sale's description as an
ISO 8601 interval, which the gateway reads.

Every step first looks at what is there, so that ``place`` may be repeated after a crash or an unknown outcome: an order
is known by its reference (the customer's purchase order number), one sale per customer and reference.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from services.erp_gateway.adapters.tryton_errors import AmbiguousError, BusyError, NotSentError
from services.erp_gateway.adapters.tryton_press import Presses, PressPolicy
from services.erp_gateway.adapters.tryton_rpc import TrytonLogin, TrytonSession, WizardForm

_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class UnknownNameError(Exception):
    """A customer, product, warehouse or address that the ERP does not have; the message names it."""


@dataclass(frozen=True, slots=True)
class SaleLine:
    """``quantity`` sales units of a product. ``deliver_to`` names an address (its "attn"); None: the usual one."""

    product: str
    quantity: Decimal
    deliver_to: str | None = None


@dataclass(frozen=True, slots=True)
class SaleRequest:
    """A customer's order. ``window`` is the wanted delivery time (aware); None: the whole of ``shipping_date``."""

    customer: str
    reference: str
    warehouse: str
    lines: tuple[SaleLine, ...]
    shipping_date: dt.date
    window: tuple[dt.datetime, dt.datetime] | None = None
    deliver_to: str | None = None


@dataclass(frozen=True, slots=True)
class PlacedSale:
    """A sale in the ERP: its id, number and state ("processing" when all went well)."""

    sale_id: int
    number: str
    state: str


@dataclass(frozen=True, slots=True)
class _Customer:
    party: int
    payment_term: int
    billing: int
    addresses: dict[str, int]
    usual: int


class OrderDesk:
    """A clerk's session. Use as an async context manager."""

    def __init__(
        self, url: str, database: str, password: str, user: str = "order_clerk", trust: ssl.SSLContext | None = None
    ) -> None:
        self.session = TrytonSession(TrytonLogin(url, database, user, password, trust=trust))
        self._presses = Presses(self.session, PressPolicy())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def place(self, request: SaleRequest) -> PlacedSale:
        """Create, quote and confirm the sale, and send lines to their addresses. Repeating it changes nothing.

        An ERP that is busy or restarting is waited for, about half a minute. A sale that comes back as "confirmed" was
        not processed yet: place it again later. Raises ``UnknownNameError``, the ``UserError`` of the ERP, e.g. for an
        exceeded credit limit, or the last trouble that waiting did not cure.
        """
        for pause in _PAUSES_S:
            try:
                async with self._presses.only(request.reference):
                    return await self._place(request)
            except (AmbiguousError, BusyError, NotSentError):
                await asyncio.sleep(pause)
        async with self._presses.only(request.reference):
            return await self._place(request)

    async def _place(self, request: SaleRequest) -> PlacedSale:
        customer = await self._customer(request.customer)
        sale_id = await self._entered(request, customer)
        await self._advance(sale_id)
        await self._send_to_addresses(sale_id, request, customer)
        return await self._placed(sale_id)

    async def draft(self, request: SaleRequest) -> int:
        """Enter the sale and leave it a draft; return its id. Repeating it changes nothing."""
        return await self._entered(request, await self._customer(request.customer))

    async def _entered(self, request: SaleRequest, customer: _Customer) -> int:
        found = await self.find(request.customer, request.reference)
        if found is not None:
            return found
        values = await self._sale_values(request, customer)
        try:
            (sale_id,) = await self.session.create("sale.sale", values)
        except AmbiguousError:
            found = await self.find(request.customer, request.reference)
            if found is None:
                raise
            return found
        return sale_id

    async def find(self, customer: str, reference: str) -> int | None:
        """The customer's sale with that reference; the oldest should several exist. Returns are not looked at."""
        domain = [("reference", "=", reference), ("party.code", "=", customer), ("origin", "=", None)]
        ids: list[int] = await self.session.model("sale.sale", "search", domain, 0, 1, [["id", "ASC"]])
        return ids[0] if ids else None

    async def change_quantity(self, sale_id: int, product: str, quantity: Decimal) -> None:
        """Change what will be delivered of a product, on the waiting shipment, as a clerk does after a phone call."""
        rows = await self.session.search_read(
            "stock.move",
            [("sale", "=", sale_id), ("product.code", "=", product), ("state", "=", "draft")],
            ["shipment"],
        )
        if not rows:
            raise UnknownNameError(f"sale {sale_id} has no open move of product {product!r}")
        shipment = int(rows[0]["shipment"].partition(",")[2])
        await self.session.model("stock.shipment.out", "draft", [shipment])
        await self.session.write("stock.move", [rows[0]["id"]], {"quantity": float(quantity)})
        await self.session.model("stock.shipment.out", "wait", [shipment])

    async def _placed(self, sale_id: int) -> PlacedSale:
        (row,) = await self.session.read("sale.sale", [sale_id], ["number", "state"])
        return PlacedSale(sale_id, row["number"], row["state"])

    async def _customer(self, code: str) -> _Customer:
        parties = await self.session.search_read("party.party", [("code", "=", code)], ["customer_payment_term"])
        if not parties:
            raise UnknownNameError(f"no customer {code!r}")
        party = parties[0]["id"]
        rows = await self.session.search_read(
            "party.address", [("party", "=", party)], ["attn", "invoice", "delivery"], order=[["id", "ASC"]]
        )
        delivery = [row for row in rows if not row["invoice"]]
        return _Customer(
            party=party,
            payment_term=parties[0]["customer_payment_term"],
            billing=next(row["id"] for row in rows if row["invoice"]),
            addresses={row["attn"]: row["id"] for row in delivery if row["attn"]},
            usual=next(row["id"] for row in delivery if row["delivery"]),
        )

    async def _sale_values(self, request: SaleRequest, customer: _Customer) -> dict[str, Any]:
        warehouses = await self.session.search_read(
            "stock.location", [("type", "=", "warehouse"), ("code", "=", request.warehouse)], ["id"]
        )
        if not warehouses:
            raise UnknownNameError(f"no warehouse {request.warehouse!r}")
        warehouse = warehouses[0]["id"]
        company = self.session.context["company"]
        (currency,) = await self.session.read("company.company", [company], ["currency"])
        lines = [
            await self._line_values(line, customer.party, warehouse, company, currency["currency"])
            for line in request.lines
        ]
        return {
            "party": customer.party,
            "invoice_address": customer.billing,
            "shipment_address": _address(customer, request.deliver_to),
            "payment_term": customer.payment_term,
            "reference": request.reference,
            "warehouse": warehouse,
            "shipping_date": request.shipping_date,
            "description": _window_text(request.window),
            "invoice_method": "fulfillment",
            "shipment_method": "order",
            "lines": [["create", lines]],
        }

    async def _line_values(
        self, line: SaleLine, party: int, warehouse: int, company: int, currency: int
    ) -> dict[str, Any]:
        """A create runs no on_change, so price, unit and taxes are asked for first (ERP reference A.4 rule 1)."""
        products = await self.session.search_read("product.product", [("code", "=", line.product)], ["id"])
        if not products:
            raise UnknownNameError(f"no product {line.product!r}")
        draft = {
            "id": -1,
            "type": "line",
            "product": products[0]["id"],
            "quantity": float(line.quantity),
            "unit": None,
            "unit_price": None,
            "taxes": [],
            "_parent_sale.id": -1,
            "_parent_sale.party": party,
            "_parent_sale.company": company,
            "_parent_sale.currency": currency,
            "_parent_sale.warehouse": warehouse,
            "_parent_sale.sale_date": None,
        }
        change = await self.session.model("sale.line", "on_change", draft, ["product"])
        taxes = [added["id"] for _, added in (change.get("taxes") or {}).get("add", [])]
        return {
            "type": "line",
            "product": products[0]["id"],
            "quantity": float(line.quantity),
            "unit": change["unit"],
            "unit_price": change["unit_price"],
            "taxes": [["add", taxes]],
        }

    async def _advance(self, sale_id: int) -> None:
        """Press the buttons that are still due; the state is read before and after each."""
        confirmed = {"confirmed", "processing", "done", "cancelled"}
        await self._presses.press("sale.sale", "quote", [sale_id], {"quotation", *confirmed})
        await self._presses.press("sale.sale", "confirm", [sale_id], confirmed)

    async def _send_to_addresses(self, sale_id: int, request: SaleRequest, customer: _Customer) -> None:
        by_address: dict[int, list[str]] = {}
        for line in request.lines:
            if line.deliver_to is not None:
                by_address.setdefault(_address(customer, line.deliver_to), []).append(line.product)
        (sale,) = await self.session.read("sale.sale", [sale_id], ["state", "shipment_address"])
        if not by_address or sale["state"] != "processing":
            return
        for address, products in by_address.items():
            if address != sale["shipment_address"]:
                await self._send_to(sale_id, products, address)
        drafts: list[int] = await self.session.model(
            "stock.shipment.out", "search", [("moves.sale", "=", sale_id), ("state", "=", "draft")], 0, None, None
        )
        if drafts:
            await self.session.model("stock.shipment.out", "wait", sorted(set(drafts)))

    async def _send_to(self, sale_id: int, products: Sequence[str], address: int) -> None:
        moves = await self._outgoing(sale_id, products)
        for shipment_id in sorted({int(move["shipment"].partition(",")[2]) for move in moves}):
            (shipment,) = await self.session.read(
                "stock.shipment.out", [shipment_id], ["state", "delivery_address", "outgoing_moves"]
            )
            if shipment["delivery_address"] == address:
                continue
            if shipment["state"] == "waiting":
                await self.session.model("stock.shipment.out", "draft", [shipment_id])
            wanted = [move["id"] for move in moves if move["shipment"] == f"stock.shipment.out,{shipment_id}"]
            if set(wanted) != set(shipment["outgoing_moves"]):
                await self._split_off(shipment_id, wanted)
            (moved,) = await self.session.read("stock.move", wanted[:1], ["shipment"])
            target = int(moved["shipment"].partition(",")[2])
            await self.session.write("stock.shipment.out", [target], {"delivery_address": address})

    async def _outgoing(self, sale_id: int, products: Sequence[str]) -> list[dict[str, Any]]:
        """The sale's open moves of the products that leave the warehouse (origin: a sale line)."""
        domain = [
            ("origin.sale", "=", sale_id, "sale.line"),
            ("product.code", "in", list(products)),
            ("state", "=", "draft"),
        ]
        rows = await self.session.search_read("stock.move", domain, ["shipment"])
        return [row for row in rows if row["shipment"]]

    async def _split_off(self, shipment_id: int, moves: Sequence[int]) -> None:
        async def steps(form: WizardForm) -> None:
            form.values["start"]["moves"] = list(moves)
            await form.go("split")

        await self.session.wizard("stock.shipment.split", steps, record=("stock.shipment.out", shipment_id))


def _address(customer: _Customer, name: str | None) -> int:
    if name is None:
        return customer.usual
    if name not in customer.addresses:
        raise UnknownNameError(f"the customer has no delivery address {name!r}; known: {sorted(customer.addresses)}")
    return customer.addresses[name]


def _window_text(window: tuple[dt.datetime, dt.datetime] | None) -> str | None:
    if window is None:
        return None
    start, end = (moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in window)
    return f"Deliver {start}/{end}"
