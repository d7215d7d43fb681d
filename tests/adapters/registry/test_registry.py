"""The registry on a real nats-server: who enters, stays, leaves and dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.client import Client

from gladhand.bus.buckets import BucketSpec, open_bucket
from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.request import Patience
from gladhand.clock import SystemClock
from gladhand.errors import ContractError
from gladhand.nats_server import NatsServer
from gladhand.registry import Consumer, Registry, Service, registered
from gladhand.registry.images import digest_of, own_image
from gladhand.registry.presence import ContractBreaks, enrolled, images_of
from gladhand.registry.store import key_of
from gladhand.testing import FaultProxy, eventually
from logistics.contract.v1.registration_pb2 import PARTICIPATION_CONSUMER, Registration
from logistics.order.v1 import OrderEvent
from tests.unit.registry.edits import edited, with_field, without_field, without_method

FLEET = "logistics.dispatch.v1.DispatchService"
BILLING = Consumer("billing-report", reads={OrderEvent: ["order_id", "received.order.lines.description"]})
PORTAL = Consumer("portal", calls=[f"{FLEET}/GetDriver"])
GATEWAY = Service("fleet_gateway", services=[FLEET])
SOON = timedelta(milliseconds=200)


class Skewed:
    """A machine whose clock is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return SystemClock().now() + self._by

    def monotonic(self) -> float:
        return SystemClock().monotonic()


async def names(registry: Registry) -> list[str]:
    return [each.name for each in (await registry.live()).registrations]


async def forgetful(connection: Client, keep: timedelta) -> None:
    """Make the bucket before anybody else does, with less patience."""
    await open_bucket(connection, BucketSpec("REGISTRY", keep=keep, max_bytes=1 << 20), Patience())


async def test_a_consumer_is_there_while_it_runs_and_no_longer(nats_connection: Client, registry: Registry) -> None:
    async with registered(nats_connection, BILLING) as own:
        (found,) = (await registry.live()).registrations
        assert found == own
        assert found.image_digest == digest_of(own_image())
        assert found.reads[0].fields == ["order_id", "received.order.lines.description"]
        assert await registry.image(found.image_digest) == own_image()
    assert await names(registry) == []


async def test_two_instances_are_two_entries_with_one_contract(bus: JetStreamBus, registry: Registry) -> None:
    async with enrolled(bus, BILLING) as first:
        async with enrolled(bus, BILLING) as second:
            live = (await registry.live()).registrations
            assert {each.instance for each in live} == {first.instance, second.instance}
        assert [each.instance for each in (await registry.live()).registrations] == [first.instance]
        assert await (await bus.key_value("CONTRACTS")).keys() == [first.image_digest]


async def test_a_heartbeat_keeps_an_entry_longer_than_the_bucket_does(
    nats_connection: Client, bus: JetStreamBus, registry_of_a_second: Registry
) -> None:
    async with enrolled(bus, BILLING, every=SOON):

        async def outlived() -> bool:
            live = (await registry_of_a_second.live()).registrations
            if not live:
                return False  # the heart stood still for longer than this bucket keeps; it beats again
            (found,) = live
            return found.last_seen_time.ToDatetime() - found.start_time.ToDatetime() > timedelta(seconds=2)

        await eventually(outlived)


@pytest.fixture
async def registry_of_a_second(nats_connection: Client, bus: JetStreamBus) -> Registry:
    await forgetful(nats_connection, timedelta(seconds=1))
    return await Registry.opened(bus)


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(days=30), timedelta(days=-30)], ids=["right", "fast", "slow"])
async def test_who_dies_without_a_word_ages_out_whatever_its_clock_says(
    registry_of_a_second: Registry, skew: timedelta
) -> None:
    dead = Registration(name="dead", instance="1", participation=PARTICIPATION_CONSUMER, image_digest="d")
    dead.last_seen_time.FromDatetime(datetime.now(UTC) + skew)
    await registry_of_a_second.put(dead)
    assert await names(registry_of_a_second) == ["dead"]
    await eventually(lambda: _gone(registry_of_a_second))


async def _gone(registry: Registry) -> bool:
    return await names(registry) == []


@pytest.mark.parametrize("skew", [timedelta(days=30), timedelta(days=-30)], ids=["fast", "slow"])
async def test_a_wrong_clock_takes_nobody_out(bus: JetStreamBus, registry: Registry, skew: timedelta) -> None:
    async with enrolled(bus, BILLING, every=SOON, clock=Skewed(skew)) as own:
        started = own.start_time.ToDatetime()
        await eventually(lambda: own.last_seen_time.ToDatetime() > started)
        assert await names(registry) == ["billing-report"]


async def test_an_entry_that_aged_out_meanwhile_comes_back(bus: JetStreamBus, registry: Registry) -> None:
    async with enrolled(bus, BILLING, every=SOON) as own:
        await registry.remove(own)

        async def back() -> bool:
            return await names(registry) == ["billing-report"]

        await eventually(back)


