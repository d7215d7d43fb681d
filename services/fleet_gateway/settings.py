"""Settings of the fleet gateway, read from the environment with the prefix GLADHAND_."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from gladhand.settings import Settings
from services.fleet_gateway.planner.draft import ServiceTimes
from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planning import PlanningRules


class FleetSettings(Settings):
    """What the fleet gateway needs to know."""

    fleet_file: Path | None = Field(
        None, description="the TOML file of the fleet register, for example deploy/fleet/denver.toml"
    )
    desk_file: Path | None = Field(
        None, description="the SQLite file of the fleet desk, or unset for fleet_desk.sqlite3 in GLADHAND_DATA_DIR"
    )
    hold_s: int = Field(600, ge=1, le=86_400, description="seconds that a proposal keeps its vehicle, 1 to 86400")
    known_hours: bool = Field(False, description="true to refuse drivers whose hours of service nobody told lately")
    device_cache_s: int = Field(
        0, ge=0, le=3600, description="seconds for which callers may keep the vehicle of a device, 0 to 3600"
    )

    day_h: float = Field(10.0, gt=0, le=336, description="hours of a planning horizon without an end, up to 336")
    road_factor: float = Field(1.3, ge=1, le=5, description="street over great-circle distance, 1 to 5")
    speed_kmh: float = Field(40.0, ge=1, le=130, description="usual speed in kilometres an hour, 1 to 130")
    truck_cost_s: int = Field(
        1800, ge=0, le=86_400, description="seconds of driving that one truck more must save, 0 to 86400"
    )
    pickup_setup_s: int = Field(300, ge=0, le=14_400, description="seconds of docking at a warehouse, 0 to 14400")
    delivery_setup_s: int = Field(240, ge=0, le=14_400, description="seconds of parking at a customer, 0 to 14400")
    per_order_s: int = Field(120, ge=0, le=14_400, description="seconds of handling one order, 0 to 14400")
    plan_guard_s: float = Field(25.0, gt=0, le=600, description="seconds after which the optimiser stops, up to 600")

    @property
    def desk(self) -> Path:
        """Where the fleet desk's book is."""
        return self.desk_file or self.data_dir / "fleet_desk.sqlite3"

    @property
    def matrix(self) -> GreatCircle:
        """The travel times that plans are made by."""
        return GreatCircle(self.road_factor, self.speed_kmh / 3.6)

    @property
    def effort(self) -> Effort:
        """How hard the optimiser tries."""
        return Effort(truck_cost_s=self.truck_cost_s, guard_s=self.plan_guard_s)

    @property
    def planning(self) -> PlanningRules:
        """What plans are made by."""
        times = ServiceTimes(self.pickup_setup_s, self.delivery_setup_s, self.per_order_s)
        return PlanningRules(times, timedelta(hours=self.day_h))
