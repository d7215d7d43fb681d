"""What becomes of an engine's routes: one trip for each truck, driven in the better direction. Pure.

The engine lets a truck come back to load again. A load of the contract is one trip, so such a route is cut into its
trips; the later ones go to trucks that stand idle, and what no truck is left for waits for the next plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.fleet_gateway.planner.feasibility import Roads, fits, reloads, timed
from services.fleet_gateway.planner.port import PlannedVisit, Problem, Route, Shipment, Task, Truck


def one_trip_each(routes: Sequence[Route], problem: Problem, roads: Roads) -> tuple[list[Route], list[str]]:
    """Return routes of one trip each, and the shipments that no truck is left for.

    Urgent trips choose first, then those with more shipments; each takes the free truck that is back soonest.
    """
    shipments = {shipment.key: shipment for shipment in problem.shipments}
    if not any(reloads(route, shipments) for route in routes):
        return list(routes), []
    trips = [trip for route in routes for trip in _cut(route, shipments)]
    trips.sort(key=lambda trip: (-max(shipments[visit.shipment].priority for visit in trip), -len(trip)))
    idle = list(problem.trucks)
    kept: list[tuple[Truck, Route]] = []
    left: list[str] = []
    for trip in trips:
        able = [
            (route.end_s - route.start_s, place, route)
            for place, truck in enumerate(idle)
            if (route := _driven_by(truck, trip, shipments, roads)) is not None
        ]
        if able:
            _, place, route = min(able, key=lambda entry: entry[:2])
            kept.append((idle.pop(place), route))
        else:
            left += [visit.shipment for visit in trip if visit.task is Task.DELIVERY]
    return _filled(kept, left, idle, shipments, roads)


def _filled(
    kept: list[tuple[Truck, Route]], left: list[str], idle: list[Truck], shipments: dict[str, Shipment], roads: Roads
) -> tuple[list[Route], list[str]]:
    """Return the trips with what was left laid into them where there is room, the urgent first."""
    trips = [*kept, *((truck, Route(truck.key, truck.earliest_s, truck.earliest_s, 0, ())) for truck in idle)]
    still: list[str] = []
    for key in sorted(left, key=lambda key: -shipments[key].priority):
        options = [
            (route.end_s - before.end_s, place, route)
            for place, (truck, before) in enumerate(trips)
            for order in _with(shipments[key], before)
            if (route := _driven_by(truck, order, shipments, roads)) is not None
        ]
        if options:
            _, place, route = min(options, key=lambda entry: entry[:2])
            trips[place] = (trips[place][0], route)
        else:
            still.append(key)
    return [route for _, route in trips if route.visits], still


def _with(shipment: Shipment, route: Route) -> list[list[PlannedVisit]]:
    """Return the ways to take one more shipment along: fetched with the others, delivered anywhere after."""
    first = next((n for n, visit in enumerate(route.visits) if visit.task is Task.DELIVERY), len(route.visits))
    fetch, bring = (PlannedVisit(shipment.key, task, 0, 0, 0) for task in (Task.PICKUP, Task.DELIVERY))
    head, tail = route.visits[:first], route.visits[first:]
    return [[*head, fetch, *tail[:n], bring, *tail[n:]] for n in range(len(tail) + 1)]


def _cut(route: Route, shipments: dict[str, Shipment]) -> list[list[PlannedVisit]]:
    """Return the visits of each trip; a shipment belongs to the trip that fetches it."""
    trip_of: dict[str, int] = {}
    again = set(reloads(route, shipments))
    trip, loading = 0, True
    for visit in route.visits:
        if visit.task is Task.DELIVERY:
            loading = False
        else:
            if not loading and visit.shipment in again:
                trip += 1
            loading = True
            trip_of[visit.shipment] = trip
    return [[visit for visit in route.visits if trip_of[visit.shipment] == number] for number in range(trip + 1)]


def _driven_by(
    truck: Truck, trip: Sequence[PlannedVisit], shipments: dict[str, Shipment], roads: Roads
) -> Route | None:
    """Return the trip as this truck would drive it; None where it cannot."""
    carried = [shipments[key] for key in dict.fromkeys(visit.shipment for visit in trip)]
    if any(not shipment.features <= truck.features for shipment in carried):
        return None
    aboard = [0] * len(truck.capacity)
    for visit in trip:
        sign = 1 if visit.task is Task.PICKUP else -1
        aboard = [have + sign * more for have, more in zip(aboard, shipments[visit.shipment].amount, strict=True)]
        if not fits(aboard, truck.capacity):
            return None
    route = timed(Route(truck.key, truck.earliest_s, truck.earliest_s, 0, ()), truck, trip, shipments, roads)
    return None if route is None or reloads(route, shipments) else route


def turned(route: Route, problem: Problem, roads: Roads) -> Route:
    """Return the route or, where it loads everything first, the same round the other way if that delivers earlier.

    Both directions cost the engine the same. Which one is better: the sum of the times at which deliveries begin.
    """
    loads = [visit for visit in route.visits if visit.task is Task.PICKUP]
    drops = [visit for visit in route.visits if visit.task is Task.DELIVERY]
    if (*loads, *drops) != route.visits:
        return route
    truck = next(truck for truck in problem.trucks if truck.key == route.truck)
    shipments = {shipment.key: shipment for shipment in problem.shipments}
    other = timed(route, truck, [*loads, *reversed(drops)], shipments, roads)
    if other is None or other.end_s > route.end_s or _begun(other) >= _begun(route):
        return route
    return other


def _begun(route: Route) -> int:
    return sum(visit.start_s for visit in route.visits if visit.task is Task.DELIVERY)
