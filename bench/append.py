"""The event log: an append to the event store against a bare JetStream publish of the same bytes to the same stream.

The bare publish has neither message id, nor expectation, nor CloudEvents headers. Both wait for the server's answer,
which comes after fsync.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.harness import Comparison, Plan, compare
from bench.sample import order
from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.streams import StreamLimits, ensure_streams, standard_streams
from gladhand.envelope import EnvelopeType, Stamp
from gladhand.ids import event_id
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.nats_server import NatsServer
from logistics.order.v1.order_event_pb2 import OrderEvent, OrderReceived

__all__ = ["measure"]

_NAME = "event append: event store / bare JetStream publish"
_MIB = 1 << 20


async def measure(plan: Plan, concurrencies: Sequence[int]) -> list[Comparison]:
    """Measure on a nats-server of its own, on disk, every answer after fsync."""
    kind = EnvelopeType.of(OrderEvent)
    moment = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    numbers = count()

    def event() -> OrderEvent:
        request_id = str(uuid4())
        stamp = Stamp(request_id=request_id, region="us", correlation_id=request_id)
        body = OrderReceived(order=order(f"SO-{next(numbers)}"))
        made: OrderEvent = kind.stamp(
            body,
            aggregate_id=request_id,
            version=1,
            event_id=event_id(request_id, request_id),
            stamp=stamp,
            recorded=moment,
        )
        return made

    with TemporaryDirectory(prefix="bench-") as directory, NatsServer(Path(directory)) as server:
        async with connected(ConnectionSettings(servers=(server.url,), name="bench")) as connection:
            await ensure_streams(connection, standard_streams(StreamLimits(total_bytes=1024 * _MIB)))
            store = JetStreamEventStore(connection, source="bench")
            jetstream = connection.jetstream()

            async def append() -> object:
                return await store.append(kind, event(), expected=0)

            async def publish() -> object:
                made = event()
                return await jetstream.publish(kind.subject(made), made.SerializeToString())

            return [await compare(_NAME, append, publish, number, plan) for number in concurrencies]
