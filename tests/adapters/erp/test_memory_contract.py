from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from deploy.tryton.denver import CARRIERS, CUSTOMERS, PRODUCTS, WAREHOUSES, Place
from gladhand.testing import VirtualClock
from logistics.order.v1 import order_pb2
from logistics.type.v1 import place_pb2, reference_pb2
from services.erp_gateway.adapters.memory import MemoryAdapter
from services.erp_gateway.adapters.memory_erp import MemoryCustomer, MemoryErp
from services.erp_gateway.adapters.port import SaleCondition
from services.erp_gateway.translation import money
from tests.adapters.erp.afterwards import AfterwardsContract
from tests.adapters.erp.contract import ErpContract
from tests.adapters.erp.harness import CUSTOMER, INSTANCE, REGION, WAREHOUSE, Books, Line


def location(place: Place) -> place_pb2.Location:
    found = place_pb2.Location(
        name=place.name,
        references=[
            reference_pb2.ExternalReference(
                system=INSTANCE, type=reference_pb2.REFERENCE_TYPE_ADDRESS, value=place.code
            )
        ],
    )
    if place.latitude and place.longitude:
        found.point.latitude, found.point.longitude = float(place.latitude), float(place.longitude)
    return found


class MemoryHarness:
    def __init__(self) -> None:
        self.erp = MemoryErp(VirtualClock())
        self.adapter = MemoryAdapter(self.erp, INSTANCE)
        self.erp.warehouses = {warehouse.code: location(warehouse.place) for warehouse in WAREHOUSES}
        self.erp.products = {product.code for product in PRODUCTS}
        self.erp.stock = {(w, p.code): Decimal(n) for p in PRODUCTS for w, n in p.stock.items()}
        self.erp.afterwards.carriers = set(CARRIERS)
        for customer in CUSTOMERS:
            places = {place.code: location(place) for place in customer.deliveries}
            self.erp.customers[customer.code] = MemoryCustomer(customer.name, places)

    async def place(
        self, lines: Sequence[Line], *, customer: str = CUSTOMER.code, warehouse: str = WAREHOUSE, confirm: bool = True
    ) -> str:
        buyer = next(c for c in CUSTOMERS if c.code == customer)
        order = order_pb2.Order(erp_instance=INSTANCE, region=REGION, currency="USD")
        order.customer.name = buyer.name
        order.customer.references.add(system=INSTANCE, type=reference_pb2.REFERENCE_TYPE_PARTY, value=customer)
        order.ship_from.CopyFrom(self.erp.warehouses[warehouse])
        order.ship_to.CopyFrom(location(buyer.deliveries[0]))
        for at, line in enumerate(lines, start=1):
            product = next(p for p in PRODUCTS if p.code == line.sku)
            added = order.lines.add(line_id=str(at), sku=line.sku)
            added.quantities.ordered.value, added.quantities.ordered.unit_code = str(line.quantity), "C62"
            added.unit_price.CopyFrom(money(product.price, "USD"))
            if line.place is not None and line.place != buyer.deliveries[0]:
                added.ship_to.CopyFrom(location(line.place))
        return self.erp.place(order, confirmed=confirm)

    async def change(self, sale: str, sku: str, quantity: int) -> None:
        found = self.erp.touch(sale)
        for line in found.order.lines:
            if line.sku == sku:
                line.quantities.ordered.value = str(quantity)
                for delivery in found.deliveries:
                    if line.line_id in delivery.quantities:
                        delivery.quantities[line.line_id] = Decimal(quantity)

    async def withdraw(self, sale: str) -> None:
        self.erp.touch(sale).condition = SaleCondition.WITHDRAWN

    async def books(self, sale: str) -> Books:
        found = self.erp.sales[sale]
        sku_of = {line.line_id: line.sku for line in found.order.lines}
        done = [delivery for delivery in found.deliveries if delivery.state == "done"]
        invoice = found.invoice
        return Books(
            delivered={sku_of[line]: int(kept) for d in done for line, kept in d.quantities.items()},
            waiting=sum(delivery.state == "waiting" for delivery in found.deliveries),
            references=tuple(d.reference for d in found.deliveries if d.reference),
            posted=(invoice.number,) if invoice and invoice.posting_key else (),
            invoices=1 if invoice else 0,
        )

    def lose_answer_of(self, work: str) -> None:
        self.erp.answers_to_lose = 1


class TestMemoryErp(ErpContract, AfterwardsContract):
    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return MemoryHarness()
