"""Two ERP gateways over gRPC, one orchestrator: each is asked about its own orders, and one that hangs stops none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc
import pytest

from gladhand.client import call
from gladhand.errors import InvalidArgument
from gladhand.passage import passages
from gladhand.server import ServiceProcess
from gladhand.testing import eventually
from logistics.erp.v1 import ValidateOrderRequest, ValidateOrderResponse
from logistics.orchestrator.v1 import GetOrderRequest, SubmitOrderRequest
from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from logistics.order.v1 import OrderState
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.orchestrator.gateways import serving_erp
from tests.simulation.outside import Faults, LedgerErp
from tests.simulation.world import an_order

if TYPE_CHECKING:
    from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

WORKERS = 4


class HangingErp(LedgerErp):
    """An ERP whose validation does not come back until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(Faults(), name)
        self.released = asyncio.Event()
        self.hanging = self.most = 0

    async def validate_order(self, request: ValidateOrderRequest) -> ValidateOrderResponse:
        self.hanging += 1
        self.most = max(self.most, self.hanging)
        try:
            await self.released.wait()
        finally:
            self.hanging -= 1
        return await super().validate_order(request)


@pytest.fixture
def hanging() -> HangingErp:
    return HangingErp("books-us")


@pytest.fixture
def well() -> LedgerErp:
    return LedgerErp(Faults(), "books-eu")


@pytest.fixture
async def orchestrator(
    settings: OrchestratorSettings, hanging: HangingErp, well: LedgerErp
) -> AsyncIterator[OrchestratorServiceAsyncStub]:
    async with AsyncExitStack() as stack:
        targets = {erp.name: await stack.enter_async_context(serving_erp(erp)) for erp in (hanging, well)}
        both = settings.model_copy(update={"erp_targets": targets, "workers": WORKERS})
        running = await stack.enter_async_context(ServiceProcess("orchestrator", both).serving(build))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.target))
        yield OrchestratorServiceStub(channel)


async def submit(stub: OrchestratorServiceAsyncStub, number: str, erp: str) -> str:
    order = an_order(number, ("CRATE", 2), erp=erp)
    answer = await call(stub.SubmitOrder(SubmitOrderRequest(request_id=str(uuid4()), order=order)))
    return answer.order.order_id


async def dispatched(stub: OrchestratorServiceAsyncStub, order_id: str) -> bool:
    found = (await call(stub.GetOrder(GetOrderRequest(order_id=order_id, at_least_version=1)))).order
    return found.state == OrderState.ORDER_STATE_DISPATCHED


async def test_an_erp_that_hangs_holds_no_order_of_the_other_and_goes_on_when_it_is_back(
    orchestrator: OrchestratorServiceAsyncStub, hanging: HangingErp, well: LedgerErp
) -> None:
    slow = [await submit(orchestrator, f"SO-{n}", hanging.name) for n in range(3 * WORKERS)]
    await eventually(lambda: hanging.hanging > 0, what="calls that hang")
    began = time.monotonic()
    quick = await submit(orchestrator, "SO-0", well.name)
    await eventually(lambda: dispatched(orchestrator, quick), within=10, what="the other ERP's dispatch")
    assert time.monotonic() - began < 10, "sooner than the first call to the one that hangs may end"
    assert hanging.most <= WORKERS // 2
    assert len({passage.name for passage in passages()}) >= 3, "a breaker for each gateway"
    assert quick not in slow
    hanging.released.set()
    for order_id in slow:
        await eventually(partial(dispatched, orchestrator, order_id), within=20, what=order_id)
    assert {order_id for order_id, _ in well.confirmed} <= {quick}


async def test_an_order_of_an_erp_that_nobody_named_is_refused(orchestrator: OrchestratorServiceAsyncStub) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await submit(orchestrator, "SO-1", "books-mars")
    assert caught.value.reason == "ERP_INSTANCE_UNKNOWN"
    assert caught.value.violations[0].field == "order.erp_instance"
    assert "GLADHAND_ERP_TARGETS" in caught.value.message
