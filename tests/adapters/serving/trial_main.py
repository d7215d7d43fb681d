"""A service of the trial contract as a process of its own; the environment says how it misbehaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from gladhand.idempotency import MemoryIdempotency
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from tests.adapters.serving.trial import Trial, careless, compiled


class TrialSettings(Settings):
    """What a test asks for."""

    trace: Path
    """A file that takes a line for each step of the process's life."""

    dying_task: bool = False
    careless: bool = False
    hanging_start: bool = False


async def build(process: ServiceProcess[TrialSettings]) -> None:
    """Put the trial service together."""
    settings = process.settings

    def note(line: str) -> None:
        with settings.trace.open("a") as file:
            file.write(line + "\n")

    class Resource:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __aenter__(self) -> None:
            note(f"open {self.name}")

        async def __aexit__(self, *_fault: object) -> None:
            note(f"close {self.name}")

    async def slow(_request: Any) -> Any:
        note("call begun")
        await asyncio.sleep(0.5)
        note("call answered")
        return compiled()[0].ReadResponse(text="done")

    async def work(stopping: asyncio.Event) -> None:
        if settings.dying_task:
            raise RuntimeError("the projector broke")
        await stopping.wait()
        note("task stopped")

    await process.enter(Resource("first"))
    await process.enter(Resource("second"))
    if settings.hanging_start:
        await asyncio.Event().wait()
    # Gather streams, so its answers cannot be kept.
    own: Any = True if settings.careless else {"Gather"}
    register = (
        careless()[1].add_CarelessServiceServicer_to_server
        if settings.careless
        else (compiled()[1].add_TrialServiceServicer_to_server)
    )
    servicer: Any = careless()[1].CarelessServiceServicer() if settings.careless else Trial(on_read=slow)
    process.add_servicer(register, servicer, own_idempotency=own)
    process.use_idempotency(MemoryIdempotency())
    process.announce("http", 4711)
    process.add_task("projector", work)


if __name__ == "__main__":
    raise SystemExit(ServiceProcess.main("trial", TrialSettings, build))
