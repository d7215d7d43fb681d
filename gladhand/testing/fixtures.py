"""Pytest fixtures: one real nats-server for the whole run, and for each test an account of its own on it.

Use them by `pytest_plugins = ["gladhand.testing.fixtures"]` in a root conftest. A fresh account is empty, so tests need
no unique names and cannot disturb each other.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.request import Patience, ask_patiently
from gladhand.bus.streams import StreamLimits, ensure_streams, standard_streams
from gladhand.nats_server import NatsServer

_ACCOUNTS = 24
_PATIENCE = Patience(deadline=10.0, attempt=2.0)
_taken = itertools.count()


def accounts_config(count: int) -> str:
    """Return server configuration with accounts t0, t1 …, each with one user of that name and password."""
    lines = (f"  t{n}: {{ jetstream: enabled, users: [{{ user: t{n}, password: t{n} }}] }}" for n in range(count))
    return "\n".join(("accounts {", *lines, "}"))


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    """A running nats-server with JetStream on disk and `sync_interval: always`."""
    directory: Path = tmp_path_factory.mktemp("nats")
    with NatsServer(directory, extra=accounts_config(_ACCOUNTS)) as server:
        yield server


@pytest.fixture
def nats_settings(nats_server: NatsServer) -> ConnectionSettings:
    """How to reach an account that no other running test uses."""
    name = f"t{next(_taken) % _ACCOUNTS}"
    return ConnectionSettings(servers=(nats_server.url,), user=name, password=name, name="test", first_connect=5)


@pytest.fixture
def nats_url(nats_settings: ConnectionSettings) -> str:
    """The same as one URL, for a process of its own."""
    return nats_settings.servers[0].replace("://", f"://{nats_settings.user}:{nats_settings.password}@")


@pytest.fixture
async def nats_connection(nats_settings: ConnectionSettings) -> AsyncGenerator[Client]:
    """A connection to an empty account."""
    async with empty_account(nats_settings) as connection:
        yield connection


@pytest.fixture
async def mesh_streams(nats_connection: Client) -> Client:
    """The same connection, with the standard streams in place, small."""
    await ensure_streams(nats_connection, standard_streams(StreamLimits(total_bytes=64 << 20)))
    return nats_connection


@asynccontextmanager
async def empty_account(settings: ConnectionSettings) -> AsyncGenerator[Client]:
    """Connect to an account, emptied before and after."""
    async with connected(settings) as connection:
        await wipe(connection)
        yield connection
        if connection.is_connected:
            await wipe(connection)


async def wipe(connection: Client) -> None:
    """Delete every stream of the account."""
    answer, _ = await ask_patiently(connection, "$JS.API.STREAM.NAMES", b"", None, _PATIENCE)
    names: list[str] = answer.get("streams") or []
    await asyncio.gather(
        *(ask_patiently(connection, f"$JS.API.STREAM.DELETE.{name}", b"", None, _PATIENCE) for name in names)
    )
