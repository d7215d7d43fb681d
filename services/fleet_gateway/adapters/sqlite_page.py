"""A page of the fleet desk's book: one transaction of one SQLite connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, or_, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from logistics.fleet.v1 import Driver, TelematicsDevice, Vehicle
from logistics.load.v1 import Assignment, Load
from logistics.load.v1.load_pb2 import LOAD_STATE_DISPATCHED, LOAD_STATE_PLANNED, LoadState
from services.fleet_gateway.adapters.book import Answer, Live, LogLine, Sent, Taken
from services.fleet_gateway.adapters.port import Booking, LoadCursor
from services.fleet_gateway.adapters.sqlite_schema import (
    answers,
    assignments,
    dispatches,
    drivers,
    loads,
    log_lines,
    pairings,
    plans,
    vehicles,
)
from services.fleet_gateway.planner.draft import moment

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Return a moment in microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _reference(number: int) -> str:
    return f"FD-{number:06d}"


def _booking(row: Any) -> Booking:
    return Booking(
        load=Load.FromString(row.body),
        features=frozenset(row.features.split()),
        start_time=_moment(row.start_us),
        end_by_time=_moment(row.end_by_us),
        hold_until=None if row.hold_until_us is None else _moment(row.hold_until_us),
        create_time=_moment(row.create_us),
    )


class SqlitePage:
    """A `Page` on SQLite. Its book begins and ends the transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def answer(self, request_id: str) -> Answer | None:
        query = select(answers.c.digest, answers.c.payload).where(answers.c.request_id == request_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else Answer(row.digest, row.payload)

    async def record_answer(self, request_id: str, answer: Answer, at: datetime) -> None:
        row = {
            "request_id": request_id,
            "digest": answer.digest,
            "answer_us": micros(at),
            "payload": answer.payload,
        }
        await self._connection.execute(insert(answers).values(row))

    async def booking(self, load_id: str) -> Booking | None:
        row = (await self._connection.execute(select(loads).where(loads.c.load_id == load_id))).one_or_none()
        return None if row is None else _booking(row)

    async def put_booking(self, booking: Booking) -> None:
        load = booking.load
        body = load.SerializeToString(deterministic=True)
        fields = {
            "region": load.region,
            "state": load.state,
            "planned_vehicle_id": load.planned_vehicle_id,
            "features": " ".join(sorted(booking.features)),
            "start_us": micros(booking.start_time),
            "end_by_us": micros(booking.end_by_time),
            "hold_until_us": None if booking.hold_until is None else micros(booking.hold_until),
            "create_us": micros(booking.create_time),
            "body": body,
        }
        row = upsert(loads).values(load_id=load.load_id, **fields)
        await self._connection.execute(row.on_conflict_do_update(index_elements=["load_id"], set_=fields))
        plan = upsert(plans).values(load_id=load.load_id, plan_version=load.plan_version, body=body)
        await self._connection.execute(plan.on_conflict_do_nothing())

    async def bookings(
        self,
        region: str,
        states: Sequence[LoadState.ValueType],
        vehicle_id: str,
        after: LoadCursor | None,
        limit: int,
    ) -> list[Booking]:
        query = select(loads).order_by(loads.c.create_us.desc(), loads.c.load_id.desc()).limit(limit)
        if region:
            query = query.where(loads.c.region == region)
        if states:
            query = query.where(loads.c.state.in_(states))
        if vehicle_id:
            drove = select(assignments.c.load_id).where(assignments.c.vehicle_id == vehicle_id)
            query = query.where(loads.c.load_id.in_(drove))
        if after is not None:
            place = tuple_(loads.c.create_us, loads.c.load_id)
            query = query.where(place < tuple_(micros(after.create_time), after.load_id))
        return [_booking(row) for row in await self._connection.execute(query)]

    async def held(self, now: datetime) -> dict[str, str]:
        query = select(loads.c.planned_vehicle_id, loads.c.load_id).where(
            loads.c.state == LOAD_STATE_PLANNED, loads.c.hold_until_us > micros(now)
        )
        return {row.planned_vehicle_id: row.load_id for row in await self._connection.execute(query)}

    async def vehicle(self, vehicle_id: str) -> Vehicle | None:
        query = select(vehicles.c.body).where(vehicles.c.vehicle_id == vehicle_id)
        body = (await self._connection.execute(query)).scalar_one_or_none()
        return None if body is None else Vehicle.FromString(body)

    async def vehicles(self, region: str) -> list[Vehicle]:
        query = select(vehicles.c.body).order_by(vehicles.c.vehicle_id)
        if region:
            query = query.where(vehicles.c.region.in_(["", region]))
        return [Vehicle.FromString(row.body) for row in await self._connection.execute(query)]

    async def put_vehicle(self, vehicle: Vehicle) -> None:
        fields = {"region": vehicle.region, "body": vehicle.SerializeToString(deterministic=True)}
        row = upsert(vehicles).values(vehicle_id=vehicle.vehicle_id, **fields)
        await self._connection.execute(row.on_conflict_do_update(index_elements=["vehicle_id"], set_=fields))
        await self._connection.execute(delete(pairings).where(pairings.c.vehicle_id == vehicle.vehicle_id))
        devices = [
            {"vehicle_id": vehicle.vehicle_id, "device_id": device.device_id, "body": device.SerializeToString()}
            for device in vehicle.telematics_devices
        ]
        if devices:
            await self._connection.execute(insert(pairings), devices)

    async def driver(self, driver_id: str) -> Driver | None:
        query = select(drivers.c.body).where(drivers.c.driver_id == driver_id)
        body = (await self._connection.execute(query)).scalar_one_or_none()
        return None if body is None else Driver.FromString(body)

    async def drivers(self, region: str) -> list[Driver]:
        query = select(drivers.c.body).order_by(drivers.c.driver_id)
        if region:
            query = query.where(drivers.c.region.in_(["", region]))
        return [Driver.FromString(row.body) for row in await self._connection.execute(query)]

    async def put_driver(self, driver: Driver) -> None:
        fields = {"region": driver.region, "body": driver.SerializeToString(deterministic=True)}
        row = upsert(drivers).values(driver_id=driver.driver_id, **fields)
        await self._connection.execute(row.on_conflict_do_update(index_elements=["driver_id"], set_=fields))

    async def live(self) -> list[Live]:
        columns = (assignments.c.load_id, assignments.c.epoch, assignments.c.vehicle_id, assignments.c.driver_id)
        query = select(*columns, loads.c.state).join_from(assignments, loads).where(assignments.c.end_us.is_(None))
        return [
            Live(row.load_id, row.epoch, row.vehicle_id, row.driver_id, row.state == LOAD_STATE_DISPATCHED)
            for row in await self._connection.execute(query.order_by(assignments.c.vehicle_id))
        ]

    async def begin_assignment(self, load_id: str, assignment: Assignment) -> None:
        row = {
            "load_id": load_id,
            "epoch": assignment.epoch,
            "vehicle_id": assignment.vehicle_id,
            "driver_id": assignment.driver_ids[0],
            "start_us": micros(moment(assignment.start_time)),
            "body": assignment.SerializeToString(),
        }
        try:
            await self._connection.execute(insert(assignments).values(row))
        except IntegrityError as error:
            raise Taken(str(error.orig)) from error

    async def end_assignment(self, load_id: str, assignment: Assignment) -> None:
        this = (assignments.c.load_id == load_id) & (assignments.c.epoch == assignment.epoch)
        end = {"end_us": micros(moment(assignment.end_time)), "body": assignment.SerializeToString()}
        await self._connection.execute(update(assignments).where(this).values(end))

    async def assignment_at(self, vehicle_id: str, at: datetime) -> tuple[str, Assignment] | None:
        now = micros(at)
        query = (
            select(assignments.c.load_id, assignments.c.body)
            .where(assignments.c.vehicle_id == vehicle_id, assignments.c.start_us <= now)
            .where(or_(assignments.c.end_us.is_(None), assignments.c.end_us > now))
            .order_by(assignments.c.start_us.desc(), assignments.c.epoch.desc())
            .limit(1)
        )
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else (row.load_id, Assignment.FromString(row.body))

    async def pairings(self, device_id: str) -> list[tuple[str, TelematicsDevice]]:
        query = select(pairings.c.vehicle_id, pairings.c.body).where(pairings.c.device_id == device_id)
        rows = await self._connection.execute(query.order_by(pairings.c.vehicle_id))
        return [(row.vehicle_id, TelematicsDevice.FromString(row.body)) for row in rows]

    async def dispatch(self, load_id: str, epoch: int, plan_version: int, at: datetime) -> str:
        row = {"load_id": load_id, "epoch": epoch, "plan_version": plan_version, "dispatch_us": micros(at)}
        number = (
            await self._connection.execute(insert(dispatches).values(row).returning(dispatches.c.number))
        ).scalar_one()
        return _reference(number)

    async def dispatch_of(self, load_id: str, epoch: int) -> Sent | None:
        this = (dispatches.c.load_id == load_id) & (dispatches.c.epoch == epoch)
        row = (await self._connection.execute(select(dispatches).where(this))).one_or_none()
        return None if row is None else Sent(_reference(row.number), _moment(row.dispatch_us))

    async def log(self, line: LogLine) -> None:
        row = {
            "load_id": line.load_id,
            "action": line.action,
            "at_us": micros(line.at),
            "request_id": line.request_id,
            "detail": line.detail,
        }
        await self._connection.execute(insert(log_lines).values(row))

    async def log_of(self, load_id: str) -> list[LogLine]:
        query = select(log_lines).where(log_lines.c.load_id == load_id).order_by(log_lines.c.number)
        return [
            LogLine(row.load_id, row.action, _moment(row.at_us), row.request_id, row.detail)
            for row in await self._connection.execute(query)
        ]
