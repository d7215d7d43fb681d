from __future__ import annotations

import subprocess
import sys
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gladhand import errors, telemetry
from gladhand.client import call, channel
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from tests.adapters.serving.trial import Trial, compiled

pb2, stubs = compiled()


async def test_a_call_is_one_trace_over_client_and_server(trial: Trial) -> None:
    exporter = InMemorySpanExporter()

    async def refuse(request: Any) -> Any:
        if request.name == "missing":
            raise errors.NotFound("order", "o-1")
        return pb2.ReadResponse(text="read")

    async def count(_request: Any) -> Any:
        yield pb2.ReadResponse(count=1)

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)

    trial.on_read, trial.on_watch = refuse, count
    with telemetry.started("trial", None, exporter):
        process = ServiceProcess("trial", Settings())
        async with process.serving(build) as running, channel(running.target, pb2.DESCRIPTOR) as ours:
            stub = stubs.TrialServiceStub(ours)
            assert (await call(stub.Read(pb2.ReadRequest()))).text == "read"
            with pytest.raises(errors.NotFound):
                await call(stub.Read(pb2.ReadRequest(name="missing")))
            assert [answer.count async for answer in stub.Watch(pb2.ReadRequest())] == [1]
            async with grpc.aio.insecure_channel(running.target) as plain:
                probe: Any = plain.unary_unary("/grpc.health.v1.Health/Check")
                await probe(b"")
    spans = exporter.get_finished_spans()
    assert {str(span.name).strip("/") for span in spans} == {
        "trial.v1.TrialService/Read",
        "trial.v1.TrialService/Watch",
    }
    traces: dict[Any, set[str]] = {}
    for span in spans:
        traces.setdefault(span.context.trace_id, set()).add(span.kind.name)
    assert list(traces.values()) == [{"CLIENT", "SERVER"}] * 3


async def test_without_a_collector_nothing_is_inserted() -> None:
    with telemetry.started("trial", None) as traces:
        assert traces.server_interceptors() == ()
        assert telemetry.client_interceptors() == ()


def test_without_a_collector_the_sdk_is_not_even_imported() -> None:
    program = (
        "import sys, gladhand.server, gladhand.client\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
