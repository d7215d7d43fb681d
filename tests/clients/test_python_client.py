"""`gladhand_client` against a server of its own that fails on demand and notes what it was told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from gladhand_client import connect, correlated, refusal
from gladhand_client.service_config import service_config
from logistics.orchestrator.v1 import (
    GetOrderRequest,
    GetOrderResponse,
    OrchestratorServiceServicer,
    OrchestratorServiceStub,
    WatchOrdersRequest,
    WatchOrdersResponse,
    add_OrchestratorServiceServicer_to_server,
)

_GET = GetOrderRequest(order_id=str(uuid4()))


class _Orchestrator(OrchestratorServiceServicer):
    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode] = []
        self.trailing: tuple[tuple[str, bytes], ...] = ()
        self.heard: list[dict[str, str | bytes]] = []
        self.seconds: list[float | None] = []

    async def _note(self, context: Any) -> None:
        self.heard.append({key: value for key, value in context.invocation_metadata()})  # noqa: C416 - no str() of pairs
        self.seconds.append(context.time_remaining())
        if self.failures:
            await context.abort(self.failures.pop(0), "as planned", self.trailing)

    async def GetOrder(self, request: Any, context: Any) -> GetOrderResponse:
        await self._note(context)
        return GetOrderResponse()

    async def WatchOrders(self, request: Any, context: Any) -> AsyncIterator[WatchOrdersResponse]:
        await self._note(context)
        yield WatchOrdersResponse(sequence=7)


@pytest.fixture
async def served() -> AsyncIterator[tuple[_Orchestrator, str]]:
    server = grpc.aio.server()
    orchestrator = _Orchestrator()  # type: ignore[abstract]  # answers what is asked here
    add_OrchestratorServiceServicer_to_server(orchestrator, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield orchestrator, f"127.0.0.1:{port}"
    await server.stop(None)


async def test_a_call_that_the_contract_allows_to_repeat_is_repeated(served: tuple[_Orchestrator, str]) -> None:
    orchestrator, target = served
    orchestrator.failures = [grpc.StatusCode.UNAVAILABLE] * 2
    async with connect(target) as channel:
        await OrchestratorServiceStub(channel).GetOrder(_GET)
    assert len(orchestrator.heard) == 3


async def test_a_fault_is_not_repeated(served: tuple[_Orchestrator, str]) -> None:
    orchestrator, target = served
    orchestrator.failures = [grpc.StatusCode.INTERNAL]
    async with connect(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await OrchestratorServiceStub(channel).GetOrder(_GET)
    assert len(orchestrator.heard) == 1


async def test_deadlines_are_the_contracts_and_streams_have_none(served: tuple[_Orchestrator, str]) -> None:
    orchestrator, target = served
    async with connect(target) as channel:
        stub = OrchestratorServiceStub(channel)
        await stub.GetOrder(_GET)
        await stub.GetOrder(_GET, timeout=2)
        assert [seen.sequence async for seen in stub.WatchOrders(WatchOrdersRequest())] == [7]
    usual, sooner, endless = orchestrator.seconds
    assert usual is not None
    assert 2 < usual < 11  # the contract says ten seconds; both sides round, and their clocks are read at two moments
    assert sooner is not None
    assert sooner < usual - 2
    assert endless is None or endless > 1_000_000


async def test_every_call_says_who_and_for_what(served: tuple[_Orchestrator, str]) -> None:
    orchestrator, target = served
    async with connect(target, token="t0ken") as channel:
        stub = OrchestratorServiceStub(channel)
        await stub.GetOrder(_GET)
        with correlated("import-2026-11-25"):
            await stub.GetOrder(_GET)
            _ = [seen async for seen in stub.WatchOrders(WatchOrdersRequest())]
            await stub.GetOrder(_GET, metadata=(("x-correlation-id", "of-this-call"),))
    assert {heard["authorization"] for heard in orchestrator.heard} == {"Bearer t0ken"}
    fresh, *given = [str(heard["x-correlation-id"]) for heard in orchestrator.heard]
    assert str(UUID(fresh)) == fresh
    assert given == ["import-2026-11-25", "import-2026-11-25", "of-this-call"]


async def test_a_refusal_without_details_is_understood_by_its_code(served: tuple[_Orchestrator, str]) -> None:
    orchestrator, target = served
    orchestrator.failures = [grpc.StatusCode.NOT_FOUND] * 2
    async with connect(target) as channel:
        for trailing in ((), (("grpc-status-details-bin", b"\xff"),)):
            orchestrator.trailing = trailing
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await OrchestratorServiceStub(channel).GetOrder(_GET)
            why = refusal(caught.value)
            assert (why.code, why.message, why.reason) == (grpc.StatusCode.NOT_FOUND, "as planned", "")
            assert why.resource is None
            assert why.retry_after_s is None


def test_without_a_package_the_config_holds_the_methods_of_all_of_them() -> None:
    whole = json.loads(service_config(""))
    named = {name["service"] for method in whole["methodConfig"] for name in method["name"]}
    assert {"logistics.orchestrator.v1.OrchestratorService", "logistics.edge.v1.EdgeIngestService"} <= named
    assert "healthCheckConfig" not in whole
