"""The registry under the bus's permissions: everybody enters itself, reads all, and writes under nobody else's name."""

from __future__ import annotations

from importlib import import_module

import pytest

from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.refusals import NotPermitted
from gladhand.clock import SystemClock
from gladhand.registry import Consumer, Registry, Service, registered
from gladhand.registry.presence import ContractBreaks, enrolled
from logistics.order.v1 import OrderEvent
from tests.adapters.bus.guarded import Join
from tests.unit.registry.edits import edited, without_field

SERVICES = ("edge_gateway", "erp_gateway", "fleet_gateway", "orchestrator")
ROADS = Consumer("road-team", reads={OrderEvent: ["received.order.lines.description"]})


def part(service: str) -> Service:
    found: Service = import_module(f"services.{service}.registration").REGISTRATION
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_may_enter_itself(joined_as: Join, service: str) -> None:
    bus = JetStreamBus(await joined_as(service), SystemClock())
    async with enrolled(bus, part(service)):
        live = await (await Registry.opened(bus)).live()
        assert service in [each.name for each in live.registrations]


async def test_who_publishes_orders_answers_for_a_field_of_them_and_who_does_not_does_not(joined_as: Join) -> None:
    broken = edited(without_field("logistics.order.v1.OrderLine.description"))
    orchestrator = JetStreamBus(await joined_as("orchestrator"), SystemClock())
    fleet = JetStreamBus(await joined_as("fleet_gateway"), SystemClock())
    async with registered(await joined_as("road-team"), ROADS):
        with pytest.raises(ContractBreaks, match="road-team"):
            async with enrolled(orchestrator, part("orchestrator"), image=broken):
                pytest.fail("began")
        async with enrolled(fleet, part("fleet_gateway"), image=broken):
            pass


async def test_nobody_takes_out_another(joined_as: Join) -> None:
    async with registered(await joined_as("road-team"), ROADS) as own:
        registry = await Registry.opened(JetStreamBus(await joined_as("orchestrator"), SystemClock()))
        with pytest.raises(NotPermitted):
            await registry.remove(own)
