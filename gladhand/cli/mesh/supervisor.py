"""Keeps the processes of a mesh running: starts them in order, restarts what ends, drains all at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gladhand.cli.home import Home
from gladhand.cli.mesh.child import Child, trim
from gladhand.cli.mesh.identity import Identity, end
from gladhand.cli.mesh.plan import MeshPlan, Step
from gladhand.cli.mesh.probe import is_ready
from gladhand.cli.mesh.state import Condition, MeshState, Phase, ProcessState, stamp, write

_POLL_S = 0.05
_TRIM_EVERY_S = 30.0
_BAD_SETTINGS = "ended with status 2"
"""How a service ends whose settings or contract are wrong: trying again cannot help."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most `limit` restarts within `window_s`, waiting `first_s` and twice as long each time, up to `longest_s`."""

    limit: int = 6
    window_s: float = 120.0
    first_s: float = 0.25
    longest_s: float = 8.0

    def pause(self, restarts: int, jitter: float) -> float:
        """How long to wait before the restart after `restarts` earlier ones; `jitter` from 0 to 1 takes up to half."""
        return min(self.longest_s, self.first_s * 2.0**restarts) * (1 - jitter / 2)


class Supervisor:
    """Runs one plan. `told` hears of every change; the state file is written before it does."""

    def __init__(
        self,
        home: Home,
        plan: MeshPlan,
        state: MeshState,
        told: Callable[[MeshState], None] = lambda _: None,
        policy: RestartPolicy | None = None,
    ) -> None:
        self._home = home
        self._plan = plan
        self._state = state
        self._told = told
        self._policy = policy or RestartPolicy()
        self._children: dict[str, Child] = {}
        self._reached = {step.name: asyncio.Event() for step in plan.steps}
        self._stop = asyncio.Event()
        self._spawning = asyncio.Lock()
        for step in plan.steps:
            state.processes[step.name] = ProcessState(
                step.name, since=stamp(), address=step.address, log=str(home.log(step.name))
            )

    def stop(self) -> None:
        """Begin the drain. Safe to call again."""
        self._stop.set()

    def reload(self, name: str) -> None:
        """Have a process read its files again, by SIGHUP; one that does not run now reads them when it starts."""
        child = self._children.get(name)
        if child is not None and not child.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.identity.pid, signal.SIGHUP)

    async def run(self) -> bool:
        """Start everything and keep it until `stop` or a signal; whether the mesh had come up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        self._publish()
        keepers = [asyncio.create_task(self._keep(step), name=step.name) for step in self._plan.steps]
        tidier = asyncio.create_task(self._tidy())
        try:
            await self._until(asyncio.gather(*(reached.wait() for reached in self._reached.values())))
            came_up = all(reached.is_set() for reached in self._reached.values())
            if came_up and not self._stop.is_set():
                self._state.phase = Phase.READY
                self._publish()
            await self._stop.wait()
        finally:
            tidier.cancel()
            await self._drain(keepers)
        self._state.phase = Phase.FAILED if self._state.failure else Phase.STOPPED
        self._publish()
        return came_up

    async def _until(self, work: asyncio.Future[Any]) -> None:
        """Wait for the work or for the stop, whichever comes first."""
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        for each in (work, stopping):
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each

    async def _keep(self, step: Step) -> None:
        """One process from its first start to the end of the mesh."""
        for name in step.after:
            await self._reached[name].wait()
        restarts: deque[float] = deque()
        while not self._stop.is_set():
            ended = await self._run_once(step)
            if self._stop.is_set() or (step.once and not ended):
                return
            if ended == _BAD_SETTINGS and not self._reached[step.name].is_set():
                self._give_up(step, ended)
                return
            now = time.monotonic()
            while restarts and now - restarts[0] > self._policy.window_s:
                restarts.popleft()
            if len(restarts) >= (1 if step.once else self._policy.limit):
                self._give_up(step, ended)
                return
            pause = self._policy.pause(len(restarts), random.random())
            restarts.append(now)
            process = self._state.processes[step.name]
            process.restarts += 1
            self._set(step, Condition.RESTARTING, last_exit=ended or "ended", note=f"again in {pause:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)

    async def _run_once(self, step: Step) -> str:
        """Run it until it ends; return how it ended, empty for well."""
        began = time.monotonic()
        process = self._state.processes[step.name]

        def say(line: str) -> None:
            process.note = line[:200]
            self._publish()

        async with self._spawning:
            if self._stop.is_set():
                return ""
            try:
                child = await Child.start(step, self._plan.root, self._home.log(step.name), say)
            except OSError as error:
                return f"cannot be started: {error}"
            self._children[step.name] = child
            process.identity = child.identity
            self._set(step, Condition.STARTING)
        ending = asyncio.create_task(child.wait())
        if step.once:
            ended = await self._within(ending, child)
            if not ended:
                process.took_s = round(time.monotonic() - began, 2)
                self._set(step, Condition.DONE, note="")
                self._reached[step.name].set()
            return ended
        ready = await self._wait_ready(step, child, ending)
        if ready:
            process.took_s = round(time.monotonic() - began, 2)
            self._set(step, Condition.READY, note="")
            self._reached[step.name].set()
        elif not ending.done() and not self._stop.is_set():
            await child.stop()
            await ending
            return f"did not serve within {step.ready_within_s:.0f} s"
        return await ending or "ended"

    async def _within(self, ending: asyncio.Task[str], child: Child) -> str:
        try:
            return await asyncio.wait_for(asyncio.shield(ending), child.step.ready_within_s)
        except TimeoutError:
            await child.stop()
            await ending
            return f"took longer than {child.step.ready_within_s:.0f} s"

    async def _wait_ready(self, step: Step, child: Child, ending: asyncio.Task[str]) -> bool:
        deadline = time.monotonic() + step.ready_within_s
        while not ending.done() and not self._stop.is_set() and time.monotonic() < deadline:
            if await is_ready(step, child.identity.pid):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    def _give_up(self, step: Step, ended: str) -> None:
        """Say so loudly. A mesh that has not come up ends by it; one that has goes on without the process."""
        said = self._state.processes[step.name].note
        self._set(step, Condition.GIVEN_UP, last_exit=ended)
        if not self._reached[step.name].is_set():
            log = self._home.log(step.name)
            self._state.failure = f"{step.name} {ended}; its log: {log}" + (f"\n{said}" if step.once and said else "")
            self.stop()
        self._publish()

    async def _drain(self, keepers: list[asyncio.Task[None]]) -> None:
        """Stop in the reverse order of starting, each within its own time."""
        self._state.phase = Phase.STOPPING
        self._publish()
        async with self._spawning:  # what is being started is registered, and nothing else will be
            pass
        for step in reversed(self._plan.steps):
            child = self._children.get(step.name)
            if child is not None and not child.ended:
                clean = await child.stop()
                self._set(step, Condition.STOPPED, note="" if clean else "had to be killed")
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_EVERY_S)
            for name in self._state.processes:
                trim(self._home.log(name))

    def _set(self, step: Step, condition: Condition, *, note: str | None = None, last_exit: str | None = None) -> None:
        process = self._state.processes[step.name]
        process.condition, process.since = condition, stamp()
        if note is not None:
            process.note = note
        if last_exit is not None:
            process.last_exit = last_exit
        self._publish()

    def _publish(self) -> None:
        write(self._home.state, self._state)
        self._told(self._state)


def clear_orphans(found: MeshState | None, within_s: float = 10.0) -> list[Identity]:
    """End what a supervisor that was killed left running; return what there was."""
    orphans = [] if found is None or found.running else found.orphans()
    end(orphans, within_s)
    return orphans
