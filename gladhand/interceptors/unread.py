"""Streams whose caller does not read: they end, so that nobody holds a place on the server for ever."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import grpc

from gladhand.calls import CORRELATION_KEY, Call
from gladhand.errors import Unavailable
from gladhand.statuses import DETAILS_KEY, status_code, to_status

__all__ = ["Reading"]

_log = logging.getLogger("gladhand.calls")


class Reading:
    """Watches one stream of answers from within its task: how long its caller leaves an answer waiting.

    gRPC holds back the sender once its window (64 KiB to some MiB) is full, so memory is bounded, and keepalive only
    tells that the other side lives, not that it reads. A caller that reads on after the end finds what was sent, and
    then UNAVAILABLE: it connects again and goes on from where it was.
    """

    def __init__(self, call: Call, context: grpc.aio.ServicerContext[Any, Any], most_s: float) -> None:
        """`most_s` is how long an answer may wait to be read, in seconds."""
        self._call = call
        self._context = context
        self._most_s = most_s
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def offered(self) -> None:
        """An answer is handed to gRPC."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._most_s, self._look)

    def taken(self) -> None:
        """GRPC took the answer."""
        self._since = None

    def over(self) -> None:
        """The stream ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._most_s - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        method = self._call.method.path
        error = Unavailable(
            f"the answers of {method} were not read for {self._most_s:g} s; connect again and read faster",
            metadata={"method": method},
        )
        facts = {"method": method, "caller": self._call.principal, "unread_s": self._most_s}
        _log.warning("a stream ends that nobody reads", extra={"facts": facts})
        status = to_status(error, self._call.correlation_id)
        metadata = (
            (CORRELATION_KEY, self._call.correlation_id),
            (DETAILS_KEY, status.SerializeToString()),
        )
        # It waits behind the answers until the caller reads on or goes away; the servicer need not wait with it.
        telling = asyncio.ensure_future(self._context.abort(status_code(error), status.message, metadata))
        await asyncio.sleep(0)
        if self._task is not None:
            self._task.cancel()
        with suppress(grpc.aio.AbortError, grpc.aio.BaseError, asyncio.CancelledError):
            await telling
