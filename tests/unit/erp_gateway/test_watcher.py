"""From the ERP over INBOX to the orchestrator, on a bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gladhand.bus.deadletters import DeadLetters
from gladhand.errors import AlreadyExists, GladhandError, Unavailable
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore, eventually
from logistics.orchestrator.v1 import orchestrator_service_pb2 as orchestrator
from logistics.order.v1 import order_pb2
from services.erp_gateway.adapters.port import SaleCondition
from services.erp_gateway.sales_feed import FeedOptions
from services.erp_gateway.submitter import SalesSubmitter
from services.erp_gateway.watcher import CursorStore, SalesWatcher
from tests.unit.erp_gateway.shop import INSTANCE, Shop


class Desk:
    """Stands for the orchestrator: keeps orders by ERP number, and fails as told."""

    def __init__(self) -> None:
        self.orders: dict[str, order_pb2.Order] = {}
        self.requests: list[str] = []
        self.cancelled: list[str] = []
        self.failures: list[GladhandError] = []

    async def submit(self, request: orchestrator.SubmitOrderRequest) -> orchestrator.SubmitOrderResponse:
        if self.failures:
            raise self.failures.pop(0)
        self.requests.append(request.request_id)
        number = request.order.references[0].value
        kept = self.orders.setdefault(number, order_pb2.Order())
        kept.CopyFrom(request.order)
        kept.order_id, kept.state = f"order-{number}", order_pb2.ORDER_STATE_RECEIVED
        return orchestrator.SubmitOrderResponse(order=kept, created=True)

    async def with_reference(self, value: str) -> list[order_pb2.Order]:
        return [self.orders[value]] if value in self.orders else []

    async def cancel(self, request: orchestrator.CancelOrderRequest) -> orchestrator.CancelOrderResponse:
        self.cancelled.append(request.order_id)
        return orchestrator.CancelOrderResponse()


class Journey:
    def __init__(self) -> None:
        self.shop = Shop()
        self.desk = Desk()
        self.broker = MemoryBroker(self.shop.clock)
        self.bus = MemoryBus(self.broker, self.shop.clock)
        self.letters = DeadLetters(self.bus, MemoryEventStore(self.broker))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        cursors = CursorStore(await self.bus.key_value("CURSORS"), INSTANCE)
        options = FeedOptions(interval_s=0.01, settle_s=0.0)
        watcher = SalesWatcher(self.shop.adapter, self.bus, cursors, region="us", options=options)
        consumer = await self.bus.subscribe(SalesSubmitter(self.desk, INSTANCE).subscription("us"))
        stopping = asyncio.Event()
        task = asyncio.create_task(watcher.run(stopping))
        try:
            yield
        finally:
            stopping.set()
            await task
            await consumer.stop()

    def quantity(self, number: str) -> str:
        order = self.desk.orders.get(number)
        return order.lines[0].quantities.ordered.value if order else ""


@pytest.fixture
def journey() -> Journey:
    return Journey()


async def test_a_sale_reaches_the_orchestrator_and_so_does_its_change(journey: Journey) -> None:
    async with journey.running():
        number = journey.shop.sell(5)
        await eventually(lambda: journey.quantity(number) == "5")
        journey.shop.change(number, 6)
        await eventually(lambda: journey.quantity(number) == "6")
    assert len(set(journey.desk.requests)) == len(journey.desk.requests) == 2


async def test_content_that_returns_to_what_it_was_is_a_change_too(journey: Journey) -> None:
    async with journey.running():
        number = journey.shop.sell(5)
        for quantity in ("5", "6", "5"):
            journey.shop.change(number, int(quantity))
            await eventually(lambda wanted=quantity: journey.quantity(number) == wanted)  # type: ignore[misc]
    assert len(set(journey.desk.requests)) == 3


async def test_a_restart_finds_what_came_meanwhile_and_repeats_nothing(journey: Journey) -> None:
    async with journey.running():
        first = journey.shop.sell(5)
        await eventually(lambda: journey.quantity(first) == "5")
    second = journey.shop.sell(7)
    async with journey.running():
        await eventually(lambda: journey.quantity(second) == "7")
    assert len(journey.desk.requests) == 2


async def test_an_erp_out_of_reach_is_waited_out(journey: Journey) -> None:
    journey.shop.erp.reachable = False
    number = journey.shop.sell(5)
    async with journey.running():
        journey.shop.erp.reachable = True
        await eventually(lambda: journey.quantity(number) == "5")


async def test_a_withdrawn_sale_cancels_its_order(journey: Journey) -> None:
    async with journey.running():
        number = journey.shop.sell(5)
        await eventually(lambda: journey.quantity(number) == "5")
        journey.shop.erp.touch(number).condition = SaleCondition.WITHDRAWN
        await eventually(lambda: journey.desk.cancelled == [f"order-{number}"])


async def test_a_withdrawn_sale_that_was_served_cancels_nothing(journey: Journey) -> None:
    async with journey.running():
        number = journey.shop.sell(5)
        await eventually(lambda: journey.quantity(number) == "5")
        journey.desk.orders[number].state = order_pb2.ORDER_STATE_DELIVERED
        journey.shop.erp.touch(number).condition = SaleCondition.WITHDRAWN
        after = journey.shop.sell(6)
        await eventually(lambda: journey.quantity(after) == "6")
    assert journey.desk.cancelled == []


async def test_what_is_refused_for_good_becomes_a_dead_letter(journey: Journey) -> None:
    journey.desk.failures = [AlreadyExists("came before with other content", reason="REFERENCE_CONFLICT")]
    async with journey.running():
        journey.shop.sell(5)
        await eventually(journey.letters.list)
    (letter,) = await journey.letters.list()
    assert "REFERENCE_CONFLICT" in letter.reason
    assert letter.poison


async def test_what_may_succeed_later_is_tried_again(journey: Journey) -> None:
    journey.desk.failures = [Unavailable("starting"), Unavailable("starting")]
    async with journey.running():
        number = journey.shop.sell(5)
        await eventually(lambda: journey.quantity(number) == "5", within=20.0)
    assert await journey.letters.list() == []
