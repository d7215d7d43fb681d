"""One seeded scheduler: an event loop on virtual time that lets the dice pick which ready callback runs next.

No threads, no sockets, no real time: the same seed takes the same steps. A `Life` marks everything that one process
started; it can die between any two steps, as by kill -9, or hang for a while.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
from asyncio import events
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Life:
    """One run of a process: what it started no longer moves once it is dead, and waits while it hangs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.dead = False
        self.hung = False
        self.waiting: list[asyncio.Handle] = []


LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


class NothingLeft(Exception):
    """Nothing can happen any more although somebody still waits."""


class Scheduler(asyncio.AbstractEventLoop):
    """The loop. `steps` counts the callbacks that ran; a coroutine goes on in each."""

    def __init__(self, dice: random.Random) -> None:
        self._roll = dice.random
        self._ready: list[tuple[asyncio.Handle, Life | None]] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Life | None]] = []
        self._now = 0.0
        self._numbers = 0
        self.steps = 0
        self.strange: list[dict[str, Any]] = []
        self.kept: list[asyncio.Task[Any]] = []
        """Every task, so that none is swept away, and with it cleaned up, at a moment that no seed decides."""

    def time(self) -> float:
        """Return the virtual seconds since the run began."""
        return self._now

    def get_debug(self) -> bool:
        """Return False: nothing is slowed down."""
        return False

    def is_running(self) -> bool:
        """Return whether a run is under way."""
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        """Return False: the loop ends with its run."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught; the run fails by it."""
        self.strange.append(context)

    def create_future(self) -> asyncio.Future[Any]:
        """Return a new future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        """Start a coroutine."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.kept.append(task)
        return task

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Make a callback ready; when it runs is up to the dice."""
        context = context if context is not None else contextvars.copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append((handle, context.get(LIFE)))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Make a callback ready after a delay."""
        return self.call_at(self._now + max(delay, 0.0), callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Make a callback ready at a moment."""
        context = context if context is not None else contextvars.copy_context()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle, context.get(LIFE)))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled timer is passed over when its time comes."""

    def run(self, main: Coroutine[Any, Any, T], *, most_steps: int = 5_000_000) -> T:
        """Run until `main` has an answer. Raises NothingLeft where it can have none, and what `main` raises."""
        events._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._step()
                if self.steps > most_steps:
                    raise NothingLeft(f"no end after {most_steps} steps, at {self._now:.0f} s")
            return task.result()  # type: ignore[no-any-return]
        finally:
            events._set_running_loop(None)

    def _step(self) -> None:
        ready = self._ready
        while not ready:
            if not self._timers:
                raise NothingLeft(f"nothing can happen any more at {self._now:.0f} s")
            when, _, timer, life = heapq.heappop(self._timers)
            if timer._cancelled or (life is not None and life.dead):
                continue
            self._now = max(self._now, when)
            ready.append((timer, life))
            while self._timers and self._timers[0][0] <= self._now:
                _, _, timer, life = heapq.heappop(self._timers)
                ready.append((timer, life))
        place = int(self._roll() * len(ready))
        handle, life = ready[place]
        ready[place] = ready[-1]
        ready.pop()
        if life is not None:
            if life.dead:
                return
            if life.hung:
                life.waiting.append(handle)
                return
        self.steps += 1
        if not handle._cancelled:
            handle._run()

    def wake(self, life: Life) -> None:
        """Let a life that hung go on."""
        life.hung = False
        waiting, life.waiting = life.waiting, []
        self._ready.extend((handle, life) for handle in waiting)
