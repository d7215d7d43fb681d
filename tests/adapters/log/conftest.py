"""One suite, three brokers: memory as a lone server judges, memory as a cluster judges, and a real nats-server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from gladhand.bus.connection import ConnectionSettings
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.streams import ensure_streams
from gladhand.clock import SystemClock
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore
from gladhand.testing.fixtures import empty_account
from tests.adapters.log.mesh import QUICK, STREAMS, Mesh


@pytest.fixture(params=["memory", "memory-cluster", "jetstream"])
def broker_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def account(request: pytest.FixtureRequest, broker_kind: str) -> ConnectionSettings | None:
    settings: ConnectionSettings | None = None
    if broker_kind == "jetstream":
        settings = request.getfixturevalue("nats_settings")
    return settings


@pytest.fixture
async def mesh(broker_kind: str, account: ConnectionSettings | None) -> AsyncGenerator[Mesh]:
    if account is None:
        broker = MemoryBroker(SystemClock(), STREAMS, cluster=broker_kind == "memory-cluster")
        yield Mesh(MemoryEventStore(broker), MemoryBus(broker), broker=broker)
        return
    async with empty_account(account) as connection:
        await ensure_streams(connection, STREAMS)
        store = JetStreamEventStore(connection, source="test", patience=QUICK)
        yield Mesh(store, JetStreamBus(connection, SystemClock(), patience=QUICK), connection)
