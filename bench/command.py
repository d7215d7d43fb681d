"""The command path: our servers against bare grpc.aio, given the same messages through the same generated code.

Each message is a new order: the orchestrator would answer a repeat without recording anything.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from uuid import uuid4

import grpc

from bench.harness import Comparison, Operation, Plan, compare
from bench.sample import submission
from logistics.orchestrator.v1 import SubmitOrderRequest
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as stubs

__all__ = ["COMMANDS", "measure"]

COMMANDS: dict[str, Sequence[str]] = {
    "gRPC command path: service process / bare grpc.aio": (sys.executable, "-m", "bench.serve", "chain"),
    "orchestrator, SubmitOrder on disk / bare grpc.aio": (sys.executable, "-m", "bench.serve_orchestrator"),
}
"""What is measured against the bare server: a title, and the program that serves."""

_BARE = (sys.executable, "-m", "bench.serve", "bare")
_STARTS_WITHIN_S = 30.0


async def measure(plan: Plan, concurrencies: Sequence[int]) -> list[Comparison]:
    """Measure every entry of COMMANDS."""
    found: list[Comparison] = []
    for name, program in COMMANDS.items():
        async with AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(_served(each)) for each in (program, _BARE)]
            ours, bare = [await stack.enter_async_context(_submitting(port)) for port in ports]
            found.extend([await compare(name, ours, bare, number, plan) for number in concurrencies])
    return found


@asynccontextmanager
async def _served(program: Sequence[str]) -> AsyncIterator[int]:
    """Start a server; give its port."""
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _STARTS_WITHIN_S)
        if not line:
            raise RuntimeError(f"{' '.join(program)} ended before it served; what it printed says why")
        yield int(line)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def _submitting(port: int) -> AsyncIterator[Operation]:
    """Give the operation that submits an order over a plain channel."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        submit = stubs.OrchestratorServiceStub(channel).SubmitOrder
        template = submission()

        async def operation() -> object:
            request = SubmitOrderRequest()
            request.CopyFrom(template)
            request.request_id = str(uuid4())
            request.order.references[0].value = request.request_id
            return await submit(request, timeout=10)

        yield operation
