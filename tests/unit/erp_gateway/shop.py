"""An ERP in memory with one customer and water, for tests of what stands around the adapter."""

from __future__ import annotations

from decimal import Decimal

from gladhand.testing import VirtualClock
from logistics.order.v1 import order_pb2
from logistics.type.v1 import place_pb2, reference_pb2
from services.erp_gateway.adapters.memory import MemoryAdapter
from services.erp_gateway.adapters.memory_erp import MemoryCustomer, MemoryErp

INSTANCE = "erp-1"


def place(name: str, *, point: bool = True) -> place_pb2.Location:
    found = place_pb2.Location(name=name)
    found.references.add(system=INSTANCE, type=reference_pb2.REFERENCE_TYPE_ADDRESS, value=name)
    if point:
        found.point.latitude, found.point.longitude = 39.7, -104.9
    return found


def new_order(quantity: int = 5, sku: str = "WATER24") -> order_pb2.Order:
    order = order_pb2.Order(erp_instance=INSTANCE, region="us", currency="USD")
    order.customer.name = "Grocers"
    order.customer.references.add(system=INSTANCE, type=reference_pb2.REFERENCE_TYPE_PARTY, value="C1")
    order.ship_from.CopyFrom(place("depot"))
    order.ship_to.CopyFrom(place("store"))
    line = order.lines.add(line_id="1", sku=sku)
    line.quantities.ordered.value, line.quantities.ordered.unit_code = str(quantity), "C62"
    return order


class Shop:
    """The ERP and the adapter to it."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.erp = MemoryErp(self.clock)
        self.adapter = MemoryAdapter(self.erp, INSTANCE)
        self.erp.warehouses["depot"] = place("depot")
        self.erp.products.add("WATER24")
        self.erp.stock["depot", "WATER24"] = Decimal(100)
        self.erp.customers["C1"] = MemoryCustomer("Grocers", {"store": place("store")})

    def sell(self, quantity: int = 5, *, confirmed: bool = True) -> str:
        return self.erp.place(new_order(quantity), confirmed=confirmed)

    def change(self, number: str, quantity: int) -> None:
        sale = self.erp.touch(number)
        sale.order.lines[0].quantities.ordered.value = str(quantity)
