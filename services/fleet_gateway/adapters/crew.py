"""Who is free at one moment: vehicles and drivers against live assignments and proposals. Pure, but for one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from logistics.fleet.v1 import Driver, Vehicle
from logistics.fleet.v1.driver_pb2 import DRIVER_STATUS_AVAILABLE, DRIVER_STATUS_DRIVING, DRIVER_STATUS_ON_DUTY
from logistics.fleet.v1.vehicle_pb2 import VEHICLE_STATUS_ASSIGNED, VEHICLE_STATUS_AVAILABLE, VEHICLE_STATUS_IN_USE
from services.fleet_gateway.adapters import rules
from services.fleet_gateway.adapters.book import Live, Page


@dataclass(frozen=True, slots=True)
class Crew:
    """The fleet at one moment."""

    now: datetime
    vehicles: Mapping[str, Vehicle]
    drivers: Mapping[str, Driver]
    by_vehicle: Mapping[str, Live]
    by_driver: Mapping[str, Live]
    held: Mapping[str, str]
    """Vehicles that proposals keep, with their loads."""

    @classmethod
    async def read(cls, page: Page, now: datetime) -> Crew:
        """Read the fleet from a page."""
        live = await page.live()
        return cls(
            now=now,
            vehicles={vehicle.vehicle_id: vehicle for vehicle in await page.vehicles("")},
            drivers={driver.driver_id: driver for driver in await page.drivers("")},
            by_vehicle={entry.vehicle_id: entry for entry in live},
            by_driver={entry.driver_id: entry for entry in live},
            held=await page.held(now),
        )

    def holder_of_vehicle(self, vehicle_id: str) -> str:
        """Return the load that has or keeps a vehicle, empty where none does."""
        live = self.by_vehicle.get(vehicle_id)
        return live.load_id if live is not None else self.held.get(vehicle_id, "")

    def holder_of_driver(self, driver_id: str) -> str:
        """Return the load that has a driver, empty where none does."""
        live = self.by_driver.get(driver_id)
        return live.load_id if live is not None else ""

    def free_drivers(self, region: str) -> list[Driver]:
        """Return the drivers who may be given a load in a region, by id."""
        return [
            driver
            for driver_id, driver in sorted(self.drivers.items())
            if driver_id not in self.by_driver and driver.region in ("", region) and rules.employable(driver, self.now)
        ]

    def plannable(self, region: str) -> list[Vehicle]:
        """Return the vehicles of a region that a plan may use, by id: free, driveable, and with a driver left."""
        mine = [v for _, v in sorted(self.vehicles.items()) if v.region in ("", region)]
        free = [v for v in mine if not self.holder_of_vehicle(v.vehicle_id) and rules.driveable(v)]
        kept = [v for v in mine if v.vehicle_id in self.held and v.vehicle_id not in self.by_vehicle]
        return rules.crewed(free, kept, self.free_drivers(region))

    def driver_for(self, vehicle: Vehicle, region: str) -> Driver | None:
        """Return the driver who would take a vehicle now; None where none is free."""
        usual = {v.usual_driver_id: v.vehicle_id for v in self.vehicles.values() if v.usual_driver_id}
        return rules.choose_driver(vehicle, self.free_drivers(region), usual)

    def vehicle_now(self, vehicle: Vehicle) -> Vehicle:
        """Return a vehicle with what it is doing."""
        live = self.by_vehicle.get(vehicle.vehicle_id)
        if live is None:
            return vehicle
        shown = Vehicle()
        shown.CopyFrom(vehicle)
        shown.load_id = live.load_id
        if vehicle.status == VEHICLE_STATUS_AVAILABLE:
            shown.status = VEHICLE_STATUS_IN_USE if live.dispatched else VEHICLE_STATUS_ASSIGNED
        return shown

    def driver_now(self, driver: Driver) -> Driver:
        """Return a driver with what they are doing."""
        live = self.by_driver.get(driver.driver_id)
        if live is None:
            return driver
        shown = Driver()
        shown.CopyFrom(driver)
        shown.load_id = live.load_id
        if driver.status == DRIVER_STATUS_AVAILABLE:
            shown.status = DRIVER_STATUS_DRIVING if live.dispatched else DRIVER_STATUS_ON_DUTY
        return shown
