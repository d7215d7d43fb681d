"""Drives Tryton's state machines: one button at a time, the state read back after each, never twice at once.

An answer that is lost leaves a doubt: the server may still be at work (ERP reference A.6: "processing" three seconds
after the client gave up). The state is then watched for a while, and until the doubt is over no further write on that
order is sent, because parallel clicks made double shipments on SQLite.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.erp_gateway.adapters.tryton_errors import (
    AmbiguousError,
    BusyError,
    ServerFaultError,
    TrytonError,
    UserError,
    UserWarningRaised,
)
from services.erp_gateway.adapters.tryton_rpc import TrytonSession


@dataclass(frozen=True, slots=True)
class PressPolicy:
    """``warnings``: prefixes of warning names that may be acknowledged; none by default.

    ``doubt_s``: how long a click whose answer was lost may still be at work. ``watch_s``: how long its state is watched
    before the caller is told. ``poll_s``: pause between two looks.
    """

    warnings: tuple[str, ...] = ()
    doubt_s: float = 30.0
    watch_s: float = 15.0
    poll_s: float = 0.2


class Presses:
    """Buttons of one session, with the locks and doubts of the orders behind them."""

    def __init__(
        self,
        session: TrytonSession,
        policy: PressPolicy,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._session = session
        self._policy = policy
        self._sleep = sleep
        self._monotonic = monotonic
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._doubts: dict[str, float] = {}

    @asynccontextmanager
    async def only(self, order: str) -> AsyncIterator[None]:
        """Keep every other write on ``order`` out. Raises ``BusyError`` while an earlier write is in doubt."""
        lock, users = self._locks.get(order, (asyncio.Lock(), 0))
        self._locks[order] = (lock, users + 1)
        try:
            async with lock:
                if self._doubts.get(order, 0.0) > self._now():
                    raise BusyError(f"an earlier click on {order} may still be at work")
                self._doubts.pop(order, None)
                try:
                    yield
                except (AmbiguousError, asyncio.CancelledError):  # a caller that gave up leaves the same doubt
                    self._doubts[order] = self._now() + self._policy.doubt_s
                    raise
        finally:
            lock, users = self._locks[order]
            if users == 1:
                del self._locks[order]
            else:
                self._locks[order] = (lock, users - 1)

    async def states(self, model: str, ids: Sequence[int]) -> list[str]:
        """The states of records, in their order."""
        return [row["state"] for row in await self._session.read(model, ids, ["state"])]

    async def press(
        self,
        model: str,
        button: str,
        ids: Sequence[int],
        reached: Collection[str],
        before: Sequence[str] | None = None,
    ) -> list[str]:
        """Press ``button`` on those of ``ids`` that are in no ``reached`` state, at once; return all states read back.

        ``before`` are their states where the caller has just read them. Raises what the server raised where the states
        show that nothing came of it, and ``UserWarningRaised`` for a warning that is not on the list.
        """
        states = list(before) if before is not None else await self.states(model, ids)
        due = [record for record, state in zip(ids, states, strict=True) if state not in reached]
        if not due:
            return states
        try:
            await self._acknowledging(model, button, due)
        except (AmbiguousError, UserError, ServerFaultError) as error:
            states = await self._after(error, model, ids, reached)
            if not all(state in reached for state in states):
                raise
            return states
        return await self.states(model, ids)

    async def _acknowledging(self, model: str, button: str, ids: Sequence[int]) -> None:
        acknowledged: set[str] = set()
        while True:
            try:
                await self._session.model(model, button, list(ids))
                return
            except UserWarningRaised as warning:
                allowed = warning.name.startswith(self._policy.warnings) if self._policy.warnings else False
                if not allowed or warning.name in acknowledged:
                    raise
                acknowledged.add(warning.name)
                await self._session.model("res.user.warning", "skip", warning.name, False)

    async def _after(self, error: TrytonError, model: str, ids: Sequence[int], reached: Collection[str]) -> list[str]:
        """The states after a failure; a lost answer is given time to come true.

        A refusal is looked at once: "you can not call do" on a record that is done only says that it is done already.
        """
        deadline = self._now() + (self._policy.watch_s if isinstance(error, AmbiguousError) else 0.0)
        while True:
            states = await self.states(model, ids)
            if all(state in reached for state in states) or self._now() >= deadline:
                return states
            await self._sleep(self._policy.poll_s)

    def _now(self) -> float:
        return self._monotonic() if self._monotonic is not None else asyncio.get_running_loop().time()
