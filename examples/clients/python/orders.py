"""Submits an order, watches it until it is released or rejected, and shows two refusals: python orders.py [SALE].

Needs gladhand-client, which brings gladhand-contracts. GLADHAND_TARGET, GLADHAND_CA and GLADHAND_TOKEN say where and
as whom.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc

from gladhand_client import connect, refusal
from logistics.orchestrator.v1 import (
    GetOrderRequest,
    OrchestratorServiceStub,
    SubmitOrderRequest,
    WatchOrdersRequest,
)
from logistics.order.v1 import LineQuantities, Order, OrderLine
from logistics.type.v1 import ExternalReference, GeoPoint, Location, Party, Quantity, ReferenceType

if TYPE_CHECKING:
    from logistics.orchestrator.v1 import OrchestratorServiceAsyncStub


def order_of(sale: str, pieces: str) -> Order:
    """Return an order as an ERP would submit it: one line, under the ERP's sales order number."""
    number = ExternalReference(system="books", type=ReferenceType.REFERENCE_TYPE_SALES_ORDER, value=sale)
    ordered = LineQuantities(ordered=Quantity(value=pieces, unit_code="C62"))
    return Order(
        erp_instance="books",
        region="us",
        currency="USD",
        references=[number],
        customer=Party(name="Alpine Foods"),
        ship_from=Location(name="Warehouse", point=GeoPoint(latitude=39.7, longitude=-105.0)),
        ship_to=Location(name="Dock", point=GeoPoint(latitude=39.8, longitude=-104.9)),
        lines=[OrderLine(line_id="1", sku="CRATE", quantities=ordered)],
    )


async def play(orders: "OrchestratorServiceAsyncStub", sale: str) -> None:
    """Do what the module says."""
    request = SubmitOrderRequest(request_id=str(uuid4()), order=order_of(sale, "4"))
    answer = await orders.SubmitOrder(request)
    order_id = answer.order.order_id
    print("submitted", order_id, "created" if answer.created else "known")

    async for seen in orders.WatchOrders(WatchOrdersRequest(order_ids=[order_id], from_beginning=True)):
        if not seen.HasField("event"):
            continue  # a checkpoint: idle is not dead
        print("event", seen.event.version, seen.event.WhichOneof("body"))
        if seen.event.WhichOneof("body") in {"released", "rejected"}:
            break

    try:
        await orders.SubmitOrder(SubmitOrderRequest(request_id=str(uuid4()), order=order_of(f"{sale}-bad", "four")))
    except grpc.aio.AioRpcError as error:
        why = refusal(error)
        print("refused", why.code.name, why.reason, why.violations[0].field)

    try:
        await orders.GetOrder(GetOrderRequest(order_id=str(uuid4())))
    except grpc.aio.AioRpcError as error:
        why = refusal(error)
        print("missing", why.code.name, why.reason, why.resource.type if why.resource else "")


async def main() -> None:
    """Connect as the environment says."""
    ca = os.environ.get("GLADHAND_CA")
    async with connect(
        os.environ.get("GLADHAND_TARGET", "127.0.0.1:7051"),
        ca=Path(ca) if ca else None,
        token=os.environ.get("GLADHAND_TOKEN", ""),
        package="logistics.orchestrator.v1",
    ) as channel:
        await play(OrchestratorServiceStub(channel), sys.argv[1] if len(sys.argv) > 1 else f"PY-{time.time_ns()}")


asyncio.run(main())
