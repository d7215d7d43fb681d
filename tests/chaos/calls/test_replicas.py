"""Two replicas behind one name, under load: one is killed, one drained, one hangs, in turn. No call may fail."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from gladhand.bus.buckets import open_bucket
from gladhand.client import call, channel
from gladhand.errors import GladhandError
from gladhand.passage import Passage, passages
from gladhand.readiness import read_ready
from gladhand.testing.waiting import eventually
from tests.adapters.serving.trial import ROOT, compiled
from tests.chaos.calls.replica_main import LEDGER, PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
pb2, stubs = compiled()
_log = logging.getLogger(__name__)

_CALLERS = 8
_PACE_S = 0.02
"""Seconds that a caller rests between two calls: about 200 calls a second in all."""


@dataclass
class Replica:
    """One replica: the same port through all its lives."""

    port: int
    nats_url: str
    ready_file: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def who(self) -> str:
        assert self.process is not None
        return str(self.process.pid)

    async def start(self) -> None:
        values = {"port": self.port, "nats_url": self.nats_url, "ready_file": self.ready_file, "log_level": "WARNING"}
        environment = {f"GLADHAND_{name.upper()}": str(value) for name, value in values.items()}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.calls.replica_main", cwd=ROOT, env={**os.environ, **environment}
        )
        who = self.process.pid

        def serves() -> bool:
            ready = read_ready(self.ready_file)
            return ready is not None and ready.pid == who

        await eventually(serves, within=30)

    def hit(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), 30)

    async def clear_away(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class Load:
    """Callers that go on until they are stopped, and what became of their calls."""

    stub: Any
    answered_by: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, int] = field(default_factory=dict)
    """The number that each command was answered with, by the command's name."""

    made: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    stopping: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        callers = [asyncio.ensure_future(self._call()) for _ in range(_CALLERS)]
        try:
            yield
        finally:
            self.stopping = True
            await asyncio.wait_for(asyncio.gather(*callers), 30)

    async def _call(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.stopping:
            self.made += 1
            began = loop.time()
            try:
                if self.made % 3:
                    answer = await call(self.stub.Read(pb2.ReadRequest(), timeout=10))
                    self.answered_by[answer.text] += 1
                else:
                    name = uuid4().hex
                    self.numbers[name] = 0
                    request = pb2.WriteRequest(request_id=str(uuid4()), name=name)
                    self.numbers[name] = (await call(self.stub.Write(request))).count
            except GladhandError as error:
                self.failed.append(f"{loop.time() - began:.2f} s: {error!r}")
            self.slowest_s = max(self.slowest_s, loop.time() - began)
            await asyncio.sleep(_PACE_S)

    async def answers_from(self, *replicas: Replica) -> None:
        """Return once each of the replicas answered twenty more calls."""
        before = self.answered_by.copy()
        await eventually(lambda: all(self.answered_by[one.who] - before[one.who] >= 20 for one in replicas), within=40)

    async def goes_on(self, calls: int) -> None:
        """Return once so many more calls were answered."""
        before = self.answered_by.total()
        await eventually(lambda: self.answered_by.total() - before >= calls, within=40)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
async def replicas(nats_connection: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        each = [Replica(free_port(), nats_url, tmp_path / name / "ready.json") for name in ("one", "two")]
        for replica in each:
            stack.push_async_callback(replica.clear_away)
            await replica.start()
        yield each


async def killed(victim: Replica, other: Replica, load: Load, _passage: Passage) -> None:
    victim.hit(signal.SIGKILL)
    await victim.ended()
    await load.answers_from(other)
    await victim.start()


async def drained(victim: Replica, other: Replica, load: Load, _passage: Passage) -> None:
    victim.hit(signal.SIGTERM)
    assert await victim.ended() == 0
    await load.answers_from(other)
    await victim.start()


async def hung(victim: Replica, other: Replica, load: Load, passage: Passage) -> None:
    victim.hit(signal.SIGSTOP)
    try:
        await load.answers_from(other)

        async def left_alone() -> bool:
            before = passage.hedges
            await load.goes_on(100)
            return passage.hedges == before

        await eventually(left_alone, within=40, what="that nobody calls the replica that hangs")
    finally:
        victim.hit(signal.SIGCONT)


async def test_no_call_that_may_be_repeated_fails_whatever_happens_to_a_replica(
    replicas: list[Replica], nats_connection: Client
) -> None:
    target = "static:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    one, two = replicas
    async with channel(target, pb2.DESCRIPTOR) as opened:
        load = Load(stubs.TrialServiceStub(opened))
        [passage] = passages()
        async with load.running():
            await load.answers_from(one, two)
            for strike, victim, other in (
                (killed, one, two),
                (drained, two, one),
                (hung, one, two),
                (killed, two, one),
            ):
                await strike(victim, other, load, passage)
                await load.answers_from(one, two)
    counted = {"made": load.made, "failed": len(load.failed), "hedges": passage.hedges, "slowest_s": load.slowest_s}
    _log.info("%s", counted)  # shown by pytest -o log_cli=true -o log_cli_level=INFO
    assert load.failed == []
    assert passage.codes == {"OK": load.made}
    assert load.answered_by.total() + len(load.numbers) == load.made > 300
    assert passage.hedges > 0
    assert (passage.hedges_denied, passage.breaker.opened, passage.in_flight) == (0, 0, 0)

    ledger = await open_bucket(nats_connection, LEDGER, PATIENCE)
    entries = {name: await ledger.get(name) for name in load.numbers}
    assert {name: int(entry.value) for name, entry in entries.items() if entry is not None} == load.numbers
    stored = await nats_connection.jetstream().stream_info("KV_LEDGER")
    assert stored.state.messages == len(load.numbers)
