"""What goes wrong between the orchestrator and the gateways of ERP and fleet."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gladhand.errors import GladhandError, Unavailable
from tests.simulation.outside import Faults
from tests.simulation.seeded.broker import Chaos
from tests.simulation.seeded.scheduler import Scheduler

T = TypeVar("T")

_OUTSIDE = contextvars.Context()


class FarFaults(Faults):
    """What goes wrong between the orchestrator and a gateway: slow, down, answer lost, effect after the caller left."""

    def __init__(self, chaos: Chaos, scheduler: Scheduler) -> None:
        super().__init__()
        self._chaos = chaos
        self._scheduler = scheduler
        self.cut_until: dict[str, float] = {}
        """Until when nobody answers, by the kind of system."""

    async def call(self, method: str, act: Callable[[], T | Awaitable[T]]) -> T:
        chaos = self._chaos
        if self.cut_until.get("all", 0.0) > self._scheduler.time():
            raise Unavailable(f"{method}: nobody answers", reason="UNAVAILABLE")
        if chaos.strikes(f"{_system(method)} refused to answer", 2):
            raise Unavailable(f"{method}: nobody answers", reason="UNAVAILABLE")
        # The far side works in a life of its own: what it was asked, it does, even where the caller is dead by then.
        answer: asyncio.Future[T] = self._scheduler.create_future()
        slow = chaos.dice.random() * 20 if chaos.strikes(f"{_system(method)} slow", 2) else 0.0
        self._scheduler.create_task(self._act(act, slow, answer), context=_OUTSIDE.copy())
        if chaos.strikes(f"{_system(method)} answer lost", 4):
            await asyncio.sleep(chaos.dice.random() * 10)
            raise Unavailable(f"{method}: the answer was lost", reason="UNAVAILABLE")
        return await answer

    async def _act(self, act: Callable[[], T | Awaitable[T]], slow: float, answer: asyncio.Future[T]) -> None:
        await asyncio.sleep(slow)
        try:
            result = act()
            done = await result if isinstance(result, Awaitable) else result
        except GladhandError as error:
            if not answer.done():
                answer.set_exception(error)
            answer.exception()
            return
        if not answer.done():
            answer.set_result(done)


def _system(method: str) -> str:
    return "ERP" if method in {"validate_order", "confirm_dispatch", "post_delivery", "post_invoice"} else "fleet"
