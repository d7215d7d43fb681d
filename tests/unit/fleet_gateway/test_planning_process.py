"""The planning process answers, does not hold up the loop, and may die."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gladhand.testing import eventually
from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planner.port import PlannerFailed, Point, Problem, Shipment, Truck, Visit
from services.fleet_gateway.planner.process import VroomPlanner
from services.fleet_gateway.planner.vroom import solve
from services.fleet_gateway.planner.wire import dumps, solution_of
from services.fleet_gateway.planner.worker import serve

MATRIX = GreatCircle(road_factor=1.4, speed_mps=9.5)
HOME = Point(39.655193, -104.919294)


def problem(shipments: int) -> Problem:
    """Shipments around the home of four trucks."""
    truck = Truck("truck-0", HOME, HOME, (10_000, 10_000), frozenset({"cooled"}), 0, 36_000)
    pickup = Visit(HOME, 0, 36_000, 300, 60)
    return Problem(
        tuple(replace(truck, key=f"truck-{n}") for n in range(4)),
        tuple(
            Shipment(
                key=f"s{n:03d}",
                pickup=pickup,
                delivery=Visit(Point(39.66 + 0.002 * n, -104.92 - 0.003 * (n * 7 % 23)), 0, 36_000, 240, 60),
                amount=(100, 100),
            )
            for n in range(shipments)
        ),
    )


@pytest.fixture
async def planner() -> AsyncIterator[VroomPlanner]:
    async with VroomPlanner(MATRIX, Effort(truck_cost_s=60, guard_s=20)) as planner:
        yield planner


def pid(planner: VroomPlanner) -> int:
    assert planner._child is not None
    return planner._child.pid


async def test_it_answers_as_the_engine_would_here_and_the_loop_goes_on(planner: VroomPlanner) -> None:
    asked = problem(8)
    assert await planner.plan(asked) == solve(asked, MATRIX, Effort(truck_cost_s=60))
    first, second = await asyncio.gather(planner.plan(problem(3)), planner.plan(problem(5)))
    assert [len(route.visits) for route in first.routes] == [6]
    assert sum(len(route.visits) for route in second.routes) == 10
    thinking = asyncio.create_task(planner.plan(problem(30)))
    turns = 0
    while not thinking.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await thinking).routes
    assert turns > 100


async def test_neither_bad_questions_nor_impatient_callers_confuse_it(planner: VroomPlanner) -> None:
    odd = problem(1)
    odd = replace(odd, trucks=(replace(odd.trucks[0], capacity=(1_000,)),))
    with pytest.raises(PlannerFailed, match="ValueError"):
        await planner.plan(odd)
    given_up = asyncio.create_task(planner.plan(problem(40)))
    await eventually(planner._turn.locked)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert len((await planner.plan(problem(2))).routes[0].visits) == 4


async def test_a_process_that_was_killed_is_replaced(planner: VroomPlanner) -> None:
    before = pid(planner)
    os.kill(before, signal.SIGKILL)
    assert (await planner.plan(problem(2))).routes
    assert pid(planner) != before


async def test_a_process_that_hangs_times_out_and_ends_with_the_service() -> None:
    async with VroomPlanner(MATRIX, Effort(guard_s=0.1)) as planner:
        os.kill(pid(planner), signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await planner.plan(problem(1))
        assert planner._child is None
    async with VroomPlanner(MATRIX) as planner:
        child = planner._child
    assert child is not None
    assert child.returncode is not None


def test_the_worker_answers_line_by_line() -> None:
    sink = io.BytesIO()
    serve(io.BytesIO(b'{"trucks"\n' + dumps(problem(1)) + b"\n"), sink, MATRIX, Effort())
    bad, good = sink.getvalue().splitlines()
    assert "failed" in json.loads(bad)
    assert solution_of(good).routes
