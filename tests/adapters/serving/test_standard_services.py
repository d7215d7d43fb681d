from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_requests import Client

from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc
from tests.adapters.serving.trial import Trial, compiled

pb2, stubs = compiled()
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_answers_for_the_process_and_each_service(running: Any) -> None:
    async with grpc.aio.insecure_channel(running.target) as plain:
        health: Any = health_pb2_grpc.HealthStub(plain)
        for name in ("", "trial.v1.TrialService"):
            assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="trial.v1.Nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watcher_of_health_hears_of_every_change_and_is_let_go_at_the_drain(trial: Trial) -> None:
    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)

    process = ServiceProcess("trial", Settings(grace_s=60))
    stack = process.serving(build)
    running = await stack.__aenter__()
    async with grpc.aio.insecure_channel(running.target) as plain:
        health: Any = health_pb2_grpc.HealthStub(plain)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="trial.v1.TrialService"))
        assert (await watch.read()).status == SERVING
        await process.mark_serving("trial.v1.TrialService", serving=False)
        assert (await watch.read()).status == NOT_SERVING
        await process.mark_serving(serving=True)
        assert (await watch.read()).status == SERVING
        stopping = asyncio.ensure_future(stack.__aexit__(None, None, None))
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        await asyncio.wait_for(stopping, 10)


async def test_a_client_that_is_not_ours_works_by_reflection_alone(running: Any, trial: Trial) -> None:
    def ask() -> Any:
        client = Client.get_by_endpoint(running.target)
        service = "trial.v1.TrialService"
        return client.service_names, client.request(service, "Read", {"name": "a"})

    names, answer = await asyncio.to_thread(ask)
    assert "trial.v1.TrialService" in names
    assert answer == {"text": "read a"}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_answers_in_both_versions(running: Any, version: str) -> None:
    async with grpc.aio.insecure_channel(running.target) as plain:
        ask: Any = plain.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        wanted = reflection_pb2.ServerReflectionRequest(list_services="*")
        [answer] = [answer async for answer in ask(iter([wanted]))]
    names = {service.name for service in answer.list_services_response.service}
    assert {"trial.v1.TrialService", "grpc.health.v1.Health"} <= names


@pytest.mark.parametrize(
    ("symbol", "known"), [("trial.v1.TrialService.Read", True), ("trial.v1.TrialService.Burn", False)]
)
async def test_reflection_finds_the_file_of_a_method(running: Any, symbol: str, known: bool) -> None:
    async with grpc.aio.insecure_channel(running.target) as plain:
        ask: Any = plain.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        wanted = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        [answer] = [answer async for answer in ask(iter([wanted]))]
    assert answer.HasField("file_descriptor_response") is known


async def test_reflection_can_be_turned_off(serve: Any) -> None:
    running = await serve(reflection=False)
    async with grpc.aio.insecure_channel(running.target) as plain:
        ask: Any = plain.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_real_services_can_be_found_by_reflection() -> None:
    from_contract: Any = type("Orders", (orchestrator_service_pb2_grpc.OrchestratorServiceServicer,), {})

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(
            orchestrator_service_pb2_grpc.add_OrchestratorServiceServicer_to_server,
            from_contract(),
            own_idempotency=True,
        )

    def look(target: str) -> set[str]:
        client = Client.get_by_endpoint(target)
        return set(client.service("logistics.orchestrator.v1.OrchestratorService").method_names)

    async with ServiceProcess("orders", Settings()).serving(build) as running:
        names = await asyncio.to_thread(look, running.target)
    assert {"SubmitOrder", "GetOrder", "WatchOrders"} <= names


async def test_the_calls_of_a_server_are_reported_when_it_stops(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)

    caplog.set_level("INFO")
    async with (
        ServiceProcess("trial", Settings(slow_call_s=1e-9)).serving(build) as running,
        grpc.aio.insecure_channel(running.target) as plain,
    ):
        await stubs.TrialServiceStub(plain).Read(pb2.ReadRequest())
    facts = [(record.message, getattr(record, "facts", {})) for record in caplog.records]
    [report] = [found for message, found in facts if message == "calls"]
    assert (report["method"], report["codes"]) == ("/trial.v1.TrialService/Read", {"OK": 1})
    assert "slow call" in {message for message, _found in facts}