async def test_an_outage_is_outlived(
    nats_server: NatsServer, nats_settings: ConnectionSettings, bus: JetStreamBus
) -> None:
    registry = await Registry.opened(bus)
    async with FaultProxy("127.0.0.1", nats_server.port) as proxy:
        far = ConnectionSettings(
            servers=(f"nats://127.0.0.1:{proxy.port}",), user=nats_settings.user, password=nats_settings.password
        )
        async with connected(far) as connection:
            hasty = JetStreamBus(connection, SystemClock(), patience=Patience(deadline=0.5, attempt=0.2))
            async with enrolled(hasty, BILLING, every=SOON) as own:
                proxy.hold()
                beats = own.last_seen_time.ToNanoseconds()
                await registry.remove(own)
                await eventually(lambda: own.last_seen_time.ToNanoseconds() > beats)
                proxy.release()

                async def back() -> bool:
                    return await names(registry) == ["billing-report"]

                await eventually(back, within=20)


async def test_a_declaration_that_the_contract_does_not_have_is_refused(
    nats_connection: Client, registry: Registry
) -> None:
    wrong = Consumer("wrong", reads={OrderEvent: ["received.order.colour"]})
    with pytest.raises(ContractError, match=r"no field 'received\.order\.colour'"):
        async with registered(nats_connection, wrong):
            pytest.fail("registered")
    assert await names(registry) == []


async def test_a_service_that_would_break_a_live_consumer_does_not_begin(
    nats_connection: Client, bus: JetStreamBus, registry: Registry
) -> None:
    broken = edited(without_method(f"{FLEET}/GetDriver"), without_field("logistics.order.v1.OrderLine.description"))
    async with registered(nats_connection, BILLING), registered(nats_connection, PORTAL):
        with pytest.raises(ContractBreaks) as caught:
            async with enrolled(bus, GATEWAY, image=broken):
                pytest.fail("began")
        for told in ("portal (1 instance)", f"calls {FLEET}/GetDriver", "GLADHAND_ALLOW_BREAKING"):
            assert told in caught.value.message
        assert await names(registry) == ["billing-report", "portal"]
        async with enrolled(bus, GATEWAY, image=broken, allow_breaking=True):
            assert await names(registry) == ["billing-report", "fleet_gateway", "portal"]
    async with enrolled(bus, GATEWAY, image=broken):
        assert await names(registry) == ["fleet_gateway"]


async def test_a_replica_of_what_runs_already_begins_again(nats_connection: Client, bus: JetStreamBus) -> None:
    broken = edited(without_method(f"{FLEET}/GetDriver"))
    async with (
        registered(nats_connection, PORTAL),
        enrolled(bus, GATEWAY, image=broken, allow_breaking=True),
        enrolled(bus, GATEWAY, image=broken),
    ):
        pass


async def test_a_service_that_only_adds_begins_beside_all(nats_connection: Client, bus: JetStreamBus) -> None:
    wider = edited(with_field("logistics.order.v1.OrderLine.colour"))
    async with registered(nats_connection, BILLING), enrolled(bus, GATEWAY, image=wider):
        pass


async def test_garbage_in_the_bucket_is_told_and_stops_nobody(
    bus: JetStreamBus, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = await bus.key_value("REGISTRY")
    foreign = Registration(name="a", instance="1", participation=PARTICIPATION_CONSUMER, image_digest="d")
    await bucket.put("x.1", b"\xff\xfe no protobuf")
    await bucket.put("x.2", b"")
    await bucket.put("x.3", foreign.SerializeToString())
    live = await registry.live()
    assert live.registrations == ()
    assert [each.key for each in live.unreadable] == ["x.1", "x.2", "x.3"]
    async with enrolled(bus, GATEWAY):
        assert "the registry holds what is no registration" in caplog.text


@pytest.mark.parametrize("blob", [None, b"", b"rubbish"], ids=["lost", "empty", "damaged"])
async def test_without_its_contract_a_consumer_is_protected_by_names(
    bus: JetStreamBus, registry: Registry, blob: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Registration(name="portal", instance="1", participation=PARTICIPATION_CONSUMER, image_digest="0" * 64)
    lost.calls.append(f"{FLEET}/GetDriver")
    await registry.put(lost)
    if blob is not None:
        await (await bus.key_value("CONTRACTS")).put(lost.image_digest, blob)
    assert await images_of(registry, await registry.live()) == {}
    assert "a contract of the registry is" in caplog.text
    async with enrolled(bus, GATEWAY):
        assert key_of(lost) in [key_of(each) for each in (await registry.live()).registrations]
    with pytest.raises(ContractBreaks, match="portal"):
        async with enrolled(bus, GATEWAY, image=edited(without_method(f"{FLEET}/GetDriver"))):
            pytest.fail("began")
