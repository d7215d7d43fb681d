"""What a problem allows: why one shipment alone cannot be served, and whether an answer keeps every rule.

Both follow the same clock as the optimiser: a truck waits for the window, then sets up (once for pickups and once for
deliveries in a row at one point), then works; the window bounds when setting up begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.fleet_gateway.planner.port import (
    PlannedVisit,
    Point,
    Problem,
    Route,
    Shipment,
    Skip,
    Solution,
    Task,
    TravelMatrix,
    Truck,
    Visit,
)


@dataclass(slots=True)
class Roads:
    """Distances and times between the places of one problem, each pair computed once."""

    matrix: TravelMatrix
    points: Sequence[Point]
    _places: dict[Point, int] = field(init=False)
    _distances: list[list[int]] = field(init=False)
    _durations: dict[float, list[list[int]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Number the places in the order of their first mention."""
        self.points = list(dict.fromkeys(self.points))
        self._places = {point: index for index, point in enumerate(self.points)}
        self._distances = self.matrix.distances_m(self.points)

    @classmethod
    def of(cls, problem: Problem, matrix: TravelMatrix) -> Roads:
        """Return the roads between all places that the problem names."""
        return cls(matrix, list(_points(problem)))

    def place(self, point: Point) -> int:
        """Return the number of a place."""
        return self._places[point]

    @property
    def distances_m(self) -> list[list[int]]:
        """Metres by number of place."""
        return self._distances

    def durations_s(self, speed_factor: float) -> list[list[int]]:
        """Seconds by number of place for one speed."""
        if speed_factor not in self._durations:
            self._durations[speed_factor] = self.matrix.durations_s(self._distances, speed_factor)
        return self._durations[speed_factor]

    def travel_s(self, truck: Truck, start: Point, end: Point) -> int:
        """Seconds that the truck needs."""
        return self.durations_s(truck.speed_factor)[self._places[start]][self._places[end]]

    def travel_m(self, start: Point, end: Point) -> int:
        """Metres between two places."""
        return self._distances[self._places[start]][self._places[end]]


def _points(problem: Problem) -> Iterable[Point]:
    for truck in problem.trucks:
        yield truck.start
        if truck.end is not None:
            yield truck.end
    for shipment in problem.shipments:
        if shipment.pickup is not None:
            yield shipment.pickup.point
        yield shipment.delivery.point


def visits_of(shipment: Shipment) -> list[tuple[Task, Visit]]:
    """Return the shipment's visits in the order in which they must happen."""
    pickup = [(Task.PICKUP, shipment.pickup)] if shipment.pickup is not None else []
    return [*pickup, (Task.DELIVERY, shipment.delivery)]


def fits(amount: Sequence[int], capacity: Sequence[int]) -> bool:
    """Whether the amount fits in every dimension."""
    return all(need <= room for need, room in zip(amount, capacity, strict=True))


def obstacle(shipment: Shipment, trucks: Sequence[Truck], roads: Roads) -> Skip | None:
    """Return why no truck could serve the shipment even if it had nothing else to do; None where one could."""
    if not trucks:
        return Skip.NO_VEHICLE
    able = [truck for truck in trucks if shipment.features <= truck.features]
    if not able:
        return Skip.FEATURE_MISSING
    roomy = [truck for truck in able if fits(shipment.amount, truck.capacity)]
    if not roomy:
        return Skip.DEMAND_EXCEEDS_VEHICLE_CAPACITY
    if not any(_in_time(shipment, truck, roads) for truck in roomy):
        return Skip.WINDOW_IMPOSSIBLE
    return None


def _in_time(shipment: Shipment, truck: Truck, roads: Roads) -> bool:
    now, here = truck.earliest_s, truck.start
    for _, visit in visits_of(shipment):
        now = max(now + roads.travel_s(truck, here, visit.point), visit.earliest_s)
        if now > visit.latest_s:
            return False
        now += visit.setup_s + visit.service_s
        here = visit.point
    if truck.end is not None:
        now += roads.travel_s(truck, here, truck.end)
    return now <= truck.latest_s


def reloads(route: Route, shipments: Mapping[str, Shipment]) -> list[str]:
    """Return the shipments that the truck fetches from a place where it loaded before and has delivered since."""
    loaded: set[Point] = set()
    left: set[Point] = set()
    found: list[str] = []
    for visit in route.visits:
        pickup = shipments[visit.shipment].pickup
        if visit.task is Task.DELIVERY:
            left |= loaded
        elif pickup is not None:
            loaded.add(pickup.point)
            if pickup.point in left:
                found.append(visit.shipment)
    return found


