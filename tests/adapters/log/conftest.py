"""One suite, four brokers: memory as a lone server judges, memory as a cluster judges, and a real nats-server, with and
without permissions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gladhand.bus.authorization import written
from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.credentials import issue
from gladhand.bus.identities import SETUP, setup
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.permissions import BusPolicy, rights_of
from gladhand.bus.streams import ensure_streams
from gladhand.clock import SystemClock
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.nats_server import NatsServer
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore
from gladhand.testing.fixtures import empty_account
from tests.adapters.log.mesh import QUICK, STREAMS, Mesh


@pytest.fixture(params=["memory", "memory-cluster", "jetstream", "permitted"])
def broker_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def account(request: pytest.FixtureRequest, broker_kind: str) -> ConnectionSettings | None:
    settings: ConnectionSettings | None = None
    if broker_kind == "jetstream":
        settings = request.getfixturevalue("nats_settings")
    return settings


_TRIED = BusPolicy(
    "tried",
    publishes=tuple(subject for spec in STREAMS for subject in spec.subjects),
    reads=tuple(subject for spec in STREAMS for subject in spec.subjects),
    buckets=("CURSORS", "IDEMPOTENCY", "CLOCK", "POLICIES"),
    objects=("DOCUMENTS",),
    # Consumers by any name; the server and the tests in between take messages out, put timers off and look on.
    requests=("$JS.ACK.>", "$JS.API.STREAM.PURGE.TIMERS", "$JS.API.STREAM.MSG.DELETE.*", "$JS.API.CONSUMER.NAMES.*"),
)
"""As much as the suite does, in the forms in which permissions are granted."""


@pytest.fixture(scope="session")
def permitted_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    folder = tmp_path_factory.mktemp("permitted")
    streams = {spec.name: spec.subjects for spec in STREAMS}
    wiper = replace(setup(), requests=("$JS.API.STREAM.>",))
    keys = {name: issue(folder, name).public_key() for name in (_TRIED.identity, wiper.identity)}
    authorization = folder / "authorization.conf"
    authorization.write_text(written([rights_of(_TRIED, streams)], keys, rights_of(wiper, streams)), "utf-8")
    with NatsServer(folder / "nats", authorization=authorization) as server:
        yield server


@asynccontextmanager
async def permitted_mesh(server: NatsServer) -> AsyncGenerator[Mesh]:
    folder = server.directory.parent

    def settings(identity: str) -> ConnectionSettings:
        return ConnectionSettings(servers=(server.url,), credentials=folder / f"{identity}.nk", first_connect=5)

    async with empty_account(settings(SETUP)) as own:
        await ensure_streams(own, STREAMS)
        first = JetStreamBus(own, SystemClock(), patience=QUICK)
        for bucket in _TRIED.buckets:
            await first.key_value(bucket)
        await first.objects("DOCUMENTS")
        async with connected(settings(_TRIED.identity)) as connection:
            store = JetStreamEventStore(connection, source="test", patience=QUICK)
            yield Mesh(store, JetStreamBus(connection, SystemClock(), patience=QUICK), connection)


@pytest.fixture
async def mesh(
    request: pytest.FixtureRequest, broker_kind: str, account: ConnectionSettings | None
) -> AsyncGenerator[Mesh]:
    if broker_kind == "permitted":
        async with permitted_mesh(request.getfixturevalue("permitted_server")) as found:
            yield found
        return
    if account is None:
        broker = MemoryBroker(SystemClock(), STREAMS, cluster=broker_kind == "memory-cluster")
        yield Mesh(MemoryEventStore(broker), MemoryBus(broker), broker=broker)
        return
    async with empty_account(account) as connection:
        await ensure_streams(connection, STREAMS)
        store = JetStreamEventStore(connection, source="test", patience=QUICK)
        yield Mesh(store, JetStreamBus(connection, SystemClock(), patience=QUICK), connection)
