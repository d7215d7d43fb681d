"""What was acknowledged is kept, once, through lost answers, partitions, resets and killed servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Delivery, Subscription
from gladhand.bus.request import Patience
from gladhand.bus.streams import ensure_streams
from gladhand.bus.timers import due_of
from gladhand.clock import SystemClock
from gladhand.envelope import Stamp
from gladhand.execute import Executor
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.log.port import Unavailable
from gladhand.nats_server import NatsServer
from gladhand.testing import FaultProxy, eventually
from tests.adapters.log.mesh import STREAMS
from tests.adapters.log.parcel import DECIDER, Note, ParcelEvent, Register, stamp

pytestmark = pytest.mark.chaos

PATIENT = Patience(deadline=20.0, attempt=0.4, pause=0.1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as running:
        yield running


@pytest.fixture
async def connection(server: NatsServer) -> AsyncGenerator[Client]:
    async with connected(ConnectionSettings(servers=(server.url,), reconnect_wait=0.05)) as client:
        await ensure_streams(client, STREAMS)
        yield client


class Journal:
    """What the clients were promised, as they saw it."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, tuple[str, int]] = {}

    async def write(self, executor: Executor, parcel_id: str, texts: list[str]) -> None:
        """Note every text in turn, repeating each request until it is answered."""
        requests: list[tuple[Any, Stamp]] = [(Register(), stamp()), *((Note(text), stamp()) for text in texts)]
        for command, request in requests:
            outcome = None
            while outcome is None:
                try:
                    outcome = await executor.execute(DECIDER, parcel_id, command, request)
                except Unavailable:
                    continue
            assert outcome.event is not None
            self.acknowledged[outcome.event.event_id] = (parcel_id, outcome.sequence)


async def check(executor: Executor, journal: Journal, parcels: dict[str, list[str]]) -> None:
    """Every acknowledged event stands where it was said to, every text once and in order, versions without gap."""
    stored: dict[str, tuple[str, int]] = {}
    for parcel_id, texts in parcels.items():
        history = await executor.history(ParcelEvent, parcel_id)
        assert [recorded.event.version for recorded in history] == list(range(1, len(texts) + 2))
        assert [recorded.event.noted.text for recorded in history[1:]] == texts
        stored |= {recorded.event.event_id: (parcel_id, recorded.sequence) for recorded in history}
    assert journal.acknowledged == stored


def work(parcels: int, notes: int) -> dict[str, list[str]]:
    return {f"p{number}": [f"{number}/{note}" for note in range(notes)] for number in range(parcels)}


async def test_lost_answers_partitions_and_resets_neither_lose_nor_double_an_event(
    server: NatsServer, connection: Client
) -> None:
    parcels, journal = work(12, 10), Journal()
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        through = ConnectionSettings(servers=(f"nats://127.0.0.1:{proxy.port}",), reconnect_wait=0.02)
        async with connected(through) as shaky:
            store = JetStreamEventStore(shaky, source="chaos", patience=PATIENT)
            executor = Executor(store, SystemClock())
            writing = [asyncio.create_task(journal.write(executor, *each)) for each in parcels.items()]
            for number, fault in enumerate(("answers", "reset", "both", "answers", "reset", "requests", "reset"), 1):
                await eventually(lambda number=number: len(journal.acknowledged) >= number * 12)  # type: ignore[misc]
                held = proxy.held
                if fault == "reset":
                    proxy.reset()
                    continue
                proxy.hold(up=fault != "answers", down=fault != "requests")
                await eventually(lambda held=held: proxy.held > held)  # type: ignore[misc]
                # Long enough for requests to time out and to be sent again.
                loop = asyncio.get_running_loop()
                loop.call_later(2 * PATIENT.attempt, proxy.release)
                await eventually(proxy._open["down" if fault == "answers" else "up"].is_set)
            await asyncio.gather(*writing)
    direct = Executor(JetStreamEventStore(connection, source="chaos"), SystemClock())
    await check(direct, journal, parcels)


