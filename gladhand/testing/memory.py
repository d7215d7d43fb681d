"""A broker in memory with the meaning of JetStream, and the event store on it. Both pass the real one's suites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from gladhand.bus.port import BusUnavailable, Published, StreamFull, StreamMissing
from gladhand.bus.streams import StreamSpec, standard_streams
from gladhand.bus.subjects import matches
from gladhand.clock import Clock
from gladhand.envelope import EnvelopeType
from gladhand.log.port import Appended, Conflict, EventTooLarge, LogFull, Recorded, StoredMessage, Unavailable
from gladhand.testing.clock import VirtualClock

E = TypeVar("E", bound=Message)

_MAX_PAYLOAD = 1 << 20


class WrongLast(Exception):
    """The expected last sequence is not the last one."""

    def __init__(self, found: int) -> None:
        super().__init__(f"wrong last sequence: {found}")
        self.found = found


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be the newest sequence on a subject filter for a message to be stored."""

    subjects: str
    sequence: int


@dataclass(slots=True)
class MemoryStream:
    """One stream of the broker."""

    spec: StreamSpec
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    last_sequence: int = 0
    known_ids: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    size: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    histories: dict[str, list[int]] = field(default_factory=dict)

    def add(self, message: StoredMessage) -> None:
        """Store a message at its sequence."""
        self.messages[message.sequence] = message
        self.last_sequence = message.sequence
        self.size += len(message.payload)
        self.histories.setdefault(_history(message.subject), []).append(message.sequence)

    def on(self, subjects: str) -> list[StoredMessage]:
        """Return the messages that match a filter, oldest first. Quick for one aggregate's history."""
        if _history(subjects) == subjects:
            return [self.messages[sequence] for sequence in self.histories.get(subjects, ())]
        return [message for message in self.messages.values() if matches(subjects, message.subject)]

    def last_on(self, subjects: str) -> StoredMessage | None:
        """Return the newest message that matches a filter."""
        found = self.on(subjects)
        return found[-1] if found else None

    def remove(self, sequence: int) -> bool:
        """Take a message away; return whether it was there."""
        message = self.messages.pop(sequence, None)
        if message is None:
            return False
        self.size -= len(message.payload)
        self.histories[_history(message.subject)].remove(sequence)
        return True

    def announce(self) -> None:
        """Wake everybody who waits for new messages."""
        self.grown.set()
        self.grown = asyncio.Event()


def _history(subject: str) -> str:
    """The filter of the history that a subject belongs to: the whole aggregate for an event, else the subject alone."""
    parts = subject.split(".")
    return f"{parts[0]}.{parts[1]}.*.{parts[3]}.>" if len(parts) == 5 else subject


class MemoryBroker:
    """Streams, latches, dedupe and expectations in memory.

    `cluster` True judges a message id before the expectation, as a cluster does, else after it, as a lone server.
    `lose_answers` carries out so many of the next requests and loses their answers; `outage` answers none at all.
    """

    def __init__(
        self, clock: Clock | None = None, specs: Sequence[StreamSpec] | None = None, *, cluster: bool = False
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.cluster = cluster
        self.lose_answers = 0
        self.outage = False
        self.streams = {spec.name: MemoryStream(spec) for spec in (standard_streams() if specs is None else specs)}

    def stream(self, name: str) -> MemoryStream:
        """Return a stream by name. Raises StreamMissing."""
        if name not in self.streams:
            raise StreamMissing(f"no stream {name}")
        return self.streams[name]

    def stream_for(self, subject: str) -> MemoryStream:
        """Return the stream that takes a subject. Raises BusUnavailable, as nobody answers on a subject without one."""
        for stream in self.streams.values():
            if any(matches(taken, subject) for taken in stream.spec.subjects):
                return stream
        raise BusUnavailable(f"no stream takes {subject}")

    def put(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str],
        message_id: str,
        expectation: Expectation | None = None,
    ) -> Published:
        """Store a message or refuse it. Raises WrongLast, StreamFull, BusUnavailable."""
        if self.outage:
            raise BusUnavailable("the broker does not answer")
        stream = self.stream_for(subject)
        published = self._duplicate(stream, message_id) if self.cluster else None
        if published is None and expectation is not None:
            newest = stream.last_on(expectation.subjects)
            found = newest.sequence if newest else 0
            if found != expectation.sequence:
                raise WrongLast(found)
        published = published or self._duplicate(stream, message_id)
        published = published or self._store(stream, subject, payload, {**headers, "Nats-Msg-Id": message_id})
        if self.lose_answers:
            self.lose_answers -= 1
            raise BusUnavailable("the answer was lost")
        return published

    def _duplicate(self, stream: MemoryStream, message_id: str) -> Published | None:
        known = stream.known_ids.get(message_id)
        if known is None or self.clock.now() - known[1] > stream.spec.duplicate_window:
            return None
        return Published(stream.spec.name, known[0], duplicate=True)

    def _store(self, stream: MemoryStream, subject: str, payload: bytes, headers: dict[str, str]) -> Published:
        spec = stream.spec
        if spec.once_per_subject and stream.last_on(subject) is not None:
            raise StreamFull(f"{subject}: maximum messages per subject exceeded")
        while spec.max_bytes and stream.size + len(payload) > spec.max_bytes:
            if spec.discard == "new" or not stream.messages:
                raise StreamFull(f"{spec.name}: maximum bytes exceeded")
            stream.remove(next(iter(stream.messages)))
        now = self.clock.now()
        stream.add(StoredMessage(subject, stream.last_sequence + 1, payload, headers, now))
        stream.known_ids[headers["Nats-Msg-Id"]] = (stream.last_sequence, now)
        stream.announce()
        return Published(spec.name, stream.last_sequence, duplicate=False)


