"""How a service joins the mesh: never onto a server that forgets, on the mesh's own time, and out again cleanly."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nats.aio.client import Client

from gladhand.bus.port import Delivery, StreamMissing, Subscription
from gladhand.clock import SystemClock
from gladhand.log.port import NotDurable
from gladhand.mesh import consuming, joined, present
from gladhand.nats_server import NatsServer
from gladhand.settings import ClockKind, Settings
from gladhand.testing import MemoryBroker, MemoryBus, eventually
from tests.adapters.log.mesh import STREAMS


@pytest.fixture
def settings(mesh_streams: Client, nats_url: str, nats_server: NatsServer) -> Settings:
    return Settings(nats_url=nats_url, monitoring_url=nats_server.monitoring_url)


async def test_a_service_writes_to_a_mesh_that_it_joined(settings: Settings) -> None:
    async with joined("test", settings) as mesh:
        stored = await mesh.bus.publish("logistics.inbox.gps.1", b"raw", message_id="m1")
        assert (stored.stream, stored.sequence) == ("INBOX", 1)
        assert isinstance(mesh.clock, SystemClock)
    assert mesh.connection.is_closed


async def test_no_service_joins_a_server_of_which_nobody_knows_whether_it_syncs(settings: Settings) -> None:
    unknown = settings.model_copy(update={"monitoring_url": None})
    with pytest.raises(NotDurable, match="No monitoring URL"):
        async with joined("test", unknown):
            pytest.fail("joined")
    async with joined("test", unknown.model_copy(update={"allow_unsynced": True})) as mesh:
        assert mesh.connection.is_connected


async def test_all_who_join_a_warped_mesh_share_its_time(settings: Settings) -> None:
    warped = settings.model_copy(update={"clock": ClockKind.WARP})
    ahead = SystemClock().now() + timedelta(hours=5)
    async with joined("one", warped) as one, present("two", warped) as two:
        bucket = await one.bus.key_value("CLOCK")
        await bucket.put("offset_ms", str(timedelta(hours=5) // timedelta(milliseconds=1)).encode())
        await eventually(lambda: one.clock.now() >= ahead and two.clock.now() >= ahead)


async def test_a_service_that_keeps_nothing_joins_whatever_the_server_syncs(settings: Settings) -> None:
    async with present("test", settings.model_copy(update={"monitoring_url": None})) as place:
        assert isinstance(place.clock, SystemClock)


def subscription(stream: str, durable: str, found: list[str]) -> Subscription:
    async def handle(delivery: Delivery) -> None:
        found.append(f"{durable} {delivery.message_id}")

    return Subscription(stream=stream, durable=durable, handler=handle)


async def test_consumers_run_within_the_block_and_no_longer() -> None:
    bus, found = MemoryBus(MemoryBroker(SystemClock(), STREAMS)), list[str]()
    async with consuming(bus, [subscription("INBOX", "first", found), subscription("INBOX", "second", found)]):
        await bus.publish("logistics.inbox.gps.1", b"", message_id="m1")
        await eventually(lambda: sorted(found) == ["first m1", "second m1"])
    await bus.publish("logistics.inbox.gps.1", b"", message_id="m2")
    async with consuming(bus, [subscription("INBOX", "third", found)]):
        await eventually(lambda: found[2:] == ["third m1", "third m2"])


async def test_where_one_consumer_cannot_begin_none_goes_on() -> None:
    bus, found = MemoryBus(MemoryBroker(SystemClock(), STREAMS)), list[str]()
    with pytest.raises(StreamMissing):
        async with consuming(bus, [subscription("INBOX", "first", found), subscription("NOWHERE", "second", found)]):
            pytest.fail("began")
    await bus.publish("logistics.inbox.gps.1", b"", message_id="m1")
    async with consuming(bus, [subscription("INBOX", "other", found)]):
        await eventually(lambda: found)
    assert found == ["other m1"]
