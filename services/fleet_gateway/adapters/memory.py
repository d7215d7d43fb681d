"""The fleet desk's book in memory: the same desk for tests and trials, forgotten with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from logistics.fleet.v1 import Driver, TelematicsDevice, Vehicle
from logistics.load.v1 import Assignment
from logistics.load.v1.load_pb2 import LOAD_STATE_DISPATCHED, LOAD_STATE_PLANNED, LoadState
from services.fleet_gateway.adapters.book import Answer, Live, LogLine, Sent, Taken
from services.fleet_gateway.adapters.port import Booking, LoadCursor
from services.fleet_gateway.planner.draft import moment


@dataclass(slots=True)
class MemoryPage:
    """A `Page` in memory: a copy of everything, which its book takes over when the block ends well."""

    answers: dict[str, Answer] = field(default_factory=dict)
    loads: dict[str, Booking] = field(default_factory=dict)
    cars: dict[str, Vehicle] = field(default_factory=dict)
    people: dict[str, Driver] = field(default_factory=dict)
    assignments: dict[tuple[str, int], Assignment] = field(default_factory=dict)
    dispatches: dict[tuple[str, int], Sent] = field(default_factory=dict)
    lines: tuple[LogLine, ...] = ()

    def copy(self) -> MemoryPage:
        """Return a page that can be written without touching this one."""
        return replace(
            self,
            answers=dict(self.answers),
            loads=dict(self.loads),
            cars=dict(self.cars),
            people=dict(self.people),
            assignments=dict(self.assignments),
            dispatches=dict(self.dispatches),
        )

    async def answer(self, request_id: str) -> Answer | None:
        return self.answers.get(request_id)

    async def record_answer(self, request_id: str, answer: Answer, at: datetime) -> None:  # noqa: ARG002 - kept for good
        self.answers[request_id] = answer

    async def booking(self, load_id: str) -> Booking | None:
        return self.loads.get(load_id)

    async def put_booking(self, booking: Booking) -> None:
        self.loads[booking.load.load_id] = booking

    async def bookings(
        self,
        region: str,
        states: Sequence[LoadState.ValueType],
        vehicle_id: str,
        after: LoadCursor | None,
        limit: int,
    ) -> list[Booking]:
        drove = {load_id for (load_id, _), a in self.assignments.items() if a.vehicle_id == vehicle_id}
        newest = sorted(self.loads.values(), key=lambda b: (b.create_time, b.load.load_id), reverse=True)
        found = [
            booking
            for booking in newest
            if (not region or booking.load.region == region)
            and (not states or booking.load.state in states)
            and (not vehicle_id or booking.load.load_id in drove)
            and (after is None or (booking.create_time, booking.load.load_id) < (after.create_time, after.load_id))
        ]
        return found[:limit]

    async def held(self, now: datetime) -> dict[str, str]:
        return {
            booking.load.planned_vehicle_id: load_id
            for load_id, booking in self.loads.items()
            if booking.load.state == LOAD_STATE_PLANNED and booking.hold_until is not None and booking.hold_until > now
        }

    async def vehicle(self, vehicle_id: str) -> Vehicle | None:
        return self.cars.get(vehicle_id)

    async def vehicles(self, region: str) -> list[Vehicle]:
        return [car for _, car in sorted(self.cars.items()) if not region or car.region in ("", region)]

    async def put_vehicle(self, vehicle: Vehicle) -> None:
        self.cars[vehicle.vehicle_id] = vehicle

    async def driver(self, driver_id: str) -> Driver | None:
        return self.people.get(driver_id)

    async def drivers(self, region: str) -> list[Driver]:
        return [person for _, person in sorted(self.people.items()) if not region or person.region in ("", region)]

    async def put_driver(self, driver: Driver) -> None:
        self.people[driver.driver_id] = driver

    async def live(self) -> list[Live]:
        found = [
            Live(load_id, epoch, a.vehicle_id, a.driver_ids[0], self.loads[load_id].load.state == LOAD_STATE_DISPATCHED)
            for (load_id, epoch), a in self.assignments.items()
            if not a.HasField("end_time")
        ]
        return sorted(found, key=lambda live: live.vehicle_id)

    async def begin_assignment(self, load_id: str, assignment: Assignment) -> None:
        for live in await self.live():
            if (
                load_id == live.load_id
                or assignment.vehicle_id == live.vehicle_id
                or live.driver_id in assignment.driver_ids
            ):
                raise Taken(f"load {live.load_id} has a live assignment {live.epoch}")
        self.assignments[load_id, assignment.epoch] = assignment

    async def end_assignment(self, load_id: str, assignment: Assignment) -> None:
        self.assignments[load_id, assignment.epoch] = assignment

    async def assignment_at(self, vehicle_id: str, at: datetime) -> tuple[str, Assignment] | None:
        found = [
            (moment(a.start_time), a.epoch, load_id, a)
            for (load_id, _), a in self.assignments.items()
            if a.vehicle_id == vehicle_id
            and moment(a.start_time) <= at
            and (not a.HasField("end_time") or moment(a.end_time) > at)
        ]
        newest = max(found, key=lambda entry: entry[:2], default=None)
        return None if newest is None else newest[2:]

    async def pairings(self, device_id: str) -> list[tuple[str, TelematicsDevice]]:
        return [
            (vehicle_id, device)
            for vehicle_id, car in sorted(self.cars.items())
            for device in car.telematics_devices
            if device.device_id == device_id
        ]

    async def dispatch(self, load_id: str, epoch: int, plan_version: int, at: datetime) -> str:  # noqa: ARG002 - in the log
        reference = f"FD-{len(self.dispatches) + 1:06d}"
        self.dispatches[load_id, epoch] = Sent(reference, at)
        return reference

    async def dispatch_of(self, load_id: str, epoch: int) -> Sent | None:
        return self.dispatches.get((load_id, epoch))

    async def log(self, line: LogLine) -> None:
        self.lines = (*self.lines, line)

    async def log_of(self, load_id: str) -> list[LogLine]:
        return [line for line in self.lines if line.load_id == load_id]


class MemoryBook:
    """A `Book` in memory."""

    def __init__(self) -> None:
        self._state = MemoryPage()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[MemoryPage]:
        """Open a page to read."""
        yield self._state

    @asynccontextmanager
    async def write(self) -> AsyncIterator[MemoryPage]:
        """Open a page to write."""
        async with self._turn:
            page = self._state.copy()
            yield page
            self._state = page
