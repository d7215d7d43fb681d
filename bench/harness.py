"""How two ways of doing the same thing are compared: in short turns, one after the other, the order reversed each time.

A machine that others use too gives other absolute figures every minute; a ratio of neighbouring turns stays.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

__all__ = ["Comparison", "Operation", "Plan", "compare"]

Operation = Callable[[], Awaitable[object]]
"""Does the thing once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    turns: int = 5
    """Turns of each side; an odd number, so that the median is one of them."""

    seconds: float = 0.5
    """Length of one turn."""

    warm_up: int = 200
    """Operations of each side before the first turn."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one side."""

    per_s: float
    p50_ms: float
    p99_ms: float
    client_us: float
    """CPU time of this process for each operation, in microseconds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out."""

    name: str
    concurrency: int
    ours: tuple[Turn, ...]
    bare: tuple[Turn, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Our rate by the bare one, for each pair of neighbouring turns."""
        return tuple(our.per_s / bare.per_s for our, bare in zip(self.ours, self.bare, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios: 1 means that ours costs nothing."""
        return statistics.median(self.ratios)

    def as_json(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "name": self.name,
            "concurrency": self.concurrency,
            "ratio": round(self.ratio, 3),
            "ratio_least": round(min(self.ratios), 3),
            "ratio_most": round(max(self.ratios), 3),
            "ours": _median(self.ours),
            "bare": _median(self.bare),
        }


def _median(turns: tuple[Turn, ...]) -> dict[str, float]:
    return {
        name: round(statistics.median(getattr(turn, name) for turn in turns), 3)
        for name in ("per_s", "p50_ms", "p99_ms", "client_us")
    }


async def compare(name: str, ours: Operation, bare: Operation, concurrency: int, plan: Plan) -> Comparison:
    """Measure `ours` against `bare` with `concurrency` operations under way at once."""
    for operation in (ours, bare):
        await _warm_up(operation, concurrency, plan.warm_up)
    turns: dict[str, list[Turn]] = {"ours": [], "bare": []}
    sides = [("ours", ours), ("bare", bare)]
    for _number in range(plan.turns):
        for side, operation in sides:
            turns[side].append(await _turn(operation, concurrency, plan.seconds))
        sides.reverse()
    return Comparison(name, concurrency, tuple(turns["ours"]), tuple(turns["bare"]))


async def _warm_up(operation: Operation, concurrency: int, operations: int) -> None:
    async def worker() -> None:
        for _number in range(max(1, operations // concurrency)):
            await operation()

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def _turn(operation: Operation, concurrency: int, seconds: float) -> Turn:
    times: list[float] = []

    async def worker() -> None:
        began = perf_counter()
        while True:  # once at least, however late this worker got its turn
            await operation()
            ended = perf_counter()
            times.append(ended - began)
            if ended >= end:
                return
            began = ended

    cpu, start = process_time(), perf_counter()
    end = start + seconds
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    elapsed, cpu = perf_counter() - start, process_time() - cpu
    times.sort()
    return Turn(
        per_s=len(times) / elapsed,
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[len(times) * 99 // 100] * 1000,
        client_us=cpu / len(times) * 1e6,
    )
