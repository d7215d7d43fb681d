"""A desk in memory and planning over it."""

from __future__ import annotations

import pytest

from gladhand.testing import VirtualClock
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.adapters.memory import MemoryBook
from services.fleet_gateway.planning import Planning, PlanningRules
from tests.adapters.fleet.samples import DRIVERS, START, VEHICLES
from tests.unit.fleet_gateway.direct import MATRIX, DirectPlanner


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
async def desk(clock: VirtualClock) -> FleetDesk:
    desk = FleetDesk(MemoryBook(), clock)
    await desk.register(VEHICLES, DRIVERS)
    return desk


@pytest.fixture
def planning(desk: FleetDesk, clock: VirtualClock) -> Planning:
    return Planning(desk, DirectPlanner(), MATRIX, clock, PlanningRules())
