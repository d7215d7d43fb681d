"""The two servers of the command measurement, each a process of its own: `python -m bench.serve bare|chain`.

Both answer the same method with the order they got, by the same generated code, on grpc.aio with uvloop. `chain` is the
service process that every service of ours runs in; `bare` is grpc.aio alone. The port is printed once it serves.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import uvloop

from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel, Settings
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as stubs
from logistics.orchestrator.v1.orchestrator_service_pb2 import SubmitOrderRequest, SubmitOrderResponse


async def submit_order(_self: Any, request: SubmitOrderRequest, _context: Any) -> SubmitOrderResponse:
    """Answer with the order that came, and do nothing else."""
    return SubmitOrderResponse(order=request.order, created=True, version=1)


Echo: Any = type("Echo", (stubs.OrchestratorServiceServicer,), {"SubmitOrder": submit_order})
"""A servicer of which one method answers; the others are not called."""


async def bare() -> None:
    """Serve with grpc.aio alone."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    stubs.add_OrchestratorServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def chain() -> None:
    """Serve in a service process of ours."""

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_OrchestratorServiceServicer_to_server, Echo(), own_idempotency=True)

    process = ServiceProcess("bench", Settings(port=0, insecure=True, reflection=False, log_level=LogLevel.WARNING))
    async with process.serving(build) as running:
        print(running.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(chain() if sys.argv[1:] == ["chain"] else bare())
