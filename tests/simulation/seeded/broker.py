"""The model broker: JetStream as it was measured, with what goes wrong drawn from the seed.

`MemoryBroker` holds streams, latches, dedupe window and the order of expectation and dedupe. Here come the wires to
it (answers that get lost, spans without any answer), consumers (redelivery in any order, acknowledgements lost on the
way or by a crash of the broker within half a second) and timers (late, never early).
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gladhand.bus.deadletters import REDRIVE_STREAM, DeadLetter, redrive_subject, restored
from gladhand.bus.dispatch import Dispatcher
from gladhand.bus.port import AlreadyTaken, BusUnavailable, Delivery, Lag, Published, StreamFull, Subscription
from gladhand.bus.subjects import matches
from gladhand.bus.timers import DUE_HEADER, due_subject
from gladhand.log.port import StoredMessage
from gladhand.testing import MemoryBroker, MemoryEventStore
from gladhand.testing.memory import Expectation, MemoryStream
from tests.simulation.seeded.scheduler import LIFE, Life, Scheduler

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
_OUTSIDE = contextvars.Context()
"""What the broker does by itself belongs to no life of the orchestrator."""


class SkewedClock:
    """A clock that runs with the scheduler, some seconds off."""

    def __init__(self, scheduler: Scheduler, skew_s: float = 0.0) -> None:
        self._scheduler = scheduler
        self._skew_s = skew_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self._scheduler.time() + self._skew_s)

    def monotonic(self) -> float:
        return self._scheduler.time()


@dataclass(slots=True)
class Chaos:
    """What may go wrong now, and what has gone wrong so far."""

    dice: random.Random
    share: float = 0.0
    """How many requests lose their answer, deliveries come twice, acknowledgements vanish."""
    injected: Counter[str] = field(default_factory=Counter)

    def strikes(self, what: str, weight: float = 1.0) -> bool:
        """Return whether it goes wrong this time."""
        if self.share and self.dice.random() < self.share * weight:
            self.injected[what] += 1
            return True
        return False

    async def travel(self) -> None:
        """Let a message take its time on the wire: mostly next to none, now and then seconds."""
        if self.strikes("delay"):
            await asyncio.sleep(self.dice.random() * 4)
        else:
            await asyncio.sleep(0)


@dataclass(slots=True)
class _Durable:
    source: MemoryStream
    filters: tuple[str, ...]
    ack_wait: float
    position: int = 0
    again: list[int] = field(default_factory=list)
    attempts: dict[int, int] = field(default_factory=dict)
    acks: list[tuple[float, int, int]] = field(default_factory=list)
    attached: list[SeededConsumer] = field(default_factory=list)


class SeededBroker(MemoryBroker):
    """The broker itself. `on_stored` is told of every message after it was stored."""

    def __init__(self, scheduler: Scheduler, chaos: Chaos, *, cluster: bool) -> None:
        super().__init__(SkewedClock(scheduler), cluster=cluster)
        self.scheduler = scheduler
        self.chaos = chaos
        self.durables: dict[tuple[str, str], _Durable] = {}
        self.timers: dict[tuple[str, str], tuple[datetime, bytes, int]] = {}
        self.on_stored: Callable[[str, StoredMessage], None] = lambda _stream, _message: None
        self._takers: dict[str, MemoryStream] = {}
        self._set = 0

    def stream_for(self, subject: str) -> MemoryStream:
        root = subject.split(".", 2)[1]
        if root not in self._takers:
            self._takers[root] = super().stream_for(subject)
        return self._takers[root]

    def _store(self, stream: MemoryStream, subject: str, payload: bytes, headers: dict[str, str]) -> Published:
        published = super()._store(stream, subject, payload, headers)
        self.on_stored(stream.spec.name, stream.messages[published.sequence])
        for (name, _), durable in self.durables.items():
            if name == stream.spec.name:
                self.scheduler.call_soon(self._offer, durable, context=_OUTSIDE)
        return published

    def attach(self, consumer: SeededConsumer, name: str, filters: tuple[str, ...]) -> None:
        """Let a consumer take from its durable."""
        key = (name, consumer.durable)
        if key not in self.durables:
            wait = consumer.subscription.ack_wait.total_seconds()
            self.durables[key] = _Durable(self.stream(name), filters, wait)
        durable = self.durables[key]
        durable.attached.append(consumer)
        self._offer(durable)

    def _offer(self, durable: _Durable) -> None:
        durable.attached = [each for each in durable.attached if not each.life.dead]
        if not durable.attached or self.outage:
            return
        last = durable.source.last_sequence
        while durable.position < last:
            durable.position += 1
            message = durable.source.messages.get(durable.position)
            if message is not None and any(matches(wanted, message.subject) for wanted in durable.filters):
                self._deliver(durable, message)
        self.chaos.dice.shuffle(durable.again)
        again, durable.again = durable.again, []
        for sequence in again:
            message = durable.source.messages.get(sequence)
            if message is not None and sequence in durable.attempts:
                self._deliver(durable, message)

    def _deliver(self, durable: _Durable, message: StoredMessage) -> None:
        attempt = durable.attempts[message.sequence] = durable.attempts.get(message.sequence, 0) + 1
        taker = durable.attached[int(self.chaos.dice.random() * len(durable.attached))]
        delay = self.chaos.dice.random() * 3 if self.chaos.strikes("reordered delivery") else 0.0
        for _ in range(2 if self.chaos.strikes("duplicate delivery") else 1):
            self.scheduler.call_later(delay, taker.receive, durable, message, attempt, context=_OUTSIDE)
        self.watch(durable, message.sequence, attempt)

    def watch(self, durable: _Durable, sequence: int, attempt: int) -> None:
        """Give a message to somebody else where nobody answers for it in time."""
        end = self.scheduler.time() + durable.ack_wait
        self.scheduler.call_at(end, self._expire, durable, sequence, attempt, context=_OUTSIDE)

    def _expire(self, durable: _Durable, sequence: int, attempt: int) -> None:
        if durable.attempts.get(sequence) == attempt:
            self.hand_back(durable, sequence)

    def hand_back(self, durable: _Durable, sequence: int) -> None:
        """Deliver a message again."""
        if sequence in durable.attempts and sequence not in durable.again:
            durable.again.append(sequence)
            self._offer(durable)

    def crash(self) -> None:
        """Start anew: the acknowledgements of the last half second were never written down."""
        since = self.scheduler.time() - 0.5
        for durable in self.durables.values():
            for moment, sequence, attempt in durable.acks:
                if moment >= since and sequence not in durable.attempts:
                    durable.attempts[sequence] = attempt
                    durable.again.append(sequence)
                    self.chaos.injected["acknowledgement forgotten by the broker"] += 1
            durable.acks.clear()

    def heal(self) -> None:
        """Answer again, and hand out what waits."""
        self.outage = False
        for durable in self.durables.values():
            self._offer(durable)
        for stream in self.streams.values():
            stream.announce()

    def set_timer(self, kind: str, key: str, due: datetime, payload: bytes) -> None:
        """Set or move a timer. It fires late by what the seed says, never early."""
        self._set += 1
        self.timers[kind, key] = (due, payload, self._set)
        late = self.chaos.dice.random() * (20 if self.chaos.strikes("late timer", 4) else 0.25)
        when = max(self.scheduler.time(), (due - START).total_seconds()) + late
        self.scheduler.call_at(when, self._fire, kind, key, self._set, context=_OUTSIDE)

    def _fire(self, kind: str, key: str, number: int) -> None:
        due, payload, current = self.timers.get((kind, key), (START, b"", 0))
        if current != number:
            return
        if self.outage:
            self.scheduler.call_later(1.0, self._fire, kind, key, number, context=_OUTSIDE)
            return
        del self.timers[kind, key]
        self.put(due_subject(kind, key), payload, {DUE_HEADER: due.isoformat()}, f"due/{number}")


class Wire:
    """One process's connection to the broker; stands in for it in `MemoryEventStore`."""

    def __init__(self, broker: SeededBroker) -> None:
        self._broker = broker
        self.clock = broker.clock

    @property
    def outage(self) -> bool:
        return self._broker.outage

    def stream(self, name: str) -> MemoryStream:
        return self._broker.stream(name)

    def put(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str],
        message_id: str,
        expectation: Expectation | None = None,
    ) -> Published:
        if self._broker.chaos.strikes("request lost"):
            raise BusUnavailable("the request was lost")
        published = self._broker.put(subject, payload, headers, message_id, expectation)
        if self._broker.chaos.strikes("answer lost", 2):
            raise BusUnavailable("the answer was lost")
        return published


