"""The supervisor with small programs instead of services."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gladhand.cli.home import Home
from gladhand.cli.mesh.identity import Identity
from gladhand.cli.mesh.plan import MeshPlan, Step
from gladhand.cli.mesh.state import Condition, MeshState, Phase, ProcessState, read, stamp
from gladhand.cli.mesh.supervisor import RestartPolicy, Supervisor, clear_orphans
from gladhand.testing import eventually

SERVE = "import signal; signal.sigwait({signal.SIGTERM})"
QUICK = RestartPolicy(limit=2, first_s=0.01, longest_s=0.02)


def server(name: str, *after: str, code: str = SERVE) -> Step:
    return Step(name, (sys.executable, "-c", code), after=after, stop_within_s=5.0)


class Watched:
    """A supervisor under test and all that it told."""

    def __init__(self, home: Home, steps: tuple[Step, ...]) -> None:
        own = Identity.of(os.getpid())
        assert own is not None
        self.state = MeshState(own, "us", {}, stamp())
        self.told: list[tuple[str, Condition]] = []
        self._changed = asyncio.Event()
        self.supervisor = Supervisor(home, MeshPlan("us", home.root, steps), self.state, self._tell, QUICK)

    def _tell(self, state: MeshState) -> None:
        for process in state.processes.values():
            if (process.name, process.condition) not in self.told[-len(state.processes) :]:
                self.told.append((process.name, process.condition))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home", tmp_path / "cache")
    made.prepare()
    return made


@asynccontextmanager
async def running(home: Home, *steps: Step) -> AsyncIterator[Watched]:
    watched = Watched(home, steps)
    task = asyncio.create_task(watched.supervisor.run())
    try:
        yield watched
    finally:
        watched.supervisor.stop()
        await asyncio.wait_for(task, 20)


async def test_it_starts_in_order_and_stops_in_reverse(home: Home) -> None:
    async with running(home, server("first"), server("second", "first")) as mesh:
        await mesh.until(lambda: mesh.state.phase is Phase.READY)
    assert mesh.told.index(("first", Condition.READY)) < mesh.told.index(("second", Condition.STARTING))
    stopped = [name for name, condition in mesh.told if condition is Condition.STOPPED]
    assert stopped == ["second", "first"]
    assert mesh.state.orphans() == []
    found = read(home.state)
    assert found is not None
    assert found.phase is Phase.STOPPED


async def test_a_killed_process_comes_back_as_another(home: Home) -> None:
    async with running(home, server("only")) as mesh:
        await mesh.until(lambda: mesh.state.phase is Phase.READY)
        before = mesh.state.processes["only"].identity
        assert before is not None
        os.kill(before.pid, signal.SIGKILL)
        await mesh.until(lambda: mesh.state.processes["only"].restarts == 1)
        await mesh.until(lambda: mesh.state.processes["only"].condition is Condition.READY)
        after = mesh.state.processes["only"].identity
    assert after is not None
    assert after != before
    assert mesh.state.processes["only"].last_exit == "killed by SIGKILL"


async def test_one_that_never_comes_up_is_given_up_with_its_log(home: Home) -> None:
    bad = Step("bad", (sys.executable, "-c", "raise SystemExit(1)"), http="http://127.0.0.1:1")
    async with running(home, server("good"), bad) as mesh:
        await mesh.until(lambda: mesh.state.phase is Phase.FAILED)
    assert mesh.state.processes["bad"].condition is Condition.GIVEN_UP
    assert mesh.state.processes["bad"].restarts == QUICK.limit
    assert "bad ended with status 1" in mesh.state.failure
    assert str(home.log("bad")) in mesh.state.failure
    assert mesh.state.orphans() == []


async def test_wrong_settings_are_not_tried_again(home: Home) -> None:
    bad = Step("bad", (sys.executable, "-c", "raise SystemExit(2)"), http="http://127.0.0.1:1")
    async with running(home, bad) as mesh:
        await mesh.until(lambda: mesh.state.phase is Phase.FAILED)
    assert mesh.state.processes["bad"].restarts == 0


async def test_a_step_that_runs_once_tells_what_it_does(home: Home) -> None:
    once = Step("build", (sys.executable, "-c", "print('building')"), once=True)
    async with running(home, once, server("next", "build")) as mesh:
        await mesh.until(lambda: mesh.state.phase is Phase.READY)
    assert mesh.state.processes["build"].condition is Condition.DONE
    assert home.log("build").read_text() == "building\n"


async def test_one_that_does_not_end_is_killed(home: Home) -> None:
    deaf = (
        "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.sigwait({signal.SIGUSR1})"
    )
    step = Step("deaf", (sys.executable, "-c", deaf), stop_within_s=0.05)
    async with running(home, step) as mesh:
        await mesh.until(lambda: mesh.state.phase is Phase.READY)
        async with asyncio.timeout(10):
            while "deaf" not in home.log("deaf").read_text():
                await asyncio.to_thread(os.sched_yield)
    assert mesh.state.processes["deaf"].note == "had to be killed"
    assert mesh.state.orphans() == []


def test_what_a_killed_supervisor_left_is_ended() -> None:
    left = subprocess.Popen([sys.executable, "-c", SERVE], start_new_session=True)
    identity = Identity.of(left.pid)
    assert identity is not None
    state = MeshState(Identity(os.getpid(), "of another boot"), "us", {}, stamp())
    state.processes["left"] = ProcessState("left", Condition.READY, identity)
    assert clear_orphans(state) == [identity]
    assert left.wait(10) == -signal.SIGTERM
    assert clear_orphans(state) == []


def test_pauses_grow_to_their_limit() -> None:
    policy = RestartPolicy(first_s=0.25, longest_s=8.0)
    assert [policy.pause(count, 0.0) for count in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert policy.pause(1, 1.0) == 0.25


async def test_a_process_is_told_to_read_its_files_again_and_goes_on(home: Home) -> None:
    code = (
        "import pathlib, signal; signal.signal(signal.SIGHUP, lambda *_: pathlib.Path('read').touch())\n"
        "pathlib.Path('ready').touch()\nwhile True: signal.pause()"
    )
    async with running(home, server("nats", code=code)) as mesh:
        await eventually((home.root / "ready").exists)
        mesh.supervisor.reload("nats")
        mesh.supervisor.reload("nobody")
        await eventually((home.root / "read").exists)
        assert mesh.state.processes["nats"].restarts == 0
