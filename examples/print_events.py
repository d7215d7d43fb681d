"""Prints the business events of a mesh. Needs gladhand-contracts and nats-py: python print_events.py [NATS_URL]."""

import asyncio
import sys

import nats
from nats.aio.msg import Msg

from logistics.invoice.v1 import InvoiceEvent
from logistics.load.v1 import LoadEvent
from logistics.order.v1 import OrderEvent
from logistics.pod.v1 import PodEvent

EVENTS = {kind.__name__.removesuffix("Event").lower(): kind for kind in (OrderEvent, LoadEvent, PodEvent, InvoiceEvent)}


async def show(message: Msg) -> None:
    """Decode an event by the aggregate in its subject and print it."""
    event = EVENTS[message.subject.split(".")[1]].FromString(message.data)
    print(event.record_time.ToJsonString(), message.subject, event.WhichOneof("body"), flush=True)


async def main(url: str = "nats://127.0.0.1:4222") -> None:
    """Follow every stream from its beginning."""
    log = (await nats.connect(url)).jetstream()
    for aggregate in EVENTS:
        await log.subscribe(f"logistics.{aggregate}.>", cb=show, ordered_consumer=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
