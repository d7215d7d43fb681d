"""A planner in a process of its own, so that the optimiser never holds up the service's event loop."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planner.port import PlannerFailed, Problem, Solution
from services.fleet_gateway.planner.wire import dumps, solution_of

_log = logging.getLogger(__name__)

_MAX_LINE_BYTES: Final = 64 * 1024 * 1024
_ATTEMPTS: Final = 2


class VroomPlanner:
    """A `Planner` that keeps one planning process warm and starts another where it died.

    An async context manager: entering starts the process, leaving ends it. Plans are made one at a time.
    """

    def __init__(self, matrix: GreatCircle | None = None, effort: Effort | None = None) -> None:
        self._matrix = matrix or GreatCircle()
        self._effort = effort or Effort()
        self._turn = asyncio.Lock()
        self._child: Process | None = None

    async def __aenter__(self) -> Self:
        self._child = await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def plan(self, problem: Problem) -> Solution:
        """Return a plan. A planning process that died is replaced once.

        Raises PlannerFailed, or TimeoutError where the process did not answer in twice the engine's guard time.
        """
        async with self._turn:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return await self._ask(problem)
                except (ConnectionError, asyncio.IncompleteReadError) as error:
                    _log.warning("the planning process died", extra={"facts": {"attempt": attempt, "why": repr(error)}})
                    await self._stop()
                except (TimeoutError, asyncio.CancelledError):
                    await self._stop()  # its late answer must not be taken for that of the next problem
                    raise
        raise PlannerFailed("the planning process died while it worked on the problem, twice")

    async def _ask(self, problem: Problem) -> Solution:
        if self._child is None or self._child.returncode is not None:
            self._child = await self._start()
        sink, source = self._child.stdin, self._child.stdout
        if sink is None or source is None:
            raise PlannerFailed("the planning process has no pipes")
        async with asyncio.timeout(2 * self._effort.guard_s):
            sink.write(dumps(problem) + b"\n")
            await sink.drain()
            line = await source.readuntil(b"\n")
        try:
            return solution_of(line)
        except (KeyError, TypeError, ValueError) as error:
            raise PlannerFailed(_failure(line)) from error

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.fleet_gateway.planner.worker",
            f"--road-factor={self._matrix.road_factor!r}",
            f"--speed-mps={self._matrix.speed_mps!r}",
            f"--truck-cost-s={self._effort.truck_cost_s}",
            f"--guard-s={self._effort.guard_s!r}",
            stdin=PIPE,
            stdout=PIPE,
            limit=_MAX_LINE_BYTES,
        )

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            with suppress(ProcessLookupError):  # it may end by itself at this moment
                child.kill()  # it holds nothing that could be lost
        await child.wait()


def _failure(line: bytes) -> str:
    with suppress(ValueError):
        raw = json.loads(line)
        if isinstance(raw, dict) and "failed" in raw:
            return str(raw["failed"])
    return f"the planning process answered with {line[:100]!r}"
