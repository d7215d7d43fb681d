"""What the fleet desk tells: its loads, vehicles, drivers and devices. Changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from gladhand.clock import Clock
from gladhand.errors import InvalidArgument, NotFound
from logistics.dispatch.v1 import ListLoadsRequest, ResolveDeviceRequest, ResolveDeviceResponse
from logistics.fleet.v1 import Driver, TelematicsDevice, Vehicle
from logistics.fleet.v1.driver_pb2 import DRIVER_STATUS_AVAILABLE
from logistics.fleet.v1.vehicle_pb2 import VEHICLE_STATUS_AVAILABLE
from services.fleet_gateway.adapters.crew import Crew
from services.fleet_gateway.planner.draft import moment

if TYPE_CHECKING:
    from services.fleet_gateway.adapters.book import Book, Page
    from services.fleet_gateway.adapters.port import Booking, LoadCursor


async def booking_of(page: Page, load_id: str) -> Booking:
    """Return a load. Raises NotFound."""
    booking = await page.booking(load_id)
    if booking is None:
        raise NotFound("load", load_id)
    return booking


async def vehicle_of(page: Page, vehicle_id: str) -> Vehicle:
    """Return a vehicle as registered. Raises NotFound."""
    vehicle = await page.vehicle(vehicle_id)
    if vehicle is None:
        raise NotFound("vehicle", vehicle_id)
    return vehicle


async def driver_of(page: Page, driver_id: str) -> Driver:
    """Return a driver as registered. Raises NotFound."""
    driver = await page.driver(driver_id)
    if driver is None:
        raise NotFound("driver", driver_id)
    return driver


def _holds(device: TelematicsDevice, at: datetime) -> bool:
    begun = not device.HasField("valid_from_time") or moment(device.valid_from_time) <= at
    return begun and (not device.HasField("valid_to_time") or at < moment(device.valid_to_time))


class DeskReading:
    """The half of the fleet desk that answers questions."""

    def __init__(self, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    async def booking(self, load_id: str) -> Booking:
        async with self._book.read() as page:
            return await booking_of(page, load_id)

    async def bookings(self, query: ListLoadsRequest, after: LoadCursor | None, limit: int) -> list[Booking]:
        async with self._book.read() as page:
            return await page.bookings(query.region, list(query.states), query.vehicle_id, after, limit)

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        async with self._book.read() as page:
            vehicle = await vehicle_of(page, vehicle_id)
            return (await Crew.read(page, self._clock.now())).vehicle_now(vehicle)

    async def vehicles(self, region: str, *, available_only: bool, after: str, limit: int) -> list[Vehicle]:
        async with self._book.read() as page:
            crew = await Crew.read(page, self._clock.now())
            found = [crew.vehicle_now(v) for v in await page.vehicles(region) if v.vehicle_id > after]
            free = [
                v
                for v in found
                if not available_only
                or (v.status == VEHICLE_STATUS_AVAILABLE and not crew.holder_of_vehicle(v.vehicle_id))
            ]
            return free[:limit]

    async def driver(self, driver_id: str) -> Driver:
        async with self._book.read() as page:
            driver = await driver_of(page, driver_id)
            return (await Crew.read(page, self._clock.now())).driver_now(driver)

    async def drivers(self, region: str, *, available_only: bool, after: str, limit: int) -> list[Driver]:
        async with self._book.read() as page:
            crew = await Crew.read(page, self._clock.now())
            found = [crew.driver_now(d) for d in await page.drivers(region) if d.driver_id > after]
            return [d for d in found if not available_only or d.status == DRIVER_STATUS_AVAILABLE][:limit]

    async def resolve(self, request: ResolveDeviceRequest) -> ResolveDeviceResponse:
        at = moment(request.at_time) if request.HasField("at_time") else self._clock.now()
        async with self._book.read() as page:
            found = [
                (vehicle_id, device)
                for vehicle_id, device in await page.pairings(request.device_id)
                if _holds(device, at) and request.provider in ("", device.provider)
            ]
            if not found:
                raise NotFound(
                    "device",
                    request.device_id,
                    message=f"device {request.device_id!r} sat in no vehicle at {at.isoformat()}; pair it first",
                    reason="DEVICE_UNKNOWN",
                    metadata={"device_id": request.device_id, "at_time": at.isoformat()},
                )
            if len({vehicle_id for vehicle_id, _ in found}) > 1:
                providers = ", ".join(sorted({device.provider for _, device in found}))
                raise InvalidArgument(
                    f"device {request.device_id!r} is paired with several vehicles, under {providers}",
                    field="provider",
                    remedy="name the provider",
                )
            vehicle_id, device = found[0]
            response = ResolveDeviceResponse(vehicle_id=vehicle_id, device=device)
            carried = await page.assignment_at(vehicle_id, at)
            if carried is not None:
                response.load_id = carried[0]
                response.assignment.CopyFrom(carried[1])
            return response
