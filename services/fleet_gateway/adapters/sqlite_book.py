"""The fleet desk's book in one SQLite file, safe against a crash at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, delete, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gladhand.errors import StartRefused, Unavailable
from services.fleet_gateway.adapters.sqlite_page import SqlitePage, micros
from services.fleet_gateway.adapters.sqlite_schema import VERSION, answers, schema

_BUSY_TIMEOUT_MS: Final = 5000
_KEEP_ANSWERS: Final = timedelta(days=31)
_WRITES: Final = "desk_writes"


class SqliteBook:
    """A `Book` in a file.

    Writers take the file's lock when they begin, so that what they read is what they change; readers see the state
    before. WAL with `synchronous=FULL`: what was answered survives a crash of the process and of the machine.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(cls, file: Path, now: datetime) -> AsyncIterator[SqliteBook]:
        """Open the file, making it where it does not exist, and close it at the end of the block.

        Answers older than 31 days are forgotten. Raises StartRefused where the file is no desk of this version.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(file)))
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        try:
            book = cls(engine)
            await book._found(file, now)
            yield book
        finally:
            await engine.dispose()

    async def _found(self, file: Path, now: datetime) -> None:
        try:
            async with self._begun(writes=True) as connection:
                version = (await connection.execute(text("PRAGMA user_version"))).scalar_one()
                if version not in (0, VERSION):
                    raise StartRefused(f"the fleet desk {file} has version {version}, this program knows {VERSION}")
                await connection.run_sync(schema.create_all)
                await connection.execute(text(f"PRAGMA user_version = {VERSION}"))
                old = micros(now - _KEEP_ANSWERS)
                await connection.execute(delete(answers).where(answers.c.answer_us < old))
        except DatabaseError as error:
            raise StartRefused(f"the fleet desk {file} cannot be opened: {error.orig}") from error

    @asynccontextmanager
    async def _begun(self, *, writes: bool) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(**{_WRITES: writes})
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlitePage]:
        """Open a page to read. Raises Unavailable where the file does not answer."""
        try:
            async with self._begun(writes=False) as connection:
                yield SqlitePage(connection)
        except DBAPIError as error:
            raise _silent(error) from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqlitePage]:
        """Open a page to write. Raises Unavailable where the file does not answer; then nothing was written."""
        try:
            async with self._turn, self._begun(writes=True) as connection:
                yield SqlitePage(connection)
        except OperationalError as error:
            raise _silent(error) from error


def _silent(error: DBAPIError) -> Unavailable:
    return Unavailable(
        f"the fleet desk does not answer: {error.orig}", reason="FLEET_UNAVAILABLE", metadata={"fleet": "fleet-desk"}
    )


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
