"""The messages that are measured: an order as an ERP sends it, three lines to one address."""

from __future__ import annotations

from uuid import uuid4

from logistics.orchestrator.v1.orchestrator_service_pb2 import SubmitOrderRequest
from logistics.order.v1.order_pb2 import LineQuantities, Order, OrderLine
from logistics.type.v1.money_pb2 import Money
from logistics.type.v1.place_pb2 import Address, GeoPoint, Location, Party
from logistics.type.v1.quantity_pb2 import Quantity
from logistics.type.v1.reference_pb2 import REFERENCE_TYPE_SALES_ORDER, ExternalReference

__all__ = ["order", "submission"]


def _line(number: int) -> OrderLine:
    return OrderLine(
        line_id=str(number),
        sku=f"PALLET-{number:03}",
        description="Pallet of paper, 80 g, white",
        quantities=LineQuantities(ordered=Quantity(value="12", unit_code="C62")),
        unit_price=Money(currency="USD", units=41, nanos=900_000_000),
        weight=Quantity(value="480.5", unit_code="KGM"),
    )


def order(reference: str) -> Order:
    """Return an order that keeps every rule of the contract."""
    return Order(
        references=[ExternalReference(system="tryton-us", type=REFERENCE_TYPE_SALES_ORDER, value=reference)],
        erp_instance="tryton-us",
        region="us",
        customer=Party(name="Front Range Paper", references=[ExternalReference(system="tryton-us", value="K0042")]),
        ship_from=Location(name="Denver North", point=GeoPoint(latitude=39.79, longitude=-104.97)),
        ship_to=Location(
            name="Front Range Paper, dock 3",
            address=Address(lines=["1200 Larimer St"], city="Denver", postal_code="80204", country_code="US"),
            point=GeoPoint(latitude=39.745, longitude=-105.0),
            time_zone="America/Denver",
        ),
        currency="USD",
        lines=[_line(number) for number in range(1, 4)],
    )


def submission() -> SubmitOrderRequest:
    """Return a new submission of a new order."""
    request_id = str(uuid4())
    return SubmitOrderRequest(request_id=request_id, order=order(f"SO-{request_id[:8]}"))
