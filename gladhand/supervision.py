"""Background tasks of a process: started together, watched, stopped together. None of them dies unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

__all__ = ["BackgroundTask", "Supervisor", "TaskDied"]

_log = logging.getLogger(__name__)

BackgroundTask = Callable[[asyncio.Event], Awaitable[None]]
"""Works until the event is set, then returns soon. To return or raise earlier brings the process down."""


class TaskDied(Exception):
    """A background task ended although nobody had asked it to; its cause is the exception, where it raised one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the background task {name!r} ended although nobody had asked it to")
        self.name = name


class Supervisor:
    """Owns the background tasks of one process."""

    def __init__(self) -> None:
        self._bodies: dict[str, BackgroundTask] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self.died: asyncio.Future[TaskDied] = asyncio.get_running_loop().create_future()
        """Resolves with the first task that ended too early."""

    def add(self, name: str, body: BackgroundTask) -> None:
        """Add a task; it runs at once where the others run already. Raises ValueError where the name is taken."""
        if name in self._bodies:
            raise ValueError(f"there is a background task {name!r} already")
        self._bodies[name] = body
        if self._tasks:
            self._start(name, body)

    def start(self) -> None:
        """Start every task."""
        for name, body in self._bodies.items():
            self._start(name, body)

    async def stop(self, grace_s: float) -> None:
        """Ask every task to return; after `grace_s` seconds cancel those that did not. Logs what they raise."""
        self._stopping.set()
        tasks = set(self._tasks.values())
        if not tasks:
            return
        _done, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            _log.warning("background task did not stop in time", extra={"facts": {"task": task.get_name()}})
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _start(self, name: str, body: BackgroundTask) -> None:
        self._tasks[name] = asyncio.create_task(self._watch(name, body), name=name)

    async def _watch(self, name: str, body: BackgroundTask) -> None:
        cause: Exception | None = None
        try:
            await body(self._stopping)
        except Exception as error:  # noqa: BLE001 - whatever ends a task is reported, with its traceback
            cause = error
        if self._stopping.is_set():
            if cause is not None:
                _log.error("background task failed while stopping", exc_info=cause, extra={"facts": {"task": name}})
            return
        death = TaskDied(name)
        death.__cause__ = cause
        _log.critical("background task died", exc_info=cause, extra={"facts": {"task": name}})
        if not self.died.done():
            self.died.set_result(death)
