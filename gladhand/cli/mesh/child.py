"""One process of the mesh, started in a group of its own with its output in its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path

from gladhand.cli.mesh.identity import Identity, kill_group
from gladhand.cli.mesh.plan import Step

LOG_LIMIT_BYTES = 16 << 20
_LEASH = Path(__file__).with_name("leash.py")


class Child:
    """A running process. `say` receives each line that a `once` step writes, for people to follow it."""

    def __init__(self, step: Step, process: Process, identity: Identity, follower: asyncio.Task[None] | None) -> None:
        self.step = step
        self.identity = identity
        self._process = process
        self._follower = follower

    @classmethod
    async def start(cls, step: Step, root: Path, log: Path, say: Callable[[str], None]) -> Child:
        """Start it. Raises OSError where the program cannot be run."""
        trim(log)
        if step.ready_file is not None:
            step.ready_file.unlink(missing_ok=True)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LEASH), str(os.getpid())),
                *step.command,
                cwd=root,
                env={**_inherited(), **step.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if step.once else output,
                stderr=asyncio.subprocess.STDOUT if step.once else output,
                start_new_session=True,
            )
        identity = Identity.of(process.pid) or Identity(process.pid, "")
        follower = asyncio.create_task(_follow(process, log, say)) if process.stdout is not None else None
        return cls(step, process, identity, follower)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    async def wait(self) -> str:
        """Wait until it has ended and return how, for people; empty where it ended well. Nothing of it is left."""
        code = await self._process.wait()
        kill_group(self.identity.pid)
        if self._follower is not None:
            await self._follower
        if code == 0:
            return ""
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    async def stop(self) -> bool:
        """Ask it to end, kill it where it has not in time; whether it ended by itself."""
        if self.ended:
            return True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self.step.stop_within_s)
        except TimeoutError:
            kill_group(self.identity.pid)
            await self._process.wait()
            return False
        return True


def trim(log: Path, limit: int = LOG_LIMIT_BYTES) -> None:
    """Keep one older part of a log beside the present one. Writers append, so they go on in the emptied file."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            log.with_name(log.name + ".1").write_bytes(log.read_bytes()[-limit:])
            os.truncate(log, 0)


async def _follow(process: Process, log: Path, say: Callable[[str], None]) -> None:
    if process.stdout is None:
        return
    with log.open("ab", buffering=0) as file:
        async for line in process.stdout:
            file.write(line)
            text = line.decode("utf-8", "replace").strip()
            if text:
                say(text)


def _inherited() -> dict[str, str]:
    """This environment without settings of another mesh or service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GLADHAND_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}
