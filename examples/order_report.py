"""Prints each order that comes in, as a consumer that the registry knows: python -m examples.order_report --help.

While it runs, `gladhand contracts live` shows it, and nobody takes away unseen what it reads.
"""

import argparse
import asyncio
from pathlib import Path

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Delivery, Subscription
from gladhand.clock import SystemClock
from gladhand.mesh import consuming
from gladhand.registry import Consumer, registered
from logistics.order.v1 import OrderEvent

REPORT = Consumer("order-report", reads={OrderEvent: ["record_time.*", "order_id", "received.order.customer.name"]})


def line(event: OrderEvent) -> str:
    """One line of the report. What it reads is declared above; a test holds the two together."""
    return f"{event.record_time.ToJsonString()} {event.order_id} {event.received.order.customer.name}"


async def show(delivery: Delivery) -> None:
    """Print one event."""
    print(line(OrderEvent.FromString(delivery.payload)), flush=True)


async def main(place: ConnectionSettings) -> None:
    """Follow the orders from the first one on."""
    orders = Subscription("ORDERS", REPORT.name, show, ("logistics.order.*.*.received",))
    async with (
        connected(place) as connection,
        registered(connection, REPORT),
        consuming(JetStreamBus(connection, SystemClock()), [orders]),
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print each order that comes in.")
    parser.add_argument("url", nargs="?", default="nats://127.0.0.1:4222", help="nats:// or tls:// URL of the mesh")
    parser.add_argument("--credentials", type=Path, help="of `gladhand bus credentials create NAME --reads order`")
    parser.add_argument("--ca", type=Path, help="the mesh's ca.pem, for a tls:// URL")
    asked = parser.parse_args()
    asyncio.run(main(ConnectionSettings((asked.url,), REPORT.name, credentials=asked.credentials, ca=asked.ca)))