class MemoryEventStore:
    """`EventStore` in memory. Stores sharing a broker see each other's events, and so do the broker's subscribers."""

    def __init__(self, broker: MemoryBroker | None = None, *, source: str = "test", attempts: int = 3) -> None:
        self.broker = broker or MemoryBroker()
        self._source = source
        self._attempts = attempts

    async def append(self, kind: EnvelopeType[E], event: E, *, expected: int) -> Appended:
        """Store a stamped event; see `EventStore.append`."""
        await asyncio.sleep(0)
        subject, payload = kind.subject(event), kind.encode(event)
        if len(payload) > _MAX_PAYLOAD:
            raise EventTooLarge(f"{subject}: the event has {len(payload)} bytes, more than NATS takes")
        aggregate = kind.history_subjects(kind.aggregate_id(event))
        headers = kind.headers(event, self._source)
        event_id = headers["ce-id"]
        for left in reversed(range(self._attempts)):
            try:
                stored = self.broker.put(subject, payload, headers, event_id, Expectation(aggregate, expected))
            except WrongLast:
                return self._settle(kind, aggregate, expected, event_id)
            except StreamFull as full:
                raise LogFull(str(full)) from full
            except BusUnavailable as error:
                if not left:
                    raise Unavailable(f"no clear answer to the append of {event_id}: {error}") from error
                continue
            if stored.duplicate:
                return self._settle(kind, aggregate, expected, event_id)
            return Appended(stored.sequence, repeated=False)
        raise Unavailable("no attempt allowed")

    async def read(self, kind: EnvelopeType[E], aggregate_id: str, *, after: int = 0) -> Sequence[Recorded[E]]:
        """Return an aggregate's events above `after`; see `EventStore.read`."""
        await asyncio.sleep(0)
        subjects = kind.history_subjects(aggregate_id)
        return [
            Recorded(kind.decode(message.payload), message.sequence)
            for message in self._stream(kind.stream).on(subjects)
            if message.sequence > after
        ]

    async def last(self, kind: EnvelopeType[E], aggregate_id: str) -> Recorded[E] | None:
        """Return an aggregate's newest event, or None where it has none."""
        await asyncio.sleep(0)
        newest = self._stream(kind.stream).last_on(kind.history_subjects(aggregate_id))
        return Recorded(kind.decode(newest.payload), newest.sequence) if newest else None

    async def last_sequence(self, stream: str) -> int:
        """Return the sequence of the newest message of a stream, 0 where it is empty."""
        await asyncio.sleep(0)
        return self._stream(stream).last_sequence

    async def read_all(
        self, stream: str, *, start: int = 1, filters: Sequence[str] = (), follow: bool = False
    ) -> AsyncGenerator[StoredMessage]:
        """Iterate a stream's messages; see `EventStore.read_all`."""
        source = self._stream(stream)
        position, last = start, source.last_sequence
        while follow or position <= last:
            grown = source.grown
            for message in list(source.messages.values()):
                if message.sequence < position or (not follow and message.sequence > last):
                    continue
                position = message.sequence + 1
                if not filters or any(matches(wanted, message.subject) for wanted in filters):
                    yield message
            if not follow:
                return
            await grown.wait()

    def _stream(self, name: str) -> MemoryStream:
        if self.broker.outage:
            raise Unavailable("the broker does not answer")
        return self.broker.stream(name)

    def _settle(self, kind: EnvelopeType[E], aggregate: str, expected: int, event_id: str) -> Appended:
        newest = self._stream(kind.stream).last_on(aggregate)
        if newest is not None and cast("Any", kind.decode(newest.payload)).event_id == event_id:
            return Appended(newest.sequence, repeated=True)
        raise Conflict(aggregate, expected, newest.sequence if newest else 0)
