"""One commit of the projector: rows and the stream's position, together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert, Table, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from gladhand.errors import StartRefused
from services.orchestrator.read_model.database import Database
from services.orchestrator.read_model.projection import Rows
from services.orchestrator.read_model.schema import PARTS, TABLES, VERSION, positions


class Overtaken(Exception):
    """The position is not where the projector left it: another one went on, or the model is being built anew."""


class Superseded(StartRefused):
    """A program with another version of the tables built the model anew; this one cannot write to it any more."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream is projected."""

    sequence: int
    digest: str
    """Digest of the message at `sequence`, empty at 0."""


async def read_position(database: Database, stream: str) -> Position:
    """Return how far a stream is projected. Raises Superseded, Unavailable."""
    async with database.reading() as connection:
        row = (await connection.execute(select(positions).where(positions.c.stream == stream))).one()
    if row.schema_version != VERSION:
        raise Superseded(
            f"the read model was built anew with version {row.schema_version} of its tables, this program knows "
            f"{VERSION}: run one version of the service against one database"
        )
    return Position(row.sequence, row.digest)


async def commit(database: Database, stream: str, before: int, after: Position, rows: Sequence[Rows]) -> None:
    """Move a stream's position from `before` to `after` and write the rows. Raises Overtaken, Unavailable."""
    async with database.writing() as connection:
        moved = await connection.execute(
            update(positions)
            .where(positions.c.stream == stream, positions.c.sequence == before, positions.c.schema_version == VERSION)
            .values(sequence=after.sequence, digest=after.digest)
        )
        if moved.rowcount != 1:
            raise Overtaken(stream)
        for aggregate in dict.fromkeys(each.aggregate for each in rows):
            await _write(connection, aggregate, [each for each in rows if each.aggregate == aggregate])


async def _write(connection: AsyncConnection, aggregate: str, rows: Sequence[Rows]) -> None:
    table = TABLES[aggregate]
    await connection.execute(_upsert(table, connection.dialect.name), [dict(each.row) for each in rows])
    owners = [{"owner": each.row["id"]} for each in rows]
    for part in PARTS.get(aggregate, ()):
        await connection.execute(delete(part).where(part.c.owner_id == bindparam("owner")), owners)
        owned: list[Mapping[str, object]] = [row for each in rows for row in each.parts[part.name]]
        if owned:
            await connection.execute(insert(part), [dict(row) for row in owned])


def _upsert(table: Table, dialect: str) -> Insert:
    if dialect == "postgresql":
        statement = postgresql.insert(table)
        return statement.on_conflict_do_update(index_elements=[table.c.id], set_=_changed(table, statement.excluded))
    lite = sqlite.insert(table)
    return lite.on_conflict_do_update(index_elements=[table.c.id], set_=_changed(table, lite.excluded))


def _changed(table: Table, excluded: ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]) -> dict[str, object]:
    return {column.name: excluded[column.name] for column in table.c if column.name != "id"}
