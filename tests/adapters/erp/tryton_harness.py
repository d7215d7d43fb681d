"""The real Tryton as an ERP under test: its own users sell and look through RPC, the adapter through a lossy relay."""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from deploy.tryton.credentials import Credentials
from deploy.tryton.denver import CUSTOMERS
from deploy.tryton.layout import DATABASE, Home
from deploy.tryton.order_desk import OrderDesk, SaleLine, SaleRequest
from deploy.tryton.server import Server
from services.erp_gateway.adapters.tryton import TrytonAdapter, TrytonOptions
from services.erp_gateway.adapters.tryton_press import PressPolicy
from services.erp_gateway.adapters.tryton_rpc import TrytonLogin
from tests.adapters.erp.harness import CUSTOMER, INSTANCE, REGION, WAREHOUSE, Books, Line
from tests.adapters.erp.lossy import LossyRelay

_LAST_STEP = {
    "dispatch": b'"model.ir.note.create"',
    "delivery": b'"model.stock.shipment.out.do"',
    "invoice": b'"model.account.invoice.post"',
}
_references = (f"PO-{os.getpid()}-{at}" for at in itertools.count(1))


@dataclass
class TrytonUnderTest:
    """A running server, its home and its passwords."""

    home: Home
    server: Server
    passwords: Credentials


def login(under_test: TrytonUnderTest, url: str, user: str = "gateway", timeout_s: float = 30.0) -> TrytonLogin:
    password = getattr(under_test.passwords, user)
    return TrytonLogin(url, DATABASE, user, password, timeout_s=timeout_s)


def adapter_at(under_test: TrytonUnderTest, url: str, timeout_s: float = 30.0) -> TrytonAdapter:
    options = TrytonOptions(
        instance=INSTANCE, region=REGION, thorough_s=0.0, queue_wait_s=0.5, press=PressPolicy(doubt_s=3.0, watch_s=8.0)
    )
    return TrytonAdapter(login(under_test, url, timeout_s=timeout_s), options)


class TrytonHarness:
    def __init__(self, under_test: TrytonUnderTest, relay: LossyRelay) -> None:
        self.server = under_test.server
        self.relay = relay
        self.admin = login(under_test, under_test.server.url, "admin")
        self.adapter = adapter_at(under_test, relay.url)
        self.desk = OrderDesk(under_test.server.url, DATABASE, under_test.passwords.order_clerk)

    async def close(self) -> None:
        await self.adapter.close()
        await self.desk.session.close()

    async def place(
        self, lines: Sequence[Line], *, customer: str = CUSTOMER.code, warehouse: str = WAREHOUSE, confirm: bool = True
    ) -> str:
        request = self.request(lines, customer=customer, warehouse=warehouse)
        return str((await self.desk.place(request)).sale_id if confirm else await self.desk.draft(request))

    def request(
        self, lines: Sequence[Line], *, customer: str = CUSTOMER.code, warehouse: str = WAREHOUSE
    ) -> SaleRequest:
        usual = next(c for c in CUSTOMERS if c.code == customer).deliveries[0]
        return SaleRequest(
            customer,
            next(_references),
            warehouse,
            tuple(
                SaleLine(
                    line.sku, Decimal(line.quantity), line.place.name if line.place and line.place != usual else None
                )
                for line in lines
            ),
            dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1),
        )

    async def change(self, sale: str, sku: str, quantity: int) -> None:
        await self.desk.change_quantity(int(sale), sku, Decimal(quantity))

    async def withdraw(self, sale: str) -> None:
        (row,) = await self.desk.session.read("sale.sale", [int(sale)], ["shipments"])
        await self.desk.session.model("stock.shipment.out", "cancel", row["shipments"])

    async def books(self, sale: str) -> Books:
        session = self.desk.session
        (row,) = await session.read("sale.sale", [int(sale)], ["shipments", "invoices.state", "invoices.number"])
        shipments = await session.read("stock.shipment.out", row["shipments"], ["state", "reference", "outgoing_moves"])
        moves = await session.read(
            "stock.move",
            [move for s in shipments if s["state"] == "done" for move in s["outgoing_moves"]],
            ["product.code", "quantity", "state"],
        )
        delivered: dict[str, int] = {}
        for move in moves:
            if move["state"] == "done":
                code = move["product."]["code"]
                delivered[code] = delivered.get(code, 0) + int(move["quantity"])
        invoices = [invoice for invoice in row["invoices."] or [] if invoice["state"] != "cancelled"]
        return Books(
            delivered=delivered,
            waiting=sum(s["state"] not in ("done", "cancelled") for s in shipments),
            references=tuple(s["reference"] for s in shipments if s["reference"]),
            posted=tuple(i["number"] for i in invoices if i["state"] in ("posted", "paid")),
            invoices=len(invoices),
        )

    def lose_answer_of(self, work: str) -> None:
        self.relay.lose(_LAST_STEP[work])
