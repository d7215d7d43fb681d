"""Starts a mesh in this process or detached, and stops it from outside. One supervisor per home, held by a lock."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gladhand.cli.home import VARIABLE, Home, clone_root
from gladhand.cli.mesh import certificates, ports, state
from gladhand.cli.mesh.access import Access
from gladhand.cli.mesh.child import trim
from gladhand.cli.mesh.claims import claiming
from gladhand.cli.mesh.identity import Identity, end
from gladhand.cli.mesh.plan import mesh_plan
from gladhand.cli.mesh.state import MeshState, Phase, stamp
from gladhand.cli.mesh.supervisor import Supervisor, clear_orphans
from gladhand.errors import StartRefused
from gladhand.security.names import OPERATOR
from gladhand.security.signing import ensure_signing_key

REGION: Final = "us"
STOP_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.05
Told = Callable[[MeshState], None]


class AlreadyRunningError(Exception):
    """Another supervisor holds this home."""


class MeshStartError(Exception):
    """The mesh did not come up; the message says what was wrong and where to read on."""


def serve(home: Home, told: Told = lambda _: None, *, insecure: bool = False) -> MeshState:
    """Run the mesh until SIGTERM, SIGINT or SIGHUP, and return its last state. `insecure` goes without TLS.

    Raises AlreadyRunningError, NoPortError, StartRefused where the secure folder is not usable, OSError.
    """
    home.prepare()
    with _held(home), claiming() as claims:
        clear_orphans(state.read(home.state))
        taken = ports.choose(ports.recall(home.ports), claims.take)
        ports.remember(home.ports, taken)
        own = Identity.of(os.getpid()) or Identity(os.getpid(), "")
        access = Access(home)
        access.prepare()
        secure = None if insecure else home.secure
        if secure is not None:
            certificates.provide(home)
            ensure_signing_key(home.tokens)
        mesh = MeshState(
            own, REGION, taken, stamp(), credentials=str(access.credentials(OPERATOR)), secure_folder=str(secure or "")
        )
        plan = mesh_plan(home, clone_root(), sys.executable, REGION, taken, secure=secure)
        for step in plan.steps:
            home.data(step.name).mkdir(parents=True, exist_ok=True)
        asyncio.run(_supervised(home, Supervisor(home, plan, mesh, told), secure))
        return mesh


async def _supervised(home: Home, supervisor: Supervisor, secure: Path | None) -> None:
    def told(replaced: Sequence[str]) -> None:
        if "nats" in replaced:  # the only one that does not look by itself
            supervisor.reload("nats")

    keeping = None if secure is None else asyncio.create_task(certificates.keep_fresh(home, told))
    try:
        await supervisor.run()
    finally:
        if keeping is not None:
            keeping.cancel()


def detach(home: Home, told: Told = lambda _: None, *, insecure: bool = False) -> MeshState:
    """Start a supervisor of its own session and wait until its mesh is ready.

    Raises AlreadyRunningError; MeshStartError where it does not come up.
    """
    home.prepare()
    running = current(home)
    if running is not None:
        raise AlreadyRunningError(describe(running))
    log = home.log("supervisor")
    trim(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gladhand.cli.mesh.start", *(["insecure"] if insecure else [])],
            env={**os.environ, VARIABLE: str(home.root), "GLADHAND_CACHE": str(home.cache)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return _await_ready(home, process, log, told)


def _await_ready(home: Home, process: subprocess.Popen[bytes], log: Path, told: Told) -> MeshState:
    while True:
        code = process.poll()
        mesh = state.read(home.state)
        own = mesh if mesh is not None and mesh.supervisor.pid == process.pid else None
        if own is not None:
            told(own)
            if own.phase is Phase.READY:
                return own
        if code is not None:
            why = own.failure if own is not None and own.failure else f"{_last_line(log)}; its log: {log}"
            raise MeshStartError(why)
        time.sleep(_POLL_S)


def _last_line(log: Path) -> str:
    """What a supervisor said that ended before it had a mesh: its complaint, without the time before it."""
    lines = log.read_text("utf-8", "replace").splitlines()
    return lines[-1].partition(" ")[2] if lines else "the supervisor ended"


def wait_ready(home: Home, told: Told = lambda _: None) -> MeshState:
    """Wait for a mesh that somebody else starts at this moment. Raises MeshStartError where it ends instead."""
    while True:
        mesh = current(home)
        if mesh is None:
            raise MeshStartError("the mesh ended while it was starting; look at `gladhand logs`")
        told(mesh)
        if mesh.phase is Phase.READY:
            return mesh
        time.sleep(_POLL_S)


def halt(home: Home, told: Told = lambda _: None, within_s: float = STOP_WITHIN_S) -> bool:
    """Drain the mesh and what a killed supervisor left of one; whether there was anything to stop."""
    mesh = state.read(home.state)
    if mesh is None:
        return False
    if not mesh.running:
        return bool(clear_orphans(mesh))
    os.kill(mesh.supervisor.pid, 15)
    deadline = time.monotonic() + within_s
    while mesh.supervisor.alive and time.monotonic() < deadline:
        told(state.read(home.state) or mesh)
        time.sleep(_POLL_S)
    end([mesh.supervisor], within_s=1.0)
    clear_orphans(state.read(home.state) or mesh)
    return True


def current(home: Home) -> MeshState | None:
    """The mesh that runs now, or None. What a killed supervisor left behind does not count."""
    mesh = state.read(home.state)
    return mesh if mesh is not None and mesh.running else None


def describe(mesh: MeshState) -> str:
    """Who runs, for people."""
    return f"the mesh is {mesh.phase} already (supervisor {mesh.supervisor.pid}, since {mesh.started})"


@contextmanager
def _held(home: Home) -> Iterator[None]:
    """The lock goes with the process, however it ends."""
    with home.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = current(home)
            raise AlreadyRunningError(describe(running) if running else "another supervisor starts just now") from None
        yield


def main(arguments: list[str]) -> int:
    """What a detached supervisor runs."""
    try:
        mesh = serve(Home.chosen(), insecure=arguments == ["insecure"])
    except (AlreadyRunningError, ports.NoPortError, StartRefused, OSError) as error:
        print(f"{stamp()} {error}", file=sys.stderr)
        return 1
    print(f"{stamp()} {mesh.phase} {mesh.failure}", file=sys.stderr)
    return 0 if mesh.phase is Phase.STOPPED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
