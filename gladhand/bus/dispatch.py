"""What happens to a delivery: handled in the order of its key, tried again within bounds, parked at the end.

Knows no NATS: the consumers of the real bus and of the memory bus share it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gladhand.bus.deadletters import DeadLetter
from gladhand.bus.port import Delivery, Poison, Retry, Subscription
from gladhand.clock import Clock

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("gladhand.bus")
_TRACE = TraceContextTextMapPropagator()


class Settlement(Protocol):
    """How one delivery is answered to the broker."""

    async def ack(self) -> None:
        """It is done with."""
        ...

    async def nak(self, delay_s: float) -> None:
        """Deliver it again, to anybody, after `delay_s` seconds."""
        ...

    async def extend(self) -> None:
        """It is still being worked on."""
        ...

    async def term(self, reason: str) -> None:
        """Never deliver it again."""
        ...


@dataclass(slots=True)
class _Item:
    delivery: Delivery
    settlement: Settlement
    first_seen: datetime


class Dispatcher:
    """Runs a subscription's handler over deliveries. `park` stores a dead letter and may raise."""

    def __init__(
        self,
        subscription: Subscription,
        clock: Clock,
        *,
        park: Callable[[DeadLetter], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._subscription = subscription
        self._clock = clock
        self._park = park
        self._settled = settled
        self._chance = chance
        self._queues: dict[str, deque[_Item]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(subscription.concurrency)
        self._stopping = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None

    @property
    def held(self) -> int:
        """Deliveries accepted and not settled yet."""
        return sum(len(queue) for queue in self._queues.values())

    def accept(self, delivery: Delivery, settlement: Settlement) -> None:
        """Take a delivery; it is settled in the end, whatever happens."""
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._keep_alive())
        key = self._key(delivery)
        item = _Item(delivery, settlement, self._clock.now())
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(item)
            return
        self._queues[key] = deque((item,))
        task = asyncio.create_task(self._work_off(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Begin no further handler; what is accepted and not begun is handed back."""
        self._stopping.set()

    async def stop(self, grace: timedelta) -> None:
        """Let running handlers finish within `grace`, hand everything else back at once."""
        self.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace.total_seconds())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker

    async def _work_off(self, key: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                await self._work(queue[0])
                queue.popleft()
                await self._settled()
        finally:
            del self._queues[key]
            for item in queue:
                await item.settlement.nak(0)

    async def _work(self, item: _Item) -> None:
        """Bring one delivery to its end: done, handed back, or parked."""
        limit = self._subscription.max_deliver
        while not self._stopping.is_set():
            attempt = item.delivery.attempt
            if attempt > limit:
                await self._give_up(
                    item, f"no attempt came to an end: the process died in each of {limit}", poison=False
                )
                return
            async with self._room:
                if self._stopping.is_set():
                    break
                failure = await self._attempt(item.delivery)
            if failure is None:
                await item.settlement.ack()
                return
            if isinstance(failure, Poison) or attempt >= limit:
                await self._give_up(item, _reason(failure), poison=isinstance(failure, Poison))
                return
            delay = self._delay(failure, attempt)
            _log.info("%s: %s, attempt %d in %.2f s", self._subscription.durable, _reason(failure), attempt + 1, delay)
            if await self._stopped_within(delay):
                await item.settlement.nak(delay)
                return
            item.delivery = replace(item.delivery, attempt=attempt + 1)
        await item.settlement.nak(0)

    async def _attempt(self, delivery: Delivery) -> Exception | None:
        """Run the handler once, inside a span that continues the publisher's trace; return what it raised."""
        context = _TRACE.extract(dict(delivery.headers)) if "traceparent" in delivery.headers else None
        with _tracer.start_as_current_span(
            f"{self._subscription.durable} process",
            context=context,
            kind=trace.SpanKind.CONSUMER,
            attributes={
                "messaging.system": "nats",
                "messaging.destination.name": delivery.subject,
                "messaging.message.id": delivery.message_id,
                "gladhand.attempt": delivery.attempt,
            },
        ) as span:
            try:
                await self._subscription.handler(delivery)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends in the dead letters
                if not isinstance(error, Retry):
                    span.record_exception(error)
                span.set_status(trace.StatusCode.ERROR, type(error).__name__)
                return error
        return None

    async def _give_up(self, item: _Item, reason: str, *, poison: bool) -> None:
        seen = (item.first_seen, self._clock.now())
        letter = DeadLetter.of(item.delivery, self._subscription.durable, reason=reason, poison=poison, seen=seen)
        try:
            await self._park(letter)
        except Exception:  # noqa: BLE001 - logged, and the message stays with the broker
            # Not parked, so not done with: the broker delivers it again and the next attempt parks it.
            _log.exception("%s: %s could not be parked", self._subscription.durable, item.delivery.message_id)
            await item.settlement.nak(self._subscription.backoff.longest)
            return
        _log.error("%s gives up on %s: %s", self._subscription.durable, item.delivery.message_id, reason)
        await item.settlement.term(reason)

    def _key(self, delivery: Delivery) -> str:
        try:
            return self._subscription.key(delivery)
        except Exception:  # noqa: BLE001 - logged
            # The handler gets it all the same, and fails on its own terms if the message is bad.
            _log.exception("%s: no key for %s", self._subscription.durable, delivery.message_id)
            return delivery.subject

    def _delay(self, failure: Exception, attempt: int) -> float:
        if isinstance(failure, Retry) and failure.after is not None:
            return failure.after.total_seconds()
        return self._subscription.backoff.delay(attempt, self._chance())

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _keep_alive(self) -> None:
        """Tell the broker about everything in hand, often enough that it gives nothing of it to somebody else."""
        while True:
            await asyncio.sleep(self._subscription.ack_wait.total_seconds() / 3)
            for queue in list(self._queues.values()):
                for item in list(queue):
                    await item.settlement.extend()


def _reason(failure: Exception) -> str:
    if isinstance(failure, Retry | Poison):
        return failure.reason
    return f"{type(failure).__name__}: {failure}"
