"""A contract, a servicer and a process for tests of the serving runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gladhand.calls import current_call
from gladhand.server import ServiceProcess
from tests.adapters import protos

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def compiled() -> tuple[Any, Any]:
    """Return the messages and stubs of the trial contract."""
    return protos.compiled(HERE, "trial")


def careless() -> tuple[Any, Any]:
    """Return the messages and stubs of the contract whose methods lack their policy."""
    return protos.compiled(HERE, "careless")


def guarded() -> tuple[Any, Any]:
    """Return the messages and stubs of the contract that says who may call."""
    return protos.compiled(HERE, "guarded")


def know_callers(process: ServiceProcess[Any]) -> None:
    """Have a process know whom the contract lets call: `orchestrator` and `fleet_gateway` the trial service.

    The services of a real contract are found by themselves, as they lie in one package.
    """
    stubs = protos.compiled(HERE, "callers")[1]
    for name in ("FirstCaller", "SecondCaller", "Stranger"):
        process.add_servicer(getattr(stubs, f"add_{name}ServiceServicer_to_server"), object())


@dataclass
class Trial:
    """A servicer whose behaviour a test sets."""

    on_read: Callable[[Any], Awaitable[Any]] | None = None
    on_write: Callable[[Any], Awaitable[Any]] | None = None
    on_watch: Callable[[Any], AsyncIterator[Any]] | None = None
    calls: list[Any] = field(default_factory=list)
    """The call in force at each invocation."""

    async def Read(self, request: Any, context: Any) -> Any:
        self.calls.append(current_call())
        if self.on_read is not None:
            return await self.on_read(request)
        return compiled()[0].ReadResponse(text=f"read {request.name}")

    async def Write(self, request: Any, context: Any) -> Any:
        self.calls.append(current_call())
        if self.on_write is not None:
            return await self.on_write(request)
        return compiled()[0].WriteResponse(count=len(self.calls))

    Append = Write
    Roll = Read

    async def Count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.calls.append(current_call())
        if self.on_watch is not None:
            async for answer in self.on_watch(request):
                yield answer
            return
        for number in range(request.to):
            yield compiled()[0].ReadResponse(count=number)

    Watch = Count

    async def Gather(self, requests: AsyncIterator[Any], context: Any) -> Any:
        self.calls.append(current_call())
        names = [request.name async for request in requests]
        return compiled()[0].WriteResponse(count=len(names))

    async def Talk(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield compiled()[0].ReadResponse(text=request.name)
