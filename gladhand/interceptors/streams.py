"""Streams of answers: their deadline, and their end when the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from gladhand.calls import Call
from gladhand.errors import DeadlineExceeded, Unauthenticated, Unavailable

__all__ = ["OpenStreams"]

T = TypeVar("T")


class OpenStreams:
    """Every stream of answers that waits for its next one."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Timeout] = set()
        self._draining = False

    def drain(self) -> None:
        """End the streams that follow the log without end: their callers connect again, to a server that stays."""
        self._draining = True
        now = asyncio.get_running_loop().time()
        for scope in tuple(self._waiting):
            scope.reschedule(now)

    async def paced(self, call: Call, answers: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield the answers until the call's deadline, or the drain where the stream has no end of its own.

        The limit holds while an answer is awaited, not while the caller reads: only the waiting can be broken off
        without losing an answer. Raises DeadlineExceeded, Unavailable, Unauthenticated.
        """
        endless = call.method.timeout_s is None
        try:
            while not (endless and self._draining):
                _check_known(call)
                try:
                    answer = await self._next(call, answers, endless=endless)
                except StopAsyncIteration:
                    return
                yield answer
            raise _draining()
        finally:
            if isinstance(answers, AsyncGenerator):
                await answers.aclose()

    async def _next(self, call: Call, answers: AsyncIterator[T], *, endless: bool) -> T:
        limits = [limit for limit in (call.deadline, call.known_until) if limit is not None]
        scope = asyncio.timeout_at(min(limits, default=None))
        try:
            async with scope:
                if endless:
                    self._waiting.add(scope)
                return await anext(answers)
        except TimeoutError as error:
            if not scope.expired():
                raise
            if endless and self._draining:
                raise _draining() from error
            _check_known(call)
            raise late(call) from error
        finally:
            self._waiting.discard(scope)


def _check_known(call: Call) -> None:
    """Raise Unauthenticated once the proof of who calls has ended: nobody watches on with a token of yesterday."""
    if call.known_until is not None and asyncio.get_running_loop().time() >= call.known_until:
        raise Unauthenticated(
            "the token expired while the answers went on; connect again with a new one",
            reason="TOKEN_EXPIRED",
            metadata={"expired_s_ago": "0"},
        )


def late(call: Call) -> DeadlineExceeded:
    """Return the error of a call whose time ran out."""
    return DeadlineExceeded(f"{call.method.path} did not answer in time", metadata={"method": call.method.path})


def _draining() -> Unavailable:
    return Unavailable("the server is stopping; connect again", retry_after_s=0.5)
