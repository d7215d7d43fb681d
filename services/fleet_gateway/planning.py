"""Plans on request: reads who is free, asks the planner, and books the answer.

A vehicle may be taken between reading and booking; the plan is then made anew, a bounded number of times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from gladhand.clock import Clock
from gladhand.errors import Conflict, Internal, InvalidArgument, Unavailable
from logistics.dispatch.v1 import PlanLoadsRequest, PlanLoadsResponse, ReplanLoadRequest, ReplanLoadResponse
from logistics.fleet.v1 import Vehicle
from logistics.load.v1 import Load, Stop
from logistics.type.v1 import TimeWindow
from services.fleet_gateway.adapters import rules
from services.fleet_gateway.adapters.port import Booking, FleetAdapter, Proposal
from services.fleet_gateway.planner.draft import (
    Draft,
    Horizon,
    ServiceTimes,
    draft,
    moment,
    point_of,
    trucks_of,
    unassigned_of,
)
from services.fleet_gateway.planner.layout import features_of, loads_of
from services.fleet_gateway.planner.port import (
    Planner,
    PlannerFailed,
    Point,
    Problem,
    Solution,
    TravelMatrix,
    Truck,
)
from services.fleet_gateway.planner.relay import (
    OpenPart,
    open_part,
    points_of,
    problem_of,
    refuse_unserved,
    relaid,
)

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
_LONGEST_DAY: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class PlanningRules:
    """What plans are made by."""

    times: ServiceTimes = field(default_factory=ServiceTimes)
    day: timedelta = timedelta(hours=10)
    """The length of a horizon whose end the caller leaves open."""


class Planning:
    """Makes plans and new plans of loads."""

    def __init__(
        self, fleet: FleetAdapter, planner: Planner, matrix: TravelMatrix, clock: Clock, rules: PlanningRules
    ) -> None:
        """`matrix` is the one that the planner uses."""
        self._fleet = fleet
        self._planner = planner
        self._matrix = matrix
        self._clock = clock
        self._rules = rules
        self._turn = asyncio.Lock()

    async def plan(self, request: PlanLoadsRequest) -> PlanLoadsResponse:
        """Plan orders on free vehicles and book the loads.

        Raises InvalidArgument for a horizon that is over or a line that does not exist, Conflict where vehicles keep
        being taken, Unavailable where the planner does not answer in time.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._turn:
                    return await self._plan_once(request)
            except Conflict as error:
                if attempt == _ATTEMPTS:
                    raise
                _log.info("planning again", extra={"facts": {"attempt": attempt, "why": error.message}})
        raise Internal("planning ended without an answer")

    async def _plan_once(self, request: PlanLoadsRequest) -> PlanLoadsResponse:
        known = await self._fleet.answered(request, PlanLoadsResponse)
        if known is not None:
            return known
        horizon = self._horizon(request.horizon if request.HasField("horizon") else None)
        vehicles = await self._fleet.plannable(request.region, request.vehicle_ids)
        asked = draft(request.orders, trucks_of(vehicles, horizon), horizon, self._rules.times)
        solution = await self._solve(asked.problem)
        skips = {skip.shipment: skip.reason for skip in solution.skipped}
        proposals = [
            Proposal(load, features_of(route, asked.lots), horizon.at(route.start_s), horizon.end)
            for load, route in loads_of(
                solution, asked, horizon, request_id=request.request_id, region=request.region, wave_id=request.wave_id
            )
        ]
        return await self._fleet.propose(request, proposals, unassigned_of(asked, skips))

    async def replan(self, request: ReplanLoadRequest) -> ReplanLoadResponse:
        """Lay a load's open stops anew.

        Raises Conflict PLAN_VERSION_CONFLICT, InvalidArgument where the locked stops are not the first of the plan, and
        FailedPrecondition NOT_PLANNABLE where the new plan would leave something out; the old plan then stays.
        """
        known = await self._fleet.answered(request, ReplanLoadResponse)
        if known is not None:
            return known
        if request.HasField("proposed_load"):
            return await self._put_in_force(request)
        booking = await self._fleet.booking(request.load_id)
        load = booking.load
        rules.require_state(load, "replanned", rules.OPEN)
        rules.require_plan(load, request.expected_plan_version)
        vehicle = await self._fleet.vehicle(load.planned_vehicle_id)
        horizon = self._rest_of_day(request, booking)
        part = open_part(load, request.locked_stop_ids, set(request.dropped_order_ids), horizon, self._rules.times)
        truck = self._truck(vehicle, part.locked, request, horizon)
        added = draft(request.added_orders, [truck], horizon, self._rules.times, "added_orders")
        solution = await self._solve(problem_of(part, added, truck))
        left_out = refuse_unserved(solution, part, added, may_leave_out=request.proposal_only)
        new = relaid(load, part, added, solution, horizon, request.request_id, self._driven_m(vehicle, part, truck))
        if request.proposal_only:
            return ReplanLoadResponse(load=new, unassigned=left_out)
        return await self._fleet.replan(request, new, _features(added))

    async def _put_in_force(self, request: ReplanLoadRequest) -> ReplanLoadResponse:
        """Book a plan that was proposed before. The desk answers for its drivers, so that nothing waits.

        Raises Conflict PLAN_VERSION_CONFLICT, and InvalidArgument where the locked stops are not the first of the plan.
        """
        booking = await self._fleet.booking(request.load_id)
        rules.require_state(booking.load, "replanned", rules.OPEN)
        rules.require_plan(booking.load, request.expected_plan_version)
        count = len(request.locked_stop_ids)
        stands = [stop.stop_id for stop in booking.load.stops[:count]]
        if stands != list(request.locked_stop_ids) or stands != [
            s.stop_id for s in request.proposed_load.stops[:count]
        ]:
            raise InvalidArgument(
                "locked stops must be the first of both plans",
                field="proposed_load.stops",
                remedy="ask for a proposal again; the vehicle has gone on since",
            )
        new = Load()
        new.CopyFrom(booking.load)
        new.ClearField("stops")
        new.stops.extend(request.proposed_load.stops)
        if request.proposed_load.HasField("figures"):
            new.figures.CopyFrom(request.proposed_load.figures)
        return await self._fleet.replan(request, new, frozenset())

    def _horizon(self, window: TimeWindow | None) -> Horizon:
        now = _whole_second(self._clock.now())
        start = max(now, moment(window.start_time)) if window is not None and window.HasField("start_time") else now
        given = window is not None and window.HasField("end_time")
        end = moment(window.end_time) if window is not None and given else start + self._rules.day
        if end <= start:
            raise InvalidArgument(
                f"the horizon ends at {end.isoformat()}, before any vehicle could leave at {start.isoformat()}",
                field="horizon.end_time",
                remedy="give an end in the future, or none",
            )
        if end - start > _LONGEST_DAY:
            raise InvalidArgument(
                f"the horizon is longer than {_LONGEST_DAY.days} days",
                field="horizon.end_time",
                remedy="plan fewer days at a time",
            )
        return Horizon(start, end)

    def _rest_of_day(self, request: ReplanLoadRequest, booking: Booking) -> Horizon:
        start = self._clock.now()
        locked = {stop.stop_id: stop for stop in booking.load.stops}
        ends = [moment(locked[i].planned_departure_time) for i in request.locked_stop_ids if i in locked]
        start = moment(request.start_time) if request.HasField("start_time") else max([start, *ends])
        start = _whole_second(start)
        return Horizon(start, booking.end_by_time if booking.end_by_time > start else start + self._rules.day)

    def _truck(self, vehicle: Vehicle, locked: Sequence[Stop], request: ReplanLoadRequest, horizon: Horizon) -> Truck:
        trucks = trucks_of([vehicle], horizon)
        if not trucks:
            raise rules.unavailable(f"vehicle {vehicle.vehicle_id} has no home site", vehicle_id=vehicle.vehicle_id)
        if request.HasField("position"):
            here = Point(round(request.position.latitude, 6), round(request.position.longitude, 6))
        else:
            here = (point_of(locked[-1].location) if locked else None) or trucks[0].start
        return replace(trucks[0], start=here)

    def _driven_m(self, vehicle: Vehicle, part: OpenPart, truck: Truck) -> int:
        if not part.locked:
            return 0
        home = point_of(vehicle.home_site)
        way = [*([home] if home is not None else []), *points_of(part.locked), truck.start]
        if truck.start == way[-2]:
            way.pop()
        return sum(self._matrix.distances_m([a, b])[0][1] for a, b in pairwise(way))

    async def _solve(self, problem: Problem) -> Solution:
        try:
            return await self._planner.plan(problem)
        except TimeoutError as error:
            raise Unavailable("the planner took too long; ask with fewer orders") from error
        except PlannerFailed as error:
            _log.exception("the planner failed", extra={"facts": {"shipments": len(problem.shipments)}})
            raise Internal(f"the planner failed: {error}") from error


def _features(added: Draft) -> frozenset[str]:
    return frozenset(name for lot in added.lots.values() for name in lot.features)


def _whole_second(at: datetime) -> datetime:
    """Return the next whole second: plans never begin before they were asked for."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)