class SeededStore(MemoryEventStore):
    """The event store over a wire."""

    def __init__(self, broker: SeededBroker) -> None:
        super().__init__(Wire(broker), attempts=2)  # type: ignore[arg-type]
        self._chaos = broker.chaos

    async def append(self, kind: Any, event: Any, *, expected: int) -> Any:
        await self._chaos.travel()
        appended = await super().append(kind, event, expected=expected)
        await asyncio.sleep(0)
        return appended

    async def read_all(
        self, stream: str, *, start: int = 1, filters: Sequence[str] = (), follow: bool = False
    ) -> AsyncGenerator[StoredMessage]:
        source = self._stream(stream)
        position, last = start, source.last_sequence
        while follow or position <= last:
            grown = source.grown
            while position <= (source.last_sequence if follow else last):
                message = source.messages.get(position)
                position += 1
                if message is not None and (not filters or any(matches(each, message.subject) for each in filters)):
                    yield message
            if follow:
                await grown.wait()


class SeededBus:
    """`Bus` over a wire."""

    def __init__(self, broker: SeededBroker, clock: SkewedClock) -> None:
        self.broker = broker
        self._wire = Wire(broker)
        self._clock = clock

    @property
    def timers(self) -> SeededBus:
        return self

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> Published:
        await self.broker.chaos.travel()
        for left in (1, 0):
            try:
                return self._wire.put(subject, payload, headers or {}, message_id)
            except BusUnavailable:
                if not left:
                    raise
        raise AssertionError("not reached")

    async def claim(self, subject: str, payload: bytes, *, message_id: str) -> Published:
        try:
            return await self.publish(subject, payload, message_id=message_id)
        except StreamFull:
            holder = await self.claimed(subject)
            if holder is None:
                raise
            if holder.message_id != message_id:
                raise AlreadyTaken(f"{subject} is taken by {holder.message_id}") from None
            return Published(holder.stream, holder.sequence, duplicate=True)

    async def claimed(self, subject: str) -> Delivery | None:
        await self.broker.chaos.travel()
        message = self.broker.stream("EFFECTS").last_on(subject)
        return _delivery("EFFECTS", message, 1) if message else None

    async def remove(self, stream: str, sequence: int) -> bool:
        await asyncio.sleep(0)
        return self.broker.stream(stream).remove(sequence)

    async def set(self, kind: str, key: str, due: datetime, payload: bytes = b"") -> None:
        await self.broker.chaos.travel()
        if self.broker.outage or self.broker.chaos.strikes("request lost"):
            raise BusUnavailable("the broker does not answer")
        self.broker.set_timer(kind, key, due, payload)

    async def cancel(self, kind: str, key: str) -> None:
        await asyncio.sleep(0)
        self.broker.timers.pop((kind, key), None)

    async def realign(self) -> int:
        return len(self.broker.timers)

    async def subscribe(self, subscription: Subscription) -> SeededConsumer:
        await asyncio.sleep(0)
        life = LIFE.get()
        assert life is not None
        consumer = SeededConsumer(self, subscription, self._clock, life)
        self.broker.attach(consumer, subscription.stream, tuple(subscription.filters) or (">",))
        self.broker.attach(consumer, REDRIVE_STREAM, (redrive_subject(subscription.durable),))
        return consumer

    async def key_value(self, bucket: str) -> Any:
        raise NotImplementedError(bucket)

    async def objects(self, bucket: str) -> Any:
        raise NotImplementedError(bucket)


