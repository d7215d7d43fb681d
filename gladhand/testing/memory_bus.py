"""The bus in memory: consumers, dead letters, latches and timers with the meaning of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from gladhand.bus.deadletters import REDRIVE_STREAM, DeadLetter, redrive_subject, restored
from gladhand.bus.dispatch import Dispatcher
from gladhand.bus.port import (
    AlreadyTaken,
    BusUnavailable,
    Delivery,
    Lag,
    Published,
    StreamFull,
    Subscription,
)
from gladhand.bus.subjects import matches
from gladhand.bus.timers import DUE_HEADER, due_subject, timer_subject
from gladhand.clock import Clock
from gladhand.log.port import StoredMessage
from gladhand.testing.clock import VirtualClock
from gladhand.testing.memory import MemoryBroker, MemoryStream
from gladhand.testing.memory_buckets import MemoryBucket, MemoryDocuments

_ATTEMPTS = 3


@dataclass(slots=True)
class _Durable:
    """What the broker remembers about one consumer, across its stops and starts."""

    position: int = 0
    attempts: dict[int, int] = field(default_factory=dict)
    """Deliveries so far of every message that is not acknowledged, by sequence."""
    again: list[int] = field(default_factory=list)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Shared:
    """What all buses on one broker share."""

    durables: dict[tuple[str, str], _Durable] = field(default_factory=dict)
    buckets: dict[str, MemoryBucket] = field(default_factory=dict)
    documents: dict[str, MemoryDocuments] = field(default_factory=dict)
    timers: dict[tuple[str, str], tuple[datetime, bytes, int]] = field(default_factory=dict)


_SHARED: WeakKeyDictionary[MemoryBroker, _Shared] = WeakKeyDictionary()


class MemoryBus:
    """`Bus` in memory. Buses on one broker see each other, and a store on it shares its streams."""

    def __init__(self, broker: MemoryBroker | None = None, clock: Clock | None = None) -> None:
        self.broker = broker or MemoryBroker(clock)
        self._clock = clock or self.broker.clock
        self._shared = _SHARED.setdefault(self.broker, _Shared())
        self._timers = MemoryTimers(self, self._clock, self._shared.timers)

    @property
    def timers(self) -> MemoryTimers:
        """Durable timers; see `Bus.timers`."""
        return self._timers

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> Published:
        """Store a message; see `Bus.publish`."""
        await asyncio.sleep(0)
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self.broker.put(subject, payload, headers or {}, message_id)
            except BusUnavailable:
                if not left:
                    raise
        raise BusUnavailable("no attempt allowed")

    async def claim(self, subject: str, payload: bytes, *, message_id: str) -> Published:
        """Close a latch; see `Bus.claim`."""
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
        """Return the message that holds a latch; see `Bus.claimed`."""
        await asyncio.sleep(0)
        message = self.broker.stream("EFFECTS").last_on(subject)
        return _delivery("EFFECTS", message, 1) if message else None

    async def remove(self, stream: str, sequence: int) -> bool:
        """Delete one message; see `Bus.remove`."""
        await asyncio.sleep(0)
        return self.broker.stream(stream).remove(sequence)

    async def subscribe(self, subscription: Subscription) -> MemoryConsumer:
        """Start a durable consumer; see `Bus.subscribe`."""
        await asyncio.sleep(0)
        sources = []
        for stream in (subscription.stream, REDRIVE_STREAM):
            source = self.broker.stream(stream)
            key = (stream, subscription.durable)
            if key not in self._shared.durables:
                begin = source.last_sequence if subscription.from_now and stream == subscription.stream else 0
                self._shared.durables[key] = _Durable(position=begin)
            filters = (redrive_subject(subscription.durable),) if stream == REDRIVE_STREAM else subscription.filters
            sources.append(_Source(source, self._shared.durables[key], tuple(filters)))
        consumer = MemoryConsumer(self, subscription, sources, self._clock)
        consumer.start()
        return consumer

    async def key_value(self, bucket: str) -> MemoryBucket:
        """Return a bucket; see `Bus.key_value`."""
        return self._shared.buckets.setdefault(bucket, MemoryBucket(bucket))

    async def objects(self, bucket: str) -> MemoryDocuments:
        """Return an object store; see `Bus.objects`."""
        return self._shared.documents.setdefault(bucket, MemoryDocuments())


class MemoryConsumer:
    """A running subscription on the memory broker."""

    def __init__(self, bus: MemoryBus, subscription: Subscription, sources: list[_Source], clock: Clock) -> None:
        self._bus = bus
        self._subscription = subscription
        self._sources = sources
        self._dispatchers = [Dispatcher(subscription, clock, park=self._park, settled=_nothing) for _ in sources]
        self._pumps: list[asyncio.Task[None]] = []

    @property
    def durable(self) -> str:
        """The name of the consumer."""
        return self._subscription.durable

    def start(self) -> None:
        """Begin; what the last run left unacknowledged comes first."""
        for source, dispatcher in zip(self._sources, self._dispatchers, strict=True):
            source.durable.again = sorted(source.durable.attempts)
            self._pumps.append(asyncio.create_task(self._pump(source, dispatcher)))

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """Stop, let running handlers finish within `grace`, hand the rest back. Safe to call twice."""
        for dispatcher in self._dispatchers:
            dispatcher.close()
        pumps, self._pumps = self._pumps, []
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        if pumps:
            await asyncio.gather(*(dispatcher.stop(grace) for dispatcher in self._dispatchers))

    async def lag(self) -> Lag:
        """Return how far the consumer is behind."""
        waiting = sum(len(source.fresh()) for source in self._sources)
        in_flight = sum(len(source.durable.attempts) for source in self._sources)
        first = self._sources[0].durable
        floor = min(first.attempts) - 1 if first.attempts else first.position
        return Lag(waiting, in_flight, floor)

    async def _pump(self, source: _Source, dispatcher: Dispatcher) -> None:
        while True:
            source.durable.woken.clear()
            grown = source.stream.grown
            for message, attempt in source.take():
                delivery = restored(_delivery(source.stream.spec.name, message, attempt))
                dispatcher.accept(delivery, _Answer(source, message.sequence))
            waits = [asyncio.create_task(event.wait()) for event in (grown, source.durable.woken)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _park(self, letter: DeadLetter) -> None:
        await self._bus.publish(letter.dead_subject, letter.encode(), message_id=letter.dedupe_id)


@dataclass(slots=True)
class _Source:
    """One stream as one durable consumer reads it."""

    stream: MemoryStream
    durable: _Durable
    filters: tuple[str, ...]

    def fresh(self) -> list[StoredMessage]:
        """Return what matches and was never delivered."""
        return [
            message
            for message in self.stream.messages.values()
            if message.sequence > self.durable.position
            and (not self.filters or any(matches(wanted, message.subject) for wanted in self.filters))
        ]

    def take(self) -> list[tuple[StoredMessage, int]]:
        """Return what is to be delivered now, each with the number of its attempt."""
        again = [self.stream.messages[sequence] for sequence in self.durable.again if sequence in self.stream.messages]
        self.durable.again = []
        found = again + self.fresh()
        self.durable.position = self.stream.last_sequence
        for message in found:
            self.durable.attempts[message.sequence] = self.durable.attempts.get(message.sequence, 0) + 1
        return [(message, self.durable.attempts[message.sequence]) for message in found]


@dataclass(frozen=True, slots=True)
class _Answer:
    """Answers one delivery to the memory broker."""

    source: _Source
    sequence: int

    async def ack(self) -> None:
        self.source.durable.attempts.pop(self.sequence, None)
        if self.source.stream.spec.retention == "workqueue":
            self.source.stream.remove(self.sequence)

    async def nak(self, delay_s: float) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._again)

    async def extend(self) -> None:
        """Nothing takes a message away here."""

    async def term(self, reason: str) -> None:  # noqa: ARG002 - the real server puts it into an advisory
        await self.ack()

    def _again(self) -> None:
        if self.sequence in self.source.durable.attempts:
            self.source.durable.again.append(self.sequence)
            self.source.durable.woken.set()


class MemoryTimers:
    """`Timers` in memory: a virtual clock fires them as it moves, any other clock in real time."""

    def __init__(
        self, bus: MemoryBus, clock: Clock, timers: dict[tuple[str, str], tuple[datetime, bytes, int]]
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._timers = timers
        self._set = 0
        if isinstance(clock, VirtualClock):
            clock.on_advance(self._fire)

    async def set(self, kind: str, key: str, due: datetime, payload: bytes = b"") -> None:
        """Set or move a timer; see `Timers.set`."""
        await asyncio.sleep(0)
        timer_subject(kind, key)
        if self._bus.broker.outage:
            raise BusUnavailable("the broker does not answer")
        self._set += 1
        self._timers[kind, key] = (due, payload, self._set)
        self._arm(due)

    async def cancel(self, kind: str, key: str) -> None:
        """Cancel a timer; see `Timers.cancel`."""
        await asyncio.sleep(0)
        timer_subject(kind, key)
        self._timers.pop((kind, key), None)

    def forget(self, kind: str) -> None:
        """Lose every timer of a kind, as a broker may that was restored from an old copy."""
        for key in [key for key in self._timers if key[0] == kind]:
            del self._timers[key]

    async def realign(self) -> int:
        """Set every pending timer anew; see `Timers.realign`."""
        await asyncio.sleep(0)
        for due, _, _ in list(self._timers.values()):
            self._arm(due)
        return len(self._timers)

    def _arm(self, due: datetime) -> None:
        wait = (due - self._clock.now()).total_seconds()
        if wait <= 0:
            asyncio.get_running_loop().call_soon(self._fire)
        elif not isinstance(self._clock, VirtualClock):
            asyncio.get_running_loop().call_later(wait, self._fire)

    def _fire(self) -> None:
        now = self._clock.now()
        ripe = sorted((due, kind, key) for (kind, key), (due, _, _) in self._timers.items() if due <= now)
        for due, kind, key in ripe:
            _, payload, number = self._timers.pop((kind, key))
            headers = {DUE_HEADER: due.isoformat()}
            self._bus.broker.put(due_subject(kind, key), payload, headers, f"due/{id(self)}/{number}")


async def _nothing() -> None:
    """The memory broker has no window to make room in."""


def _delivery(stream: str, message: StoredMessage, attempt: int) -> Delivery:
    return Delivery(
        message.subject, message.payload, message.headers, stream, message.sequence, message.stored_time, attempt
    )
