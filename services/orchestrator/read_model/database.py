"""The database of the read model: SQLite in a file by default, PostgreSQL by URL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, delete, event, func, insert, inspect, make_url, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gladhand.errors import StartRefused, Unavailable
from services.orchestrator.read_model.schema import STREAMS, VERSION, metadata, positions

log = logging.getLogger(__name__)

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_BUSY_TIMEOUT_MS: Final = 10_000
_WRITES: Final = "read_model_writes"
_ADVISORY_LOCK: Final = 0x676C6164
"""Key of the PostgreSQL lock that lets one process at a time make the tables."""


class Database:
    """Transactions on the read model's tables. Open it with `opened`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()
        self.dialect = engine.dialect.name

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Database]:
        """Connect, make the tables where they are missing or of another version, and close at the end of the block.

        Raises StartRefused on a URL that names no such database and where the database does not answer.
        """
        place = _place(url)
        engine = create_async_engine(place, pool_pre_ping=place.get_backend_name() == "postgresql")
        if place.get_backend_name() == "sqlite":
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        try:
            database = cls(engine)
            try:
                if database.dialect == "sqlite" and place.database:
                    Path(place.database).parent.mkdir(parents=True, exist_ok=True)
                async with database._begun(writes=True) as connection:
                    await connection.run_sync(_make_tables)
            except (SQLAlchemyError, OSError) as error:
                shown = place.render_as_string(hide_password=True)
                raise StartRefused(
                    f"the read model's database {shown} cannot be opened: {_words(error)}; check GLADHAND_DATABASE_URL"
                ) from error
            yield database
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads. Raises Unavailable where the database does not answer."""
        with _answering():
            async with self._begun(writes=False) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; all of it stands at the end of the block, or nothing.

        Raises Unavailable where the database does not answer; the transaction may then stand or not.
        """
        with _answering():
            if self.dialect == "sqlite":
                # SQLite has one writer: waiting here costs less than being turned away by the file.
                async with self._turn, self._begun(writes=True) as connection:
                    yield connection
            else:
                async with self._begun(writes=True) as connection:
                    yield connection

    async def clear(self) -> None:
        """Take everything out and set every position back to the beginning, in one transaction."""
        async with self.writing() as connection:
            # First the positions: a projector that is writing waits for this row, and then finds itself overtaken.
            await connection.execute(update(positions).values(sequence=0, digest=""))
            for table in reversed(metadata.sorted_tables):
                if table is not positions:
                    await connection.execute(delete(table))

    @asynccontextmanager
    async def _begun(self, *, writes: bool) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(**{_WRITES: writes})
            async with connection.begin():
                yield connection


def _place(url: str) -> URL:
    try:
        place = make_url(url)
        driver = _DRIVERS[place.get_backend_name()]
    except (SQLAlchemyError, KeyError) as error:
        raise StartRefused(
            "GLADHAND_DATABASE_URL names no database of the read model; give postgresql+asyncpg://user@host/name, or "
            "leave it unset for a SQLite file"
        ) from error
    return place.set(drivername=driver)


def _make_tables(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    found = _version_found(connection)
    if found == VERSION:
        return
    if found is not None:
        log.warning("the read model has version %s, this program knows %s: it is built anew", found, VERSION)
    metadata.drop_all(connection)
    metadata.create_all(connection)
    rows = [{"stream": stream, "sequence": 0, "digest": "", "schema_version": VERSION} for stream in STREAMS]
    connection.execute(insert(positions), rows)


def _version_found(connection: Connection) -> int | None:
    """Return the version of the tables, None where there are none, 0 where they know no version."""
    tables = inspect(connection)
    if not tables.has_table(positions.name):
        return None
    if "schema_version" not in {column["name"] for column in tables.get_columns(positions.name)}:
        return 0
    versions: set[int] = set(connection.execute(select(positions.c.schema_version)).scalars())
    streams: set[str] = set(connection.execute(select(positions.c.stream)).scalars())
    return versions.pop() if len(versions) == 1 and streams == set(STREAMS) else 0


@contextmanager
def _answering() -> Iterator[None]:
    """Turn silence of the database into Unavailable; faults of a statement or of its values pass as they are.

    What fails while connecting (a server that starts up, or has no connection left) has no class of its own, so that
    everything counts as silence which is not plainly a fault.
    """
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError):
        raise
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise _silent(error) from error


def _silent(error: Exception) -> Unavailable:
    return Unavailable(f"the read model's database does not answer: {_words(error)}")


def _words(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where the driver guesses
    cursor = connection.cursor()
    # What a power cut takes from the file comes again from the log, so that no commit needs to wait for the disk.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={_BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
