"""Every plan keeps capacity, windows and precedence, and accounts for every shipment once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.feasibility import Roads, obstacle, reloads, visits_of
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planner.port import (
    UNLIMITED,
    Point,
    Problem,
    Shipment,
    Skip,
    Task,
    Truck,
    Visit,
)
from services.fleet_gateway.planner.vroom import solve
from services.fleet_gateway.planner.wire import dumps, problem_of, solution_of

DAY_S = 36_000
MATRIX = GreatCircle()
POINTS = [Point(39.65 + 0.013 * n, -104.92 - 0.011 * (n * 3 % 7)) for n in range(7)]
FEATURES = ["cooled", "tail_lift"]

points = st.sampled_from(POINTS)
features = st.frozensets(st.sampled_from(FEATURES), max_size=2)


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    earliest = draw(st.integers(0, 20_000))
    return Visit(
        point=draw(points),
        earliest_s=earliest,
        latest_s=earliest + draw(st.integers(0, 16_000)),
        setup_s=draw(st.sampled_from([0, 240])),
        service_s=draw(st.sampled_from([0, 60, 900])),
        soft=draw(st.booleans()),
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    trucks = tuple(
        Truck(
            key=f"truck-{n}",
            start=draw(points),
            end=draw(st.one_of(st.none(), points)),
            capacity=(draw(st.integers(0, 2_000)), draw(st.sampled_from([500, UNLIMITED]))),
            features=draw(features),
            earliest_s=draw(st.sampled_from([0, 3_600])),
            latest_s=draw(st.sampled_from([20_000, DAY_S])),
            speed_factor=draw(st.sampled_from([0.5, 1.0, 1.25])),
        )
        for n in range(draw(st.integers(0, 3)))
    )
    shipments = tuple(
        Shipment(
            key=f"s{n}",
            pickup=draw(st.one_of(st.none(), visits())) if len(trucks) == 1 else draw(visits()),
            delivery=draw(visits()),
            amount=(draw(st.integers(0, 1_500)), draw(st.integers(0, 400))),
            features=draw(features),
            priority=draw(st.sampled_from([0, 0, 50])),
        )
        for n in range(draw(st.integers(0, 7)))
    )
    return Problem(trucks, shipments, reload=draw(st.booleans()))


@settings(max_examples=120, deadline=None)
@given(problems())
def test_a_plan_keeps_every_rule_and_accounts_for_every_shipment(problem: Problem) -> None:
    solution = solve(problem, MATRIX, Effort(truck_cost_s=600))
    shipments = {shipment.key: shipment for shipment in problem.shipments}
    roads = Roads.of(problem, MATRIX)

    planned: dict[tuple[str, Task], int] = {}
    for route in solution.routes:
        truck = next(t for t in problem.trucks if t.key == route.truck)
        here, now, aboard = truck.start, route.start_s, set[str]()
        aboard |= {v.shipment for v in route.visits if shipments[v.shipment].pickup is None}
        assert truck.earliest_s <= route.start_s <= route.end_s <= truck.latest_s
        for step in route.visits:
            shipment = shipments[step.shipment]
            visit = dict(visits_of(shipment))[step.task]
            planned[step.shipment, step.task] = planned.get((step.shipment, step.task), 0) + 1
            assert shipment.features <= truck.features
            assert step.arrival_s >= now + roads.travel_s(truck, here, visit.point)
            if not (visit.soft and step.shipment in solution.late):
                assert visit.earliest_s <= step.start_s <= visit.latest_s
            assert step.end_s >= step.start_s + visit.service_s
            if step.task is Task.PICKUP:
                aboard.add(step.shipment)
            else:
                assert step.shipment in aboard
            for dimension, room in enumerate(truck.capacity):
                assert sum(shipments[key].amount[dimension] for key in aboard) <= room
            if step.task is Task.DELIVERY:
                aboard.remove(step.shipment)
            here, now = visit.point, step.end_s
        assert not aboard
        assert not problem.one_trip or not reloads(route, shipments)

    skipped = {skip.shipment: skip.reason for skip in solution.skipped}
    for shipment in problem.shipments:
        counts = [planned.get((shipment.key, task), 0) for task, _ in visits_of(shipment)]
        assert counts == [0 if shipment.key in skipped else 1] * len(counts)
        if shipment.key in skipped and not any(visit.soft for _, visit in visits_of(shipment)):
            alone = obstacle(shipment, problem.trucks, roads)
            assert skipped[shipment.key] is (alone or Skip.NO_CAPACITY_LEFT)


@settings(max_examples=10, deadline=None)
@given(problems())
def test_the_same_problem_gives_the_same_plan_also_over_the_pipe(problem: Problem) -> None:
    first = solve(problem)
    assert problem_of(dumps(problem)) == problem
    assert solve(problem_of(dumps(problem))) == first
    assert solution_of(dumps(first)) == first


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 4))
def test_a_full_fleet_takes_what_it_holds_and_leaves_the_rest(trucks: int, shipments: int, per_truck: int) -> None:
    home = POINTS[0]
    problem = Problem(
        tuple(
            Truck(f"truck-{n}", home, home, (per_truck, UNLIMITED), frozenset(), 0, 10 * DAY_S) for n in range(trucks)
        ),
        tuple(
            Shipment(
                f"s{n}",
                Visit(home, 0, 10 * DAY_S, 300, 60),
                Visit(POINTS[1 + n % 6], 0, 10 * DAY_S, 240, 60),
                (1, 1),
                priority=100 if n == shipments - 1 else 0,
            )
            for n in range(shipments)
        ),
    )
    solution = solve(problem, MATRIX, Effort())
    assert len(solution.skipped) == max(0, shipments - trucks * per_truck)
    assert f"s{shipments - 1}" not in {skip.shipment for skip in solution.skipped}
