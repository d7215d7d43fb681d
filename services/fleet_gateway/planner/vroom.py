"""Solves a planning problem with VROOM, in the calling thread.

VROOM holds the interpreter's lock while it thinks, so services call it in a process of its own
(`services.fleet_gateway.planner.process`). One thread and no time limit below the guard: the same problem gives the
same plan. Engine choice and figures: ERP reference part C.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import vroom

from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.feasibility import Roads, faults, obstacle, visits_of
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planner.port import (
    DIMENSIONS,
    PlannedVisit,
    PlannerFailed,
    Point,
    Problem,
    Route,
    Shipment,
    Skip,
    Skipped,
    Solution,
    Task,
    TravelMatrix,
    Truck,
    Visit,
)
from services.fleet_gateway.planner.trips import one_trip_each, turned

NAME: Final = "vroom"


def solve(problem: Problem, matrix: TravelMatrix | None = None, effort: Effort | None = None) -> Solution:
    """Return the best plan found.

    Shipments that no truck could serve even alone are skipped with that reason; what the engine leaves over is
    NO_CAPACITY_LEFT. Where something is left over, soft windows of what is left are opened and the plan is made anew.
    Raises PlannerFailed where the engine fails or its answer breaks a rule of the problem.
    """
    matrix, effort = matrix or GreatCircle(), effort or Effort()
    roads = Roads.of(problem, matrix)
    solution = _solve_once(problem, roads, effort, frozenset())
    late = frozenset(skip.shipment for skip in solution.skipped) & _soft(problem.shipments)
    if late:
        second = _solve_once(_opened(problem, late), roads, effort, late)
        if len(second.skipped) < len(solution.skipped):
            solution = second
    broken = faults(problem, solution, roads)
    if broken:
        raise PlannerFailed(f"the plan breaks its own rules: {'; '.join(broken[:5])}")
    return solution


def _soft(shipments: Iterable[Shipment]) -> frozenset[str]:
    return frozenset(s.key for s in shipments if any(visit.soft for _, visit in visits_of(s)))


def _opened(problem: Problem, late: frozenset[str]) -> Problem:
    end_s = max((truck.latest_s for truck in problem.trucks), default=0)

    def opened(visit: Visit) -> Visit:
        return replace(visit, earliest_s=0, latest_s=end_s) if visit.soft else visit

    return replace(
        problem,
        shipments=tuple(
            replace(s, pickup=s.pickup and opened(s.pickup), delivery=opened(s.delivery)) if s.key in late else s
            for s in problem.shipments
        ),
    )


def _solve_once(problem: Problem, roads: Roads, effort: Effort, late: frozenset[str]) -> Solution:
    skips = {s.key: reason for s in problem.shipments if (reason := obstacle(s, problem.trucks, roads)) is not None}
    routes, left = _routes(problem, [s for s in problem.shipments if s.key not in skips], roads, effort)
    if problem.one_trip:
        routes, surplus = one_trip_each(routes, problem, roads)
        left += surplus
    routes = [turned(route, problem, roads) for route in routes]
    skips |= dict.fromkeys(left, Skip.NO_CAPACITY_LEFT)
    order = {truck.key: index for index, truck in enumerate(problem.trucks)}
    return Solution(
        routes=tuple(sorted(routes, key=lambda route: order[route.truck])),
        skipped=tuple(Skipped(s.key, skips[s.key]) for s in problem.shipments if s.key in skips),
        late=frozenset(key for key in late if key not in skips),
        planner=NAME,
        matrix=roads.matrix.name,
    )


def _routes(problem: Problem, shipments: list[Shipment], roads: Roads, effort: Effort) -> tuple[list[Route], list[str]]:
    if not shipments:
        return [], []
    answer = _run(problem, shipments, roads, effort)
    routes = [_route(found, problem.trucks, shipments, roads) for found in answer["routes"]]
    return routes, list({shipments[left["id"]].key: None for left in answer["unassigned"]})


@dataclass(frozen=True, slots=True)
class _Places:
    """The engine's numbers of places: deliveries and ends, then pickups, then one start for each truck.

    Setting up is due where the number changes: apart, pickups and deliveries at one point each take theirs, and so does
    loading at the home warehouse.
    """

    roads: Roads

    def delivery(self, point: Point) -> int:
        return self.roads.place(point)

    def pickup(self, point: Point) -> int:
        return len(self.roads.points) + self.roads.place(point)

    def start(self, index: int) -> int:
        return 2 * len(self.roads.points) + index

    def grown(self, square: list[list[int]], trucks: Sequence[Truck]) -> list[list[int]]:
        """Return a table by point as a table by place."""
        count = len(self.roads.points)
        rows = [*range(count), *range(count), *(self.roads.place(truck.start) for truck in trucks)]
        return [[square[a][b] for b in rows] for a in rows]


def _run(problem: Problem, shipments: list[Shipment], roads: Roads, effort: Effort) -> dict[str, Any]:
    trucks, places = problem.trucks, _Places(roads)
    engine = vroom.Input()
    for speed in sorted({truck.speed_factor for truck in trucks}):
        profile = _profile(speed)
        engine.set_durations_matrix(profile, places.grown(roads.durations_s(speed), trucks))
        engine.set_distances_matrix(profile, places.grown(roads.distances_m, trucks))
    numbers = {name: n for n, name in enumerate(sorted({name for truck in trucks for name in truck.features}))}
    for index, truck in enumerate(trucks):
        engine.add_vehicle(
            vroom.Vehicle(
                index,
                start=places.start(index),
                end=None if truck.end is None else places.delivery(truck.end),
                profile=_profile(truck.speed_factor),
                capacity=list(truck.capacity),
                skills={numbers[name] for name in truck.features},
                time_window=vroom.TimeWindow(truck.earliest_s, truck.latest_s),
                costs=vroom.VehicleCosts(fixed=effort.truck_cost_s),
            )
        )
    for index, shipment in enumerate(shipments):
        _add(engine, index, shipment, {numbers[name] for name in shipment.features}, places)
    try:
        solution = engine.solve(
            exploration_level=effort.level(len(shipments)), nb_threads=1, timeout=timedelta(seconds=effort.guard_s)
        )
    except Exception as error:  # the binding raises its own types and RuntimeError alike
        raise PlannerFailed(f"{type(error).__name__}: {error}") from error
    answer: dict[str, Any] = solution.to_dict()
    return answer


def _profile(speed_factor: float) -> str:
    return f"x{speed_factor!r}"


def _add(engine: vroom.Input, index: int, shipment: Shipment, skills: set[int], places: _Places) -> None:
    def step(kind: Any, visit: Visit, place: int, **more: Any) -> Any:
        return kind(
            index,
            location=place,
            default_setup=visit.setup_s,
            default_service=visit.service_s,
            time_windows=[vroom.TimeWindow(max(0, visit.earliest_s), visit.latest_s)],
            **more,
        )

    amount, delivery = list(shipment.amount), shipment.delivery
    if shipment.pickup is None:
        job = step(
            vroom.Job,
            delivery,
            places.delivery(delivery.point),
            delivery=amount,
            pickup=[0] * len(DIMENSIONS),
            skills=skills,
            priority=shipment.priority,
        )
        engine.add_job(job)
        return
    engine.add_shipment(
        step(vroom.ShipmentStep, shipment.pickup, places.pickup(shipment.pickup.point)),
        step(vroom.ShipmentStep, delivery, places.delivery(delivery.point)),
        amount=vroom.Amount(amount),
        skills=skills,
        priority=shipment.priority,
    )


def _route(found: dict[str, Any], trucks: tuple[Truck, ...], shipments: list[Shipment], roads: Roads) -> Route:
    truck = trucks[found["vehicle"]]
    steps = found["steps"]
    visits: list[PlannedVisit] = []
    for step in steps:
        if step["type"] in ("start", "end"):
            continue
        task = Task.PICKUP if step["type"] == "pickup" else Task.DELIVERY
        begin = step["arrival"] + step["waiting_time"]
        end = begin + step["setup"] + step["service"]
        visits.append(PlannedVisit(shipments[step["id"]].key, task, step["arrival"], begin, end))
    last = steps[-1]
    end_s = last["arrival"] + last["waiting_time"] + last["setup"] + last["service"]
    here, distance = truck.start, 0
    by_key = {shipment.key: dict(visits_of(shipment)) for shipment in shipments}
    for visit in visits:
        point = by_key[visit.shipment][visit.task].point
        distance += roads.travel_m(here, point)
        here = point
    if truck.end is not None:
        distance += roads.travel_m(here, truck.end)
    return Route(truck.key, steps[0]["arrival"], end_s, distance, tuple(visits))
