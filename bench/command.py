"""The command path: our servers against bare grpc.aio, given the same messages through the same generated code.

Both sides speak TLS and every call carries a token, which the bare server does not look at. Each submitted message is a
new order: the orchestrator would answer a repeat without recording anything.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import grpc

from bench.harness import Comparison, Operation, Plan, compare
from bench.sample import submission
from bench.secured import Secured
from logistics.orchestrator.v1 import GetOrderRequest, SubmitOrderRequest
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as stubs

__all__ = ["COMMANDS", "measure"]

_STARTS_WITHIN_S = 30.0
Calling = Callable[[grpc.aio.Channel, Any], Operation]


@dataclass(frozen=True, slots=True)
class Command:
    """A server of ours, and the call that is made to it and to the bare one."""

    program: Sequence[str]
    calling: Calling


def _submitting(channel: grpc.aio.Channel, metadata: Any) -> Operation:
    submit = stubs.OrchestratorServiceStub(channel).SubmitOrder
    template = submission()

    async def operation() -> object:
        request = SubmitOrderRequest()
        request.CopyFrom(template)
        request.request_id = str(uuid4())
        request.order.references[0].value = request.request_id
        return await submit(request, timeout=10, metadata=metadata)

    return operation


def _getting(channel: grpc.aio.Channel, metadata: Any) -> Operation:
    get = stubs.OrchestratorServiceStub(channel).GetOrder
    request = GetOrderRequest(order_id=str(uuid4()))

    async def operation() -> object:
        return await get(request, timeout=10, metadata=metadata)

    return operation


_CHAIN = (sys.executable, "-m", "bench.serve", "chain")
COMMANDS: dict[str, Command] = {
    "chain, GetOrder / bare grpc.aio": Command(_CHAIN, _getting),
    "chain, SubmitOrder of 3 lines / bare grpc.aio": Command(_CHAIN, _submitting),
    "chain without rules, the same / bare grpc.aio": Command((*_CHAIN[:-1], "unruled"), _submitting),
    "orchestrator, the same on disk / bare grpc.aio": Command(
        (sys.executable, "-m", "bench.serve_orchestrator"), _submitting
    ),
}
"""What is measured against the bare server."""

_BARE = (sys.executable, "-m", "bench.serve", "bare")


async def measure(plan: Plan, concurrencies: Sequence[int]) -> list[Comparison]:
    """Measure every entry of COMMANDS."""
    found: list[Comparison] = []
    with TemporaryDirectory(prefix="bench-") as folder:
        secured = Secured.made(Path(folder) / "secure")
        for name, command in COMMANDS.items():
            async with AsyncExitStack() as stack:
                ports = [
                    await stack.enter_async_context(_served(each, secured.environment))
                    for each in (command.program, _BARE)
                ]
                ours, bare = [
                    command.calling(await stack.enter_async_context(_channel(port, secured)), secured.metadata)
                    for port in ports
                ]
                found.extend([await compare(name, ours, bare, number, plan) for number in concurrencies])
    return found


@asynccontextmanager
async def _served(program: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[int]:
    """Start a server; give its port."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GLADHAND_")}
    process = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, env=inherited | dict(environment)
    )
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


def _channel(port: int, secured: Secured) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", secured.channel)
