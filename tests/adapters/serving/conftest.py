"""A trial server in this process, and channels to it: a bare one, as any client has, and one of ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from gladhand.client import channel
from gladhand.idempotency import MemoryIdempotency
from gladhand.server import Running, ServiceProcess
from gladhand.settings import Settings
from tests.adapters.serving.trial import Trial, compiled

Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
def trial() -> Trial:
    return Trial()


@pytest.fixture
async def serve(trial: Trial) -> AsyncIterator[Serve]:
    """Serve the trial contract; keyword arguments are settings, `extra` adds parts to the process."""
    async with AsyncExitStack() as stack:

        async def start(
            extra: Callable[[ServiceProcess[Settings]], Awaitable[None]] | None = None, **settings: Any
        ) -> Running:
            async def build(process: ServiceProcess[Settings]) -> None:
                _pb2, stubs = compiled()
                process.add_servicer(
                    stubs.add_TrialServiceServicer_to_server, trial, own_idempotency={"Append", "Gather"}
                )
                process.use_idempotency(MemoryIdempotency())
                if extra is not None:
                    await extra(process)

            process = ServiceProcess("trial", Settings(**{"grace_s": 5.0, **settings}))
            return await stack.enter_async_context(process.serving(build))

        yield start


@pytest.fixture
async def running(serve: Serve) -> Running:
    return await serve()


@pytest.fixture
async def bare(running: Running) -> AsyncIterator[Any]:
    """A stub over a channel that knows nothing of us."""
    async with grpc.aio.insecure_channel(running.target) as plain:
        yield compiled()[1].TrialServiceStub(plain)


@pytest.fixture
async def ours(running: Running) -> AsyncIterator[Any]:
    """A stub over a channel of `gladhand.client`."""
    async with channel(running.target, compiled()[0].DESCRIPTOR) as wrapped:
        yield compiled()[1].TrialServiceStub(wrapped)


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
