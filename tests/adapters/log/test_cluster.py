"""The store on a real cluster of three, where answers to repeated appends and reads differ from a lone server's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.request import Patience
from gladhand.bus.streams import ensure_streams
from gladhand.clock import SystemClock
from gladhand.execute import Executor
from gladhand.log.durability import require_durable
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.log.port import Conflict, NotDurable
from gladhand.mesh import joined
from gladhand.nats_server import NatsServer
from gladhand.settings import Settings
from tests.adapters.log.parcel import DECIDER, KIND, PARCELS, Note, ParcelEvent, Register, event, pb, stamp

pytestmark = pytest.mark.chaos

PATIENT = Patience(deadline=20.0, attempt=2.0, pause=0.2)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[list[NatsServer]]:
    ports = free_ports(3)
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    servers = [
        NatsServer(
            tmp_path / f"n{number}",
            name=f"n{number}",
            synced=False,
            extra=f'cluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{routes}] }}',
        )
        for number, port in enumerate(ports)
    ]
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        yield servers
    finally:
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in servers))


async def test_a_cluster_keeps_the_contract_and_outlives_its_leader(cluster: list[NatsServer]) -> None:
    urls = tuple(server.url for server in cluster)
    async with connected(ConnectionSettings(servers=urls, reconnect_wait=0.1)) as connection:
        await ensure_streams(connection, (replace(PARCELS, replicas=3),), PATIENT)
        await require_durable(connection, cluster[0].monitoring_url, replicas=3)
        with pytest.raises(NotDurable):
            await require_durable(connection, cluster[0].monitoring_url, replicas=1)
        store = JetStreamEventStore(connection, source="test", patience=PATIENT)
        each = event(pb.Noted(text="n"), "dup", 1)
        first = await store.append(KIND, each, expected=0)
        again = await store.append(KIND, each, expected=0)
        assert (again.sequence, again.repeated) == (first.sequence, True)
        second = await store.append(KIND, event(pb.Shipped(), "dup", 2), expected=first.sequence)
        assert [recorded.sequence for recorded in await store.read(KIND, "dup")] == [first.sequence, second.sequence]
        with pytest.raises(Conflict):
            await store.append(KIND, each, expected=0)

        executor = Executor(store, SystemClock())
        for number in range(20):
            await executor.execute(DECIDER, f"p{number}", Register(), stamp())
        info = await connection.jetstream().stream_info("PARCELS")
        leader: Any = info.cluster
        next(server for server in cluster if server.name == leader.leader).kill()
        await asyncio.gather(*(executor.execute(DECIDER, f"p{number}", Note("on"), stamp()) for number in range(20)))
        for number in range(20):
            history = await executor.history(ParcelEvent, f"p{number}")
            assert [recorded.event.version for recorded in history] == [1, 2]
        assert len([message async for message in store.read_all("PARCELS")]) == 42


async def test_a_service_joins_a_cluster_by_its_settings(cluster: list[NatsServer]) -> None:
    settings = Settings(
        nats_url=",".join(server.url for server in cluster), monitoring_url=cluster[0].monitoring_url, replicas=3
    )
    async with joined("test", settings, patience=PATIENT) as place:
        bucket = await place.bus.key_value("CURSORS")
        await bucket.put("here", b"1")
        info: Any = await place.connection.jetstream().stream_info("KV_CURSORS")
        assert info.config.num_replicas == 3