def timed(
    route: Route, truck: Truck, order: Sequence[PlannedVisit], shipments: Mapping[str, Shipment], roads: Roads
) -> Route | None:
    """Return the route with its visits in another order, begun at the same time; None where a window is missed.

    Capacity and precedence are the caller's to keep. Only for routes without opened soft windows.
    """
    now, here, distance = route.start_s, truck.start, 0
    at: tuple[Task, Point] | None = None
    visits: list[PlannedVisit] = []
    for step in order:
        visit = dict(visits_of(shipments[step.shipment]))[step.task]
        arrival = now + roads.travel_s(truck, here, visit.point)
        begin = max(arrival, visit.earliest_s)
        if begin > visit.latest_s:
            return None
        distance += roads.travel_m(here, visit.point)
        now = begin + visit.service_s + (0 if at == (step.task, visit.point) else visit.setup_s)
        here, at = visit.point, (step.task, visit.point)
        visits.append(PlannedVisit(step.shipment, step.task, arrival, begin, now))
    if truck.end is not None:
        now += roads.travel_s(truck, here, truck.end)
        distance += roads.travel_m(here, truck.end)
    return Route(route.truck, route.start_s, now, distance, tuple(visits)) if now <= truck.latest_s else None


def faults(problem: Problem, solution: Solution, roads: Roads) -> list[str]:
    """Return every rule of the problem that the answer breaks, in words; empty for a sound answer."""
    trucks = {truck.key: truck for truck in problem.trucks}
    shipments = {shipment.key: shipment for shipment in problem.shipments}
    found = _not_once(problem, solution)
    for route in solution.routes:
        if route.truck not in trucks:
            found.append(f"route of unknown truck {route.truck}")
            continue
        known = all(visit.shipment in shipments for visit in route.visits)
        if not known:
            found.append(f"truck {route.truck} carries a shipment that nobody asked for")
            continue
        truck = trucks[route.truck]
        found += _faults_of_load(route, truck, shipments)
        if problem.one_trip:
            found += [f"truck {truck.key} comes back to load {key}" for key in reloads(route, shipments)]
        found += _faults_of_time(route, truck, shipments, solution.late, roads)
    return found


def _not_once(problem: Problem, solution: Solution) -> list[str]:
    done = Counter((v.shipment, v.task) for route in solution.routes for v in route.visits)
    skipped = Counter(skip.shipment for skip in solution.skipped)
    found = [f"truck {key} has {n} routes" for key, n in Counter(r.truck for r in solution.routes).items() if n > 1]
    for shipment in problem.shipments:
        wanted = {task for task, _ in visits_of(shipment)}
        times = {done[shipment.key, task] for task in wanted}
        if times != ({0} if skipped[shipment.key] else {1}) or skipped[shipment.key] > 1:
            found.append(
                f"shipment {shipment.key} is planned {sorted(times)} and skipped {skipped[shipment.key]} times"
            )
    return found


def _faults_of_load(route: Route, truck: Truck, shipments: dict[str, Shipment]) -> list[str]:
    carried = {v.shipment for v in route.visits}
    aboard = {key for key in carried if shipments[key].pickup is None}
    lacking = [key for key in sorted(carried) if not shipments[key].features <= truck.features]
    found = [f"truck {truck.key} lacks a feature for {key}" for key in lacking]

    def check() -> None:
        load = [sum(column) for column in zip(*(shipments[key].amount for key in aboard), strict=True)]
        if load and not fits(load, truck.capacity):
            found.append(f"truck {truck.key} is overloaded: {load}")

    check()
    for visit in route.visits:
        if visit.task is Task.PICKUP:
            aboard.add(visit.shipment)
            check()
        elif visit.shipment in aboard:
            aboard.remove(visit.shipment)
        else:
            found.append(f"{visit.shipment} is delivered before it is picked up")
    return found


def _faults_of_time(
    route: Route, truck: Truck, shipments: dict[str, Shipment], late: frozenset[str], roads: Roads
) -> list[str]:
    found: list[str] = []
    now, here, distance = route.start_s, truck.start, 0
    if route.start_s < truck.earliest_s or route.end_s > truck.latest_s:
        found.append(f"truck {truck.key} is on the road outside its day")
    for step in route.visits:
        visit = dict(visits_of(shipments[step.shipment])).get(step.task)
        if visit is None:
            found.append(f"{step.shipment} has no {step.task}")
            continue
        open_window = visit.soft and step.shipment in late
        if step.arrival_s < now + roads.travel_s(truck, here, visit.point):
            found.append(f"truck {truck.key} cannot be at {step.shipment} {step.task} at {step.arrival_s}")
        if not open_window and not visit.earliest_s <= step.start_s <= visit.latest_s:
            found.append(f"{step.task} of {step.shipment} begins outside its window")
        if step.start_s < step.arrival_s or step.end_s < step.start_s + visit.service_s:
            found.append(f"{step.task} of {step.shipment} takes less time than it needs")
        distance += roads.travel_m(here, visit.point)
        now, here = step.end_s, visit.point
    if truck.end is not None:
        now += roads.travel_s(truck, here, truck.end)
        distance += roads.travel_m(here, truck.end)
    if route.end_s < now or route.distance_m != distance:
        found.append(
            f"truck {truck.key} ends at {route.end_s} after {route.distance_m} m, not {now} after {distance} m"
        )
    return found
