"""The tables of the fleet desk. Times are microseconds since 1970 in UTC, messages are serialized protobuf.

Unique indexes over assignments without an end hold the rule of the domain: never two live assignments of one load, one
vehicle or one driver.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

VERSION: Final = 1
"""Counts up with every change of the tables; a desk of another version is refused at start."""

schema: Final = MetaData()

vehicles: Final = Table(
    "vehicles",
    schema,
    Column("vehicle_id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

pairings: Final = Table(
    "pairings",
    schema,
    Column("vehicle_id", String, ForeignKey("vehicles.vehicle_id"), nullable=False),
    Column("device_id", String, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)

drivers: Final = Table(
    "drivers",
    schema,
    Column("driver_id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

loads: Final = Table(
    "loads",
    schema,
    Column("load_id", String, primary_key=True),
    Column("region", String, nullable=False),
    Column("state", Integer, nullable=False),
    Column("planned_vehicle_id", String, nullable=False),
    Column("features", String, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_by_us", BigInteger, nullable=False),
    Column("hold_until_us", BigInteger),
    Column("create_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("loads_newest", "create_us", "load_id"),
)

plans: Final = Table(
    "plans",
    schema,
    Column("load_id", String, ForeignKey("loads.load_id"), primary_key=True),
    Column("plan_version", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

assignments: Final = Table(
    "assignments",
    schema,
    Column("load_id", String, ForeignKey("loads.load_id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("vehicle_id", String, ForeignKey("vehicles.vehicle_id"), nullable=False),
    Column("driver_id", String, ForeignKey("drivers.driver_id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Index("one_live_assignment_of_a_load", "load_id", unique=True, sqlite_where=text("end_us IS NULL")),
    Index("one_live_assignment_of_a_vehicle", "vehicle_id", unique=True, sqlite_where=text("end_us IS NULL")),
    Index("one_live_assignment_of_a_driver", "driver_id", unique=True, sqlite_where=text("end_us IS NULL")),
    Index("assignments_of_a_vehicle", "vehicle_id", "start_us"),
)

dispatches: Final = Table(
    "dispatches",
    schema,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("load_id", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("plan_version", Integer, nullable=False),
    Column("dispatch_us", BigInteger, nullable=False),
    UniqueConstraint("load_id", "epoch"),
    ForeignKeyConstraint(["load_id", "epoch"], ["assignments.load_id", "assignments.epoch"]),
    sqlite_autoincrement=True,
)

log_lines: Final = Table(
    "log_lines",
    schema,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("load_id", String, nullable=False, index=True),
    Column("action", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("request_id", String, nullable=False),
    Column("detail", String, nullable=False),
)

answers: Final = Table(
    "answers",
    schema,
    Column("request_id", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("answer_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
