"""Prints the business events of a mesh. Needs gladhand-contracts and nats-py[nkeys]; --help tells how to call it."""

import argparse
import asyncio
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from logistics.contract.v1 import envelope
from logistics.invoice.v1 import InvoiceEvent
from logistics.load.v1 import LoadEvent
from logistics.order.v1 import OrderEvent
from logistics.pod.v1 import PodEvent

KINDS = (OrderEvent, LoadEvent, PodEvent, InvoiceEvent)
EVENTS = {kind.DESCRIPTOR.GetOptions().Extensions[envelope].aggregate: kind for kind in KINDS}


async def show(message: Msg) -> None:
    """Decode an event by the aggregate in its subject and print it."""
    event = EVENTS[message.subject.split(".")[1]].FromString(message.data)
    print(event.record_time.ToJsonString(), message.subject, event.WhichOneof("body"), flush=True)


async def complain(error: Exception) -> None:
    """Say what keeps us from reading; the client tries again by itself."""
    print(f"nats: {error!r}", file=sys.stderr)


async def main() -> None:
    """Follow the events from the beginning of their streams."""
    parser = argparse.ArgumentParser(description="Print the business events of a mesh.")
    parser.add_argument("url", nargs="?", default="nats://127.0.0.1:4222", help="nats:// or tls:// URL of the mesh")
    parser.add_argument("--credentials", type=Path, help="seed file of `gladhand bus credentials create NAME`")
    parser.add_argument("--ca", type=Path, help="the mesh's ca.pem, for a tls:// URL")
    parser.add_argument("--reads", default=",".join(EVENTS), help="aggregates that the credentials may read")
    asked = parser.parse_args()
    options: dict[str, Any] = {"tls": ssl.create_default_context(cafile=asked.ca)} if asked.ca else {}
    if asked.credentials:
        # Who has credentials hears answers on an inbox that is named after the file, and on no other.
        options |= {"nkeys_seed": str(asked.credentials), "inbox_prefix": f"_INBOX_{asked.credentials.stem}"}
    log = (await nats.connect(asked.url, error_cb=complain, **options)).jetstream()
    for aggregate in asked.reads.split(","):
        stream = EVENTS[aggregate].DESCRIPTOR.GetOptions().Extensions[envelope].stream
        # A reader with a name asks with its filter in the request, which is what credentials permit.
        named = ConsumerConfig(name=f"print-{secrets.token_hex(8)}")
        await log.subscribe(f"logistics.{aggregate}.>", stream=stream, cb=show, ordered_consumer=True, config=named)
    await asyncio.Event().wait()


try:
    asyncio.run(main())
except (nats.errors.Error, OSError, KeyError) as error:
    sys.exit(f"cannot read there: {error!r}; look at the URL, --ca, --credentials and --reads")
