"""The servers of the command measurement, each a process of its own: `python -m bench.serve bare|chain|unruled`.

All answer the same two methods with the order they got or a small one, by the same generated code, on grpc.aio with
uvloop, by the same TLS. `chain` is the service process that every service of ours runs in: it verifies the token,
permits, counts, validates and reports. `unruled` is the same without the contract's validation rules, to tell what they
cost. `bare` is grpc.aio alone. The environment names the run's secure folder. The port is printed once it serves.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import uvloop
from google.protobuf.message import Message

from bench.secured import Secured
from gladhand import validation
from gladhand.readiness import read_ready
from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel, Settings
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as stubs
from logistics.orchestrator.v1.orchestrator_service_pb2 import (
    GetOrderRequest,
    GetOrderResponse,
    SubmitOrderRequest,
    SubmitOrderResponse,
)
from logistics.order.v1.order_pb2 import Order


async def submit_order(_self: Any, request: SubmitOrderRequest, _context: Any) -> SubmitOrderResponse:
    """Answer with the order that came, and do nothing else."""
    return SubmitOrderResponse(order=request.order, created=True, version=1)


async def get_order(_self: Any, request: GetOrderRequest, _context: Any) -> GetOrderResponse:
    """Answer with an order of that id, and do nothing else."""
    return GetOrderResponse(order=Order(order_id=request.order_id))


Echo: Any = type("Echo", (stubs.OrchestratorServiceServicer,), {"SubmitOrder": submit_order, "GetOrder": get_order})
"""A servicer of which two methods answer; the others are not called."""


async def bare() -> None:
    """Serve with grpc.aio alone."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    stubs.add_OrchestratorServiceServicer_to_server(Echo(), server)
    port = server.add_secure_port("127.0.0.1:0", Secured.given().server)
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def chain() -> None:
    """Serve in a service process of ours."""

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_OrchestratorServiceServicer_to_server, Echo(), own_idempotency=True)

    with TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        settings = Settings(port=0, ready_file=ready, reflection=False, log_level=LogLevel.WARNING)
        async with ServiceProcess("bench", settings).serving(build):
            found = read_ready(ready)
            assert found is not None
            print(found.ports["grpc_token"], flush=True)
            await asyncio.Event().wait()


def _unchecked(message: Message) -> None:
    """Stand in for the rules' validation."""


def main(side: str) -> None:
    """Serve one side until terminated."""
    if side == "unruled":
        validation.check = _unchecked
    uvloop.run(bare() if side == "bare" else chain())


if __name__ == "__main__":
    main(*sys.argv[1:])
