"""Steps that the suites of the fleet adapters share."""

from __future__ import annotations

from typing import Protocol

import pytest

from gladhand.errors import (
    GladhandError,
)
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    DispatchLoadRequest,
    DispatchLoadResponse,
    PlanLoadsRequest,
    PlanLoadsResponse,
)
from logistics.fleet.v1 import Driver, Vehicle
from logistics.load.v1 import Load
from services.fleet_gateway.adapters.port import FleetAdapter
from tests.adapters.fleet.samples import an_id, proposal


class Registering(Protocol):
    """What the suite needs beside the port: a way to describe the fleet."""

    async def register(self, vehicles: list[Vehicle], drivers: list[Driver]) -> None: ...


async def propose(fleet: FleetAdapter, *pairs: tuple[str, str], request: str = "plan") -> PlanLoadsResponse:
    """Book proposed loads, each given as (name, vehicle)."""
    asked = PlanLoadsRequest(request_id=an_id(request), region="us")
    return await fleet.propose(asked, [proposal(name, vehicle_id) for name, vehicle_id in pairs], [])


async def assign(fleet: FleetAdapter, name: str, request: str = "", **fields: object) -> int:
    """Assign a load and return the epoch."""
    asked = AssignLoadRequest(request_id=an_id(request or f"assign {name}"), load_id=an_id(name), **fields)  # type: ignore[arg-type]
    return (await fleet.assign(asked)).assignment.epoch


async def dispatch(fleet: FleetAdapter, name: str, request: str = "", **fields: object) -> DispatchLoadResponse:
    asked = DispatchLoadRequest(request_id=an_id(request or f"dispatch {name}"), load_id=an_id(name), **fields)  # type: ignore[arg-type]
    return await fleet.dispatch(asked)


async def on_the_road(fleet: FleetAdapter, name: str, vehicle_id: str) -> None:
    await propose(fleet, (name, vehicle_id), request=f"plan {name}")
    await assign(fleet, name)
    await dispatch(fleet, name)


async def present(fleet: FleetAdapter, name: str) -> Load:
    return (await fleet.booking(an_id(name))).load


def reason(refusal: pytest.ExceptionInfo[GladhandError]) -> str:
    return refusal.value.reason
