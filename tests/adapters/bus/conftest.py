"""One nats-server as `gladhand up` sets it up: every identity with its own credentials, and two readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack

import pytest

from gladhand.bus.connection import connect, disconnect
from gladhand.bus.identities import SETUP
from gladhand.bus.refusals import MeshClient
from gladhand.cli.home import Home
from gladhand.cli.mesh.access import Access
from gladhand.cli.mesh.engine import set_up
from gladhand.nats_server import NatsServer
from tests.adapters.bus.guarded import Guarded

READERS = {"telemetry-team": ["telemetry"], "finance-team": ["invoice"], "road-team": ["load", "order"]}


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Guarded]:
    home = Home(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("cache"))
    access = Access(home)
    access.prepare()
    for name, reads in READERS.items():
        access.add_reader(name, reads)
    with NatsServer(tmp_path_factory.mktemp("nats"), authorization=access.authorization) as server:
        asyncio.run(set_up(server.url, access.credentials(SETUP), None, access.objects()))
        yield Guarded(server, access)


@pytest.fixture
async def joined_as(guarded: Guarded) -> AsyncGenerator[Callable[[str], object]]:
    """Connect as an identity, for the duration of the test."""
    async with AsyncExitStack() as open_ones:

        async def join(identity: str) -> MeshClient:
            connection = await connect(guarded.settings(identity))
            open_ones.push_async_callback(disconnect, connection)
            assert isinstance(connection, MeshClient)
            return connection

        yield join
