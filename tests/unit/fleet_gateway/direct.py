"""A planner without a process: the same engine, in the test's own thread."""

from __future__ import annotations

from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planner.port import Problem, Solution
from services.fleet_gateway.planner.vroom import solve

MATRIX = GreatCircle()


class DirectPlanner:
    """Solves at once."""

    async def plan(self, problem: Problem) -> Solution:
        return solve(problem, MATRIX, Effort())
