"""One suite, two databases: SQLite always, PostgreSQL where a server can be started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine

from gladhand.log.port import EventStore
from gladhand.testing import MemoryBroker, MemoryEventStore, VirtualClock, eventually
from services.orchestrator.read_model import Projector, ReadModel
from services.orchestrator.read_model.schema import metadata
from tests.adapters.read_model.postgres import find_binaries, running_cluster
from tests.adapters.read_model.story import Story


@pytest.fixture(scope="session")
def postgres() -> Generator[str]:
    """A PostgreSQL server, by its URL without a database."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(
            "NO POSTGRESQL: neither on the PATH nor under /usr/lib/postgresql is an initdb, so that the read model is "
            "tested on SQLite alone; install the package postgresql"
        )
    with running_cluster(binaries) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'read_model.sqlite'}"
    server: str = request.getfixturevalue("postgres")
    asyncio.run(_emptied(f"{server}/postgres"))
    return f"{server}/postgres"


async def _emptied(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def broker(clock: VirtualClock) -> MemoryBroker:
    return MemoryBroker(clock)


@pytest.fixture
def store(broker: MemoryBroker) -> MemoryEventStore:
    return MemoryEventStore(broker)


@pytest.fixture
def story(store: MemoryEventStore, clock: VirtualClock) -> Story:
    return Story(store, clock)


@pytest.fixture
async def model(database_url: str) -> AsyncGenerator[ReadModel]:
    async with ReadModel.opened(database_url) as opened:
        yield opened


class Running(Projector):
    """A projector that runs."""

    task: asyncio.Task[None]

    async def caught_up(self) -> None:
        """Wait until the rows show everything recorded so far. Raises what ended the projector."""

        async def level() -> bool:
            if self.task.done():
                self.task.result()
            return all(lag.behind == 0 for lag in (await self.lag()).values())

        await eventually(level, what="the projector's catching up")


@asynccontextmanager
async def projecting(store: EventStore, model: ReadModel, **more: Any) -> AsyncIterator[Running]:
    """Run a projector in the block; what it raises is raised at the end."""
    projector = Running(store, model, **more)
    stopping = asyncio.Event()
    projector.task = asyncio.create_task(projector.run(stopping))
    try:
        yield projector
    finally:
        stopping.set()
        await asyncio.wait({projector.task})
    projector.task.result()


async def project(store: EventStore, model: ReadModel, **more: Any) -> None:
    """Bring a model up to date, with a projector that then ends."""
    async with projecting(store, model, **more) as projector:
        await projector.caught_up()


async def contents(model: ReadModel) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    found = {}
    async with model.database.reading() as connection:
        for table in metadata.sorted_tables:
            rows = (await connection.execute(select(table).order_by(*table.primary_key.columns))).all()
            found[table.name] = [tuple(row) for row in rows]
    return found
