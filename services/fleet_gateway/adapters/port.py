"""What the gateway asks of a fleet system. Every adapter passes `tests/adapters/fleet/contract.py`.

Every changing method is done once for its `request_id`: repeated with the same request it gives the recorded answer
and changes nothing; repeated with another it raises RequestIdReused. It happens wholly or not at all, also where the
process dies in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from logistics.dispatch.v1 import (
    AssignLoadRequest,
    AssignLoadResponse,
    CancelLoadRequest,
    CancelLoadResponse,
    CompleteLoadRequest,
    CompleteLoadResponse,
    DispatchLoadRequest,
    DispatchLoadResponse,
    ListLoadsRequest,
    PlanLoadsRequest,
    PlanLoadsResponse,
    ReassignLoadRequest,
    ReassignLoadResponse,
    ReplanLoadRequest,
    ReplanLoadResponse,
    ResolveDeviceRequest,
    ResolveDeviceResponse,
    SetVehicleStatusRequest,
    SetVehicleStatusResponse,
    TenderLoadRequest,
    TenderLoadResponse,
    UnassignedOrder,
)
from logistics.fleet.v1 import Driver, Vehicle
from logistics.load.v1 import Load

AnswerT = TypeVar("AnswerT", bound=Message)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A planned load that nobody drives yet."""

    load: Load
    features: frozenset[str]
    """What the vehicle must have."""

    start_time: datetime
    """When its vehicle is to leave home."""

    end_by_time: datetime
    """When its vehicle must be back: the end of the horizon it was planned in."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A load as the fleet system's book holds it. Messages in it are never changed in place."""

    load: Load
    features: frozenset[str]
    start_time: datetime
    end_by_time: datetime
    hold_until: datetime | None
    """Until when the proposal keeps its vehicle, excluded; None once it is assigned or ended."""

    create_time: datetime


@dataclass(frozen=True, slots=True)
class LoadCursor:
    """The last load of a page."""

    create_time: datetime
    load_id: str


class FleetAdapter(Protocol):
    """A fleet system: its vehicles and drivers, its book of loads, its assignments.

    Refusals are errors of `gladhand.errors` with a reason of `logistics.error.v1.ErrorReason`; a fleet system that does
    not answer is Unavailable with FLEET_UNAVAILABLE.
    """

    @property
    def name(self) -> str:
        """The name of the fleet system, for example `fleet-desk`."""
        ...

    async def answered(self, request: Message, kind: type[AnswerT]) -> AnswerT | None:
        """Return the recorded answer to a changing request, None where it never came. Raises RequestIdReused."""
        ...

    async def plannable(self, region: str, vehicle_ids: Sequence[str]) -> list[Vehicle]:
        """Return the vehicles of a region that a plan may use now, by id: free, driveable and with a driver.

        `vehicle_ids` narrows the choice; empty means all. Raises NotFound for an id that does not exist.
        """
        ...

    async def propose(
        self, request: PlanLoadsRequest, proposals: Sequence[Proposal], unassigned: Sequence[UnassignedOrder]
    ) -> PlanLoadsResponse:
        """Book proposed loads and keep their vehicles for them. Raises Conflict where a vehicle was taken meanwhile."""
        ...

    async def tender(self, request: TenderLoadRequest) -> TenderLoadResponse:
        """Offer a load. The own fleet accepts at once; a carrier may, or answers the orchestrator later."""
        ...

    async def assign(self, request: AssignLoadRequest) -> AssignLoadResponse:
        """Begin the first assignment of a planned load."""
        ...

    async def dispatch(self, request: DispatchLoadRequest) -> DispatchLoadResponse:
        """Send an assigned load on its way; a load that is on its way gives its confirmation again."""
        ...

    async def complete(self, request: CompleteLoadRequest) -> CompleteLoadResponse:
        """End a dispatched load and free who drove it."""
        ...

    async def replan(self, request: ReplanLoadRequest, load: Load, features: frozenset[str]) -> ReplanLoadResponse:
        """Put a new plan in force, whose added goods need `features`.

        Raises Conflict PLAN_VERSION_CONFLICT where another one came first.
        """
        ...

    async def reassign(self, request: ReassignLoadRequest) -> ReassignLoadResponse:
        """End the assignment in force and begin the next epoch, in one step."""
        ...

    async def cancel(self, request: CancelLoadRequest) -> CancelLoadResponse:
        """Take a load out of the book and free who was to drive it."""
        ...

    async def set_vehicle_status(self, request: SetVehicleStatusRequest) -> SetVehicleStatusResponse:
        """Take a vehicle out of service or put it back."""
        ...

    async def booking(self, load_id: str) -> Booking:
        """Return a load with what the book knows beside it. Raises NotFound."""
        ...

    async def bookings(self, query: ListLoadsRequest, after: LoadCursor | None, limit: int) -> list[Booking]:
        """Return at most `limit` loads after a cursor, the newest first."""
        ...

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        """Return a vehicle with its status now. Raises NotFound."""
        ...

    async def vehicles(self, region: str, *, available_only: bool, after: str, limit: int) -> list[Vehicle]:
        """Return at most `limit` vehicles after an id, by id; an empty region means all."""
        ...

    async def driver(self, driver_id: str) -> Driver:
        """Return a driver with the status now. Raises NotFound."""
        ...

    async def drivers(self, region: str, *, available_only: bool, after: str, limit: int) -> list[Driver]:
        """Return at most `limit` drivers after an id, by id; an empty region means all."""
        ...

    async def resolve(self, request: ResolveDeviceRequest) -> ResolveDeviceResponse:
        """Return the vehicle of a device at a time, and the load it carried then. Raises NotFound DEVICE_UNKNOWN."""
        ...