async def test_killing_the_server_loses_nothing_acknowledged(server: NatsServer, connection: Client) -> None:
    parcels, journal = work(16, 12), Journal()
    executor = Executor(JetStreamEventStore(connection, source="chaos", patience=PATIENT), SystemClock())
    writing = [asyncio.create_task(journal.write(executor, *each)) for each in parcels.items()]
    for round_ in range(1, 4):
        await eventually(lambda round_=round_: len(journal.acknowledged) >= round_ * 40)  # type: ignore[misc]
        server.kill()
        await eventually(lambda: not connection.is_connected)
        server.start()
    await asyncio.gather(*writing)
    await check(Executor(JetStreamEventStore(connection, source="chaos"), SystemClock()), journal, parcels)


async def test_a_consumer_and_a_reader_outlive_the_server(server: NatsServer, connection: Client) -> None:
    bus = JetStreamBus(connection, SystemClock(), patience=PATIENT)
    store = JetStreamEventStore(connection, source="chaos", patience=PATIENT)
    handled: list[str] = []
    followed: list[int] = []

    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.payload.decode())

    async def follow() -> None:
        async with aclosing(store.read_all("OBSERVATIONS", follow=True)) as messages:
            async for message in messages:
                followed.append(message.sequence)  # noqa: PERF401 - watched while it grows

    consumer = await bus.subscribe(Subscription(stream="OBSERVATIONS", durable="survivor", handler=handle))
    following = asyncio.create_task(follow())
    try:
        for number in range(60):
            if number in (20, 40):
                await eventually(lambda number=number: len(set(handled)) == number)  # type: ignore[misc]
                server.kill()
                server.start()
            await bus.publish(
                f"logistics.observation.eu.k{number % 5}.seen", str(number).encode(), message_id=f"m{number}"
            )
        await eventually(lambda: len(set(handled)) == 60, within=20)
        await eventually(lambda: len(followed) == 60, within=20)
    finally:
        following.cancel()
        await consumer.stop()
    assert followed == list(range(1, 61))
    assert set(handled) == {str(number) for number in range(60)}


async def test_a_timer_due_while_the_server_is_down_fires_when_it_is_back(
    server: NatsServer, connection: Client
) -> None:
    bus = JetStreamBus(connection, SystemClock(), patience=PATIENT)
    fired: list[str] = []

    async def handle(delivery: Delivery) -> None:
        fired.append(due_of(delivery).key)

    now = datetime.now(UTC)
    await bus.timers.set("pod", "soon", now + timedelta(milliseconds=300))
    await bus.timers.set("pod", "later", now + timedelta(seconds=2))
    server.kill()
    await eventually(lambda: datetime.now(UTC) > now + timedelta(milliseconds=500))
    server.start()
    consumer = await bus.subscribe(
        Subscription(stream="TIMERS", durable="timing", handler=handle, filters=("logistics.due.>",))
    )
    try:
        await eventually(lambda: set(fired) == {"soon", "later"})
    finally:
        await consumer.stop()
    assert fired[0] == "soon"


async def test_a_server_that_stays_away_is_unavailable_within_the_deadline(
    server: NatsServer, connection: Client
) -> None:
    store = JetStreamEventStore(connection, source="chaos", patience=Patience(deadline=1.0, attempt=0.3, pause=0.1))
    executor = Executor(store, SystemClock())
    await executor.execute(DECIDER, "p1", Register(), stamp())
    server.kill()
    request = stamp()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(5):
            await executor.execute(DECIDER, "p1", Note("x"), request)
    server.start()
    patient = Executor(JetStreamEventStore(connection, source="chaos", patience=PATIENT), SystemClock())
    assert (await patient.execute(DECIDER, "p1", Note("x"), request)).version == 2
    assert len(await patient.history(ParcelEvent, "p1")) == 2
