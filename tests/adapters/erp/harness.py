"""What the suite needs of an ERP beyond the adapter: a desk that places sales, eyes that see the books, and faults."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from deploy.tryton.denver import CUSTOMERS, PRODUCTS, Place
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.port import ErpAdapter, SaleCondition, SaleReading

INSTANCE = "erp-under-test"
REGION = "us"
WAREHOUSE = "HAM"
CUSTOMER = CUSTOMERS[1]
"""The customer with two delivery addresses."""
USUAL, OTHER = CUSTOMER.deliveries
NOWHERE = CUSTOMERS[8]
"""The customer whose address has no position."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be sold; ``place`` None: the customer's usual address."""

    sku: str
    quantity: int
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What the ERP's own users see of a sale."""

    delivered: dict[str, int]
    """Whole units by product, on shipments that are done."""
    waiting: int
    """Shipments that still wait to be served."""
    references: tuple[str, ...]
    """References on shipments."""
    posted: tuple[str, ...]
    """Numbers of posted invoices."""
    invoices: int
    """Invoices in any state but cancelled."""


class Harness(Protocol):
    """One ERP under test."""

    @property
    def adapter(self) -> ErpAdapter: ...

    async def place(
        self, lines: Sequence[Line], *, customer: str = CUSTOMER.code, warehouse: str = WAREHOUSE, confirm: bool = True
    ) -> str:
        """Sell, and return the sale's name for ``read_sales``."""
        ...

    async def change(self, sale: str, sku: str, quantity: int) -> None:
        """Change how much of a product a waiting sale delivers."""
        ...

    async def withdraw(self, sale: str) -> None:
        """Take back everything that waits."""
        ...

    async def books(self, sale: str) -> Books:
        """Look at the sale as the ERP's users do."""
        ...

    def lose_answer_of(self, work: str) -> None:
        """Let the next answer to "dispatch", "delivery" or "invoice" be lost after the work was done."""
        ...


async def read(harness: Harness, sale: str) -> SaleReading:
    """The sale as the adapter reads it."""
    (reading,) = await harness.adapter.read_sales([sale])
    return reading


async def ready(harness: Harness, *lines: Line, customer: str = CUSTOMER.code) -> SaleReading:
    """A placed sale, ready to be submitted."""
    reading = await read(harness, await harness.place(lines, customer=customer))
    assert reading.condition is SaleCondition.READY, reading
    assert reading.order is not None
    return reading


def dispatch_request(reading: SaleReading, reference: str = "DSP-1") -> erp.ConfirmDispatchRequest:
    assert reading.order is not None
    request = erp.ConfirmDispatchRequest(
        request_id=str(uuid.uuid4()),
        order_id=str(uuid.uuid4()),
        order_references=reading.order.references,
        load_id=str(uuid.UUID(int=7)),
        dispatch_reference=reference,
        vehicle_name="Truck 12",
        driver_name="R. Alvarez",
    )
    request.dispatch_time.FromJsonString("2026-01-05T15:00:00Z")
    return request


def delivery_request(reading: SaleReading, accepted: dict[str, int] | None = None) -> erp.PostDeliveryRequest:
    """A delivery of everything, or of ``accepted`` by product."""
    order = reading.order
    assert order is not None
    request = erp.PostDeliveryRequest(
        request_id=str(uuid.uuid4()), order_id=str(uuid.uuid4()), order_references=order.references
    )
    request.delivery_time.FromJsonString("2026-01-05T17:00:00Z")
    for line in order.lines:
        ordered = Decimal(line.quantities.ordered.value)
        kept = ordered if accepted is None else Decimal(accepted.get(line.sku, int(ordered)))
        added = request.lines.add(line_id=line.line_id)
        added.accepted.value, added.accepted.unit_code = str(kept), "C62"
        added.rejected.value, added.rejected.unit_code = str(max(Decimal(0), ordered - kept)), "C62"
    return request


def invoice_request(
    reading: SaleReading, accepted: dict[str, int] | None = None, key: str = ""
) -> erp.PostInvoiceRequest:
    """An invoice over everything, or over ``accepted`` by product."""
    order = reading.order
    assert order is not None
    request = erp.PostInvoiceRequest(
        request_id=str(uuid.uuid4()), order_references=order.references, posting_key=key or f"inv-{uuid.uuid4()}"
    )
    invoice = request.invoice
    invoice.invoice_id, invoice.order_id = str(uuid.uuid4()), str(uuid.uuid4())
    invoice.currency, invoice.region, invoice.erp_instance = order.currency, order.region, order.erp_instance
    for line in order.lines:
        kept = int(line.quantities.ordered.value) if accepted is None else accepted.get(line.sku, 0)
        if kept:
            added = invoice.lines.add(line_no=len(invoice.lines) + 1, order_line_id=line.line_id)
            added.quantity.value, added.quantity.unit_code = str(kept), "C62"
    return request


def named(kind: reference_pb2.ReferenceType.ValueType, value: str) -> reference_pb2.ExternalReference:
    return reference_pb2.ExternalReference(system=INSTANCE, type=kind, value=value)


def price_of(sku: str) -> Decimal:
    return next(product.price for product in PRODUCTS if product.code == sku)