class SeededConsumer:
    """A running subscription with the product's own dispatcher."""

    def __init__(self, bus: SeededBus, subscription: Subscription, clock: SkewedClock, life: Life) -> None:
        self._bus = bus
        self.subscription = subscription
        self.life = life
        self._context = contextvars.copy_context()
        self._dispatcher = Dispatcher(subscription, clock, park=self._park, settled=_nothing)

    @property
    def durable(self) -> str:
        return self.subscription.durable

    def receive(self, durable: _Durable, message: StoredMessage, attempt: int) -> None:
        """Take a delivery, in the life of this process."""
        if not self.life.dead and not self._bus.broker.outage:
            delivery = restored(_delivery(durable.source.spec.name, message, attempt))
            answer = _Answer(self, self._bus.broker, durable, message.sequence, attempt)
            self._context.copy().run(self._dispatcher.accept, delivery, answer)

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        await self._dispatcher.stop(grace)

    async def lag(self) -> Lag:
        durable = self._bus.broker.durables[self.subscription.stream, self.durable]
        return Lag(durable.source.last_sequence - durable.position, len(durable.attempts), durable.position)

    async def _park(self, letter: DeadLetter) -> None:
        await self._bus.publish(letter.dead_subject, letter.encode(), message_id=letter.dedupe_id)


@dataclass(frozen=True, slots=True)
class _Answer:
    consumer: SeededConsumer
    broker: SeededBroker
    durable: _Durable
    sequence: int
    attempt: int

    async def ack(self) -> None:
        if self.broker.outage or self.broker.chaos.strikes("acknowledgement lost"):
            return
        if self.durable.attempts.pop(self.sequence, None) is not None:
            self.durable.acks.append((self.broker.scheduler.time(), self.sequence, self.attempt))
            del self.durable.acks[:-64]

    async def nak(self, delay_s: float) -> None:
        self.broker.scheduler.call_later(delay_s, self.broker.hand_back, self.durable, self.sequence, context=_OUTSIDE)

    async def extend(self) -> None:
        """The watch of the broker asks again; a live handler is given the message a second time, which it bears."""

    async def term(self, reason: str) -> None:
        self.durable.attempts.pop(self.sequence, None)


async def _nothing() -> None:
    """There is no window to make room in."""


def _delivery(stream: str, message: StoredMessage, attempt: int) -> Delivery:
    return Delivery(
        message.subject, message.payload, message.headers, stream, message.sequence, message.stored_time, attempt
    )
