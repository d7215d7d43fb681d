"""The read model's database without a thread: the real tables and questions on SQLite in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from services.orchestrator.read_model.database import Database, _make_tables


class _Answering:
    """A connection whose answers are there at once, so that a transaction is one step."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.dialect = connection.dialect

    async def execute(self, *asked: Any) -> Any:
        return self._connection.execute(*asked)


class StepDatabase(Database):
    """`Database` in which each transaction is one step of the scheduler: it stands whole, or nothing of it."""

    def __init__(self) -> None:
        self._memory = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.dialect = "sqlite"
        with self._memory.begin() as connection:
            _make_tables(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        """Open a transaction that only reads."""
        with self._memory.connect() as connection:
            yield _Answering(connection)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        """Open a transaction that writes."""
        with self._memory.begin() as connection:
            yield _Answering(connection)
