"""A call that is sent again where nothing comes back: the first answer counts, the other copies are cancelled.

gRPC's core repeats what failed; what hangs it leaves hanging until the deadline, and `hedgingPolicy` of the service
config it does not know (grpcio 1.85). A replica that was stopped, or whose disk stands still, neither refuses nor
answers, so a copy goes to the next one after a tenth of the time that the policy gives. The first copy is not given up:
one that is merely slow still wins. Only calls that may be repeated get here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from gladhand.budget import Budget
from gladhand.endings import DECISIVE, Ending, ending
from gladhand.passage import Passage
from gladhand.service_config import ATTEMPTS

__all__ = ["HedgedCall", "patience_s"]

_SHARE, _LEAST_S, _MOST_S = 0.1, 0.1, 5.0


def patience_s(given_s: float | None, usual_s: float | None) -> float:
    """Return after how many seconds of silence a further copy goes out: a tenth of the shorter of both times."""
    known = [limit for limit in (given_s, usual_s) if limit is not None]
    return min(max(_SHARE * min(known), _LEAST_S), _MOST_S) if known else _MOST_S


class HedgedCall:
    """One unary call and its copies, with what callers use of a call of grpc.aio."""

    def __init__(
        self,
        send: Callable[[float | None], Any],
        given_s: float | None,
        pause_s: float,
        passage: Passage,
        budget: Budget,
        ended: Callable[[Ending], None],
    ) -> None:
        """`send(timeout)` begins a copy. `ended` is called once, with how the call as a whole ended."""
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._until = None if given_s is None else self._loop.time() + given_s
        self._pause_s = pause_s
        self._passage, self._budget, self._ended = passage, budget, ended
        self._won: asyncio.Future[Any] = self._loop.create_future()
        self._over = False
        self._watchers: list[Callable[[Any], None]] = []
        self._pending: list[Any] = []
        self._copies = 0
        self._timer = self._loop.call_later(pause_s, self._hedge)
        try:
            self._begin(given_s)
        except BaseException:
            self._timer.cancel()
            raise

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer().__await__()

    async def _answer(self) -> Any:
        try:
            winner = await self._winner()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return await winner

    async def _winner(self) -> Any:
        return await asyncio.shield(self._won)

    def cancel(self) -> bool:
        """Give up all copies; whether there was something to give up."""
        if self._over:
            return False
        self._timer.cancel()
        for copy in tuple(self._pending):
            copy.cancel()
        return True

    def done(self) -> bool:
        """Whether the call ended."""
        return self._over

    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self._over and bool(self._won.result().cancelled())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback(self)` when the call ends, at once where it has."""
        if self._over:
            callback(self)
        else:
            self._watchers.append(callback)

    async def code(self) -> Any:
        """Return the status code, once the call ended."""
        return await (await self._winner()).code()

    async def details(self) -> Any:
        """Return the status message, once the call ended."""
        return await (await self._winner()).details()

    async def initial_metadata(self) -> Any:
        """Return the metadata that came before the answer, once the call ended."""
        return await (await self._winner()).initial_metadata()

    async def trailing_metadata(self) -> Any:
        """Return the metadata that came with the status, once the call ended."""
        return await (await self._winner()).trailing_metadata()

    def _begin(self, timeout_s: float | None) -> None:
        copy = self._send(timeout_s)
        self._copies += 1
        self._pending.append(copy)
        copy.add_done_callback(partial(self._copy_ended, copy))

    def _hedge(self) -> None:
        left = None if self._until is None else self._until - self._loop.time()
        if self._over or self._copies >= ATTEMPTS or (left is not None and left <= 0):
            return
        if not self._budget.spend():
            self._passage.hedges_denied += 1
            return
        self._passage.hedges += 1
        self._begin(left)
        self._timer = self._loop.call_later(self._pause_s, self._hedge)

    def _copy_ended(self, copy: Any, _same: Any) -> None:
        if self._over:
            return
        self._pending.remove(copy)
        end = ending(copy)
        if self._pending and end.code not in DECISIVE:
            return
        self._over = True
        self._timer.cancel()
        for other in self._pending:
            other.cancel()
        if end.code == "OK":
            self._budget.earn()
        self._ended(end)
        self._won.set_result(copy)
        for watcher in self._watchers:
            watcher(self)
