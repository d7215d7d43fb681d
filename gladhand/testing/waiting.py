"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

_POLL_S = 0.01


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within: float = 10.0, what: str = "") -> T: ...


@overload
async def eventually(condition: Callable[[], T], within: float = 10.0, what: str = "") -> T: ...


async def eventually(condition: Callable[[], Any], within: float = 10.0, what: str = "") -> Any:
    """Return the first truthy answer of `condition`, a plain or async function, asked again and again.

    Raises AssertionError with the last answer after `within` seconds. An AssertionError inside the condition counts as
    a no; other errors pass through.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        answer: Any
        try:
            asked = condition()
            answer = await asked if inspect.isawaitable(asked) else asked
            if answer:
                return answer
        except AssertionError as error:
            answer = error
        if loop.time() > end:
            raise AssertionError(f"{what or 'the condition'} did not come true in {within} s; last: {answer!r}")
        await asyncio.sleep(_POLL_S)


async def let_others_run(turns: int = 1) -> None:
    """Give every other task that is ready so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
