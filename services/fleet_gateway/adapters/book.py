"""Where the fleet desk writes: a book with pages, each a transaction that counts wholly or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from logistics.fleet.v1 import Driver, TelematicsDevice, Vehicle
from logistics.load.v1 import Assignment
from logistics.load.v1.load_pb2 import LoadState
from services.fleet_gateway.adapters.port import Booking, LoadCursor


class Taken(Exception):
    """A vehicle, driver or load would have two live assignments. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The recorded answer to a changing request."""

    digest: str
    """SHA-256 of the method and the request, in hex."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Live:
    """An assignment without an end."""

    load_id: str
    epoch: int
    vehicle_id: str
    driver_id: str
    dispatched: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A dispatch that was confirmed."""

    reference: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the dispatch log: what was done to a load, when and for which request."""

    load_id: str
    action: str
    at: datetime
    request_id: str
    detail: str


class Page(Protocol):
    """One transaction on the book."""

    async def answer(self, request_id: str) -> Answer | None:
        """Return the answer recorded for a request."""
        ...

    async def record_answer(self, request_id: str, answer: Answer, at: datetime) -> None:
        """Record the answer to a request."""
        ...

    async def booking(self, load_id: str) -> Booking | None:
        """Return a load."""
        ...

    async def put_booking(self, booking: Booking) -> None:
        """Write a load and keep each version of its plan."""
        ...

    async def bookings(
        self,
        region: str,
        states: Sequence[LoadState.ValueType],
        vehicle_id: str,
        after: LoadCursor | None,
        limit: int,
    ) -> list[Booking]:
        """Return loads, the newest first; an empty filter lets everything through."""
        ...

    async def held(self, now: datetime) -> dict[str, str]:
        """Return the vehicles that proposals keep now, each with the load that it is kept for."""
        ...

    async def vehicle(self, vehicle_id: str) -> Vehicle | None:
        """Return a vehicle as the fleet registered it."""
        ...

    async def vehicles(self, region: str) -> list[Vehicle]:
        """Return the vehicles of a region and those of any, by id; an empty region means all."""
        ...

    async def put_vehicle(self, vehicle: Vehicle) -> None:
        """Write a vehicle and the pairings of its devices."""
        ...

    async def driver(self, driver_id: str) -> Driver | None:
        """Return a driver as the fleet registered it."""
        ...

    async def drivers(self, region: str) -> list[Driver]:
        """Return the drivers of a region and those of any, by id; an empty region means all."""
        ...

    async def put_driver(self, driver: Driver) -> None:
        """Write a driver."""
        ...

    async def live(self) -> list[Live]:
        """Return every assignment without an end."""
        ...

    async def begin_assignment(self, load_id: str, assignment: Assignment) -> None:
        """Write a live assignment. Raises Taken where the load, the vehicle or the driver has one."""
        ...

    async def end_assignment(self, load_id: str, assignment: Assignment) -> None:
        """Write the end of an assignment."""
        ...

    async def assignment_at(self, vehicle_id: str, at: datetime) -> tuple[str, Assignment] | None:
        """Return the load and assignment of a vehicle at a time."""
        ...

    async def pairings(self, device_id: str) -> list[tuple[str, TelematicsDevice]]:
        """Return every vehicle that a device sat in, with the pairing."""
        ...

    async def dispatch(self, load_id: str, epoch: int, plan_version: int, at: datetime) -> str:
        """Write a dispatch and return its reference, unique and counted up."""
        ...

    async def dispatch_of(self, load_id: str, epoch: int) -> Sent | None:
        """Return the dispatch of an assignment."""
        ...

    async def log(self, line: LogLine) -> None:
        """Write a line of the dispatch log."""
        ...

    async def log_of(self, load_id: str) -> list[LogLine]:
        """Return the dispatch log of a load, oldest first."""
        ...


class Book(Protocol):
    """A store of pages."""

    def read(self) -> AbstractAsyncContextManager[Page]:
        """Open a page to read: a state of one moment."""
        ...

    def write(self) -> AbstractAsyncContextManager[Page]:
        """Open a page to write. It counts when the block ends, and not at all where the block raises."""
        ...
