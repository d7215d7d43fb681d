"""Replicas of the trial service in this process, behind one target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from gladhand.client import channel
from gladhand.idempotency import MemoryIdempotency
from gladhand.passage import Passage, passages
from gladhand.server import Running, ServiceProcess
from gladhand.settings import Settings
from gladhand.testing.waiting import eventually
from tests.adapters.serving.trial import Trial, compiled

pb2, stubs = compiled()
SERVICE = "trial.v1.TrialService"


@dataclass
class Replica:
    """One replica. Its `stop` drains it."""

    trial: Trial
    process: ServiceProcess[Settings]
    running: Running
    stop: Callable[[], Awaitable[None]]


@dataclass
class Replicas:
    """The replicas behind one name, and a stub to them."""

    each: list[Replica]
    target: str
    stub: Any

    @property
    def passage(self) -> Passage:
        """The way to them."""
        [found] = [passage for passage in passages() if passage.name == self.target]
        return found

    def calls(self) -> list[int]:
        """How many calls reached the servicer of each."""
        return [len(replica.trial.calls) for replica in self.each]

    async def all_connected(self) -> None:
        """Return once every replica gets calls; forgets the calls made meanwhile."""

        async def spread() -> bool:
            await self.stub.Read(pb2.ReadRequest(), timeout=5)
            return all(self.calls())

        await eventually(spread)
        for replica in self.each:
            replica.trial.calls.clear()


@pytest.fixture
async def replica() -> AsyncIterator[Callable[..., Awaitable[Replica]]]:
    """Start a replica; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Replica:
            trial = Trial()

            async def build(process: ServiceProcess[Settings]) -> None:
                own = {"Append", "Gather"}
                process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=own)
                process.use_idempotency(MemoryIdempotency())

            process = ServiceProcess("trial", Settings(**{"grace_s": 1.0, **settings}))
            own = await stack.enter_async_context(AsyncExitStack())
            return Replica(trial, process, await own.enter_async_context(process.serving(build)), own.aclose)

        yield start


@pytest.fixture
async def two(replica: Callable[..., Awaitable[Replica]]) -> AsyncIterator[Replicas]:
    """Two replicas behind one name, both connected."""
    each = [await replica(), await replica()]
    target = "static:" + ",".join(one.running.target for one in each)
    async with channel(target, pb2.DESCRIPTOR) as opened:
        found = Replicas(each, target, stubs.TrialServiceStub(opened))
        await asyncio.wait_for(found.all_connected(), 10)
        yield found
