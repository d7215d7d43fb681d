"""The ERP in memory itself: what its own users see and do, and the faults that a test may give it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from gladhand.clock import Clock
from logistics.order.v1 import order_pb2
from logistics.type.v1 import place_pb2, reference_pb2
from services.erp_gateway.adapters.memory_afterwards import Afterwards
from services.erp_gateway.adapters.memory_invoice import MemoryInvoice
from services.erp_gateway.adapters.port import SaleCondition

_SALES_ORDER = reference_pb2.REFERENCE_TYPE_SALES_ORDER


@dataclass(slots=True)
class MemoryDelivery:
    """A goods shipment: what goes to one place."""

    number: str
    quantities: dict[str, Decimal]
    reference: str = ""
    notes: list[str] = field(default_factory=list)
    state: str = "waiting"


@dataclass(slots=True)
class MemorySale:
    """A sale; ``condition`` is EDITED until the desk confirms it."""

    order: order_pb2.Order
    number: str
    stamp: int
    condition: SaleCondition = SaleCondition.READY
    deliveries: list[MemoryDelivery] = field(default_factory=list)
    invoice: MemoryInvoice | None = None


@dataclass(slots=True)
class MemoryCustomer:
    """A customer with the addresses that goods may go to, by the ERP's name of each."""

    name: str
    places: dict[str, place_pb2.Location] = field(default_factory=dict)
    active: bool = True
    credit_limit: Decimal | None = None
    credit_used: Decimal = Decimal(0)


class MemoryErp:
    """The ERP itself: what its own users see and do, and the faults that a test may give it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.customers: dict[str, MemoryCustomer] = {}
        self.warehouses: dict[str, place_pb2.Location] = {}
        self.stock: dict[tuple[str, str], Decimal] = {}
        self.products: set[str] = set()
        self.sales: dict[str, MemorySale] = {}
        self.afterwards = Afterwards()
        self.reachable = True
        self.answers_to_lose = 0
        self._stamp = 0

    def tick(self) -> int:
        """The next change stamp."""
        self._stamp += 1
        return self._stamp

    def place(self, order: order_pb2.Order, *, confirmed: bool = True) -> str:
        """Enter a sale; one delivery per place. The order's number is given by the ERP. Returns it."""
        number = str(len(self.sales) + 1)
        order.references.insert(
            0, reference_pb2.ExternalReference(system=order.erp_instance, type=_SALES_ORDER, value=number)
        )
        sale = MemorySale(order, number, self.tick())
        sale.condition = SaleCondition.READY if confirmed else SaleCondition.EDITED
        self._lay_deliveries(sale)
        self.sales[number] = sale
        return number

    def touch(self, number: str) -> MemorySale:
        """A sale about to be changed by its desk."""
        sale = self.sales[number]
        sale.stamp = self.tick()
        return sale

    def _lay_deliveries(self, sale: MemorySale) -> None:
        by_place: dict[str, dict[str, Decimal]] = {}
        for line in sale.order.lines:
            place = line.ship_to if line.HasField("ship_to") else sale.order.ship_to
            by_place.setdefault(place.name, {})[line.line_id] = Decimal(line.quantities.ordered.value)
        for at, quantities in enumerate(by_place.values(), start=1):
            sale.deliveries.append(MemoryDelivery(f"{sale.number}/{at}", quantities))
