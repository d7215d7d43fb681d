"""The bus as services see it. `bus.jetstream` is the real one, `testing.memory` the quick one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gladhand import errors


class BusUnavailable(errors.Unavailable):
    """No clear answer within the limit: the message may or may not be stored, once. Repeating it is safe."""


class StreamFull(errors.ResourceFull):
    """The stream is at its limit and refuses the message; nothing was stored."""


class StreamMissing(errors.StartRefused):
    """The stream does not exist, or stands with properties that cannot be changed in place."""


class AlreadyTaken(errors.AlreadyExists):
    """The latch is closed, the key has a value or its revision moved on; nothing was stored."""


class Damaged(errors.Internal):
    """A stored object does not match its own hash."""


class Retry(Exception):
    """A handler asks for another attempt, after `after` or the consumer's own backoff. Counts as an attempt."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Poison(Exception):
    """A handler says that no attempt can succeed: the message goes to the dead letters at once, with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message handed to a handler. A redriven message looks as it did the first time."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    stream: str
    sequence: int
    """Position in `stream`, from 1."""
    stored_time: datetime
    attempt: int = 1
    """1 on the first attempt, counted across restarts."""
    redrives: int = 0
    """How often an operator has sent it again from the dead letters."""

    @property
    def message_id(self) -> str:
        """The message id given by the publisher (for an event its event id), else `<stream>/<sequence>`."""
        return self.headers.get("Nats-Msg-Id") or f"{self.stream}/{self.sequence}"


Handler = Callable[[Delivery], Awaitable[None]]


def aggregate_key(delivery: Delivery) -> str:
    """Return the aggregate of an event's subject, so that its events are handled in order; else the whole subject."""
    parts = delivery.subject.split(".")
    return ".".join((parts[1], parts[3])) if len(parts) == 5 else delivery.subject


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before another attempt: exponential, bounded, spread by jitter. Seconds."""

    first: float = 0.25
    factor: float = 2.0
    longest: float = 30.0
    jitter: float = 0.2
    """Share of the delay by which it may be shorter, 0 to 1."""

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after attempt number `attempt`; `chance` is a random number in [0, 1)."""
        exact = min(self.longest, self.first * self.factor ** min(attempt - 1, 32))
        return exact * (1.0 - self.jitter * chance)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A durable consumer and the handler behind it.

    Messages with the same key are handled one after the other, in stream order, a retried one holding up those behind
    it; different keys run in parallel. What a stop or a crash left unacknowledged comes again, and then perhaps behind
    newer messages of its key; likewise where replicas share a consumer. Delivery is at least once: a handler must be
    idempotent by business key. After `max_deliver` attempts, or at once on Poison, a message becomes a dead letter.
    """

    stream: str
    durable: str
    """Name of the consumer: letters, digits, '_' and '-'. Shared by all replicas of a service."""
    handler: Handler
    filters: Sequence[str] = ()
    """Subject filters; empty means the whole stream."""
    concurrency: int = 16
    """Handlers that run at once."""
    key: Callable[[Delivery], str] = aggregate_key
    max_deliver: int = 6
    backoff: Backoff = field(default_factory=Backoff)
    ack_wait: timedelta = timedelta(seconds=30)
    """After this long without a sign of life the server gives the message to somebody else. Long handlers are safe."""
    from_now: bool = False
    """Whether a consumer that is new begins with the next message instead of the first one stored."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a consumer is behind."""

    waiting: int
    """Messages that match and were never delivered."""
    in_flight: int
    """Messages delivered and not acknowledged yet."""
    acknowledged: int
    """Stream sequence up to which everything is acknowledged."""


class Consumer(Protocol):
    """A running subscription."""

    @property
    def durable(self) -> str:
        """The name of the consumer."""
        ...

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """Stop fetching, let running handlers finish within `grace`, hand the rest back. Safe to call twice."""
        ...

    async def lag(self) -> Lag:
        """Return how far the consumer is behind."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """A stored message. `duplicate` means that the server knew its message id already and stored nothing more."""

    stream: str
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a bucket and the revision to update it by."""

    key: str
    value: bytes
    revision: int
    deleted: bool = False
    """Only ever true in `KeyValue.watch`."""


class KeyValue(Protocol):
    """A bucket of small values with revisions. Keys are letters, digits, and any of '-_/=.'."""

    async def get(self, key: str) -> Entry | None:
        """Return the newest value, or None where there is none or it was deleted."""
        ...

    async def put(self, key: str, value: bytes) -> int:
        """Store a value whatever was there; return its revision."""
        ...

    async def create(self, key: str, value: bytes) -> int:
        """Store the first value of a key; return its revision. Raises AlreadyTaken where the key has a value."""
        ...

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Replace the value that has `revision`; return the new revision. Raises AlreadyTaken where it moved on."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key; nothing happens where there is none."""
        ...

    async def keys(self) -> list[str]:
        """Return the keys that have a value, sorted."""
        ...

    def watch(self, key: str = ">") -> AsyncGenerator[Entry | None]:
        """Iterate the values of matching keys, the present ones first, then None once, then every change.

        A deletion comes as an Entry that says so. Never ends; close the iterator when leaving it. Raises
        BusUnavailable, and StreamMissing where the bucket is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the object store knows about an object. `digest` is "SHA-256=" and the URL-safe base64 hash."""

    name: str
    size: int
    digest: str
    headers: Mapping[str, str]


class ObjectStore(Protocol):
    """A bucket of files, up to some megabytes each."""

    async def put(self, name: str, content: bytes, headers: Mapping[str, str] | None = None) -> StoredObject:
        """Store a file, replacing one of the same name. Content of the same name and hash is not stored again."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Return a file's content, or None where there is none. Raises Damaged."""
        ...

    async def stat(self, name: str) -> StoredObject | None:
        """Return what is known about a file without its content, or None where there is none."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that fired; `bus.timers.due_of` reads it from a Delivery."""

    kind: str
    key: str
    due_time: datetime
    payload: bytes


class Timers(Protocol):
    """Durable timers: they survive every crash, never fire early, and fire at least once."""

    async def set(self, kind: str, key: str, due: datetime, payload: bytes = b"") -> None:
        """Set a timer, or move the one of the same kind and key. A time in the past fires at once.

        `kind` and `key` are subject tokens; `due` is mesh time. Raises BadToken, StreamFull, BusUnavailable.
        """
        ...

    async def cancel(self, kind: str, key: str) -> None:
        """Cancel a timer; nothing happens where there is none. One that is firing at this moment may still arrive."""
        ...

    async def realign(self) -> int:
        """Set every pending timer anew for the clock's present offset; return how many. Called after a warp."""
        ...


class Bus(Protocol):
    """Publish and subscribe, buckets and timers over one connection."""

    @property
    def timers(self) -> Timers:
        """Durable timers. Fired ones arrive by a Subscription on TIMERS with filter `logistics.due.<kind>.>`."""
        ...

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> Published:
        """Store a message; the same `message_id` within the dedupe window is stored once.

        Retried on timeouts, which is safe by its id. Raises StreamFull, BusUnavailable.
        """
        ...

    async def claim(self, subject: str, payload: bytes, *, message_id: str) -> Published:
        """Store the one message that a subject of EFFECTS may ever hold.

        Claiming again with the same `message_id` answers `duplicate`; another id raises AlreadyTaken.
        """
        ...

    async def claimed(self, subject: str) -> Delivery | None:
        """Return the message that holds a latch, or None where it is open."""
        ...

    async def remove(self, stream: str, sequence: int) -> bool:
        """Delete one message of a stream that allows it; return whether it was there. Never used on events."""
        ...

    async def subscribe(self, subscription: Subscription) -> Consumer:
        """Create or update the durable consumer and start handling. Raises StreamMissing."""
        ...

    async def key_value(self, bucket: str) -> KeyValue:
        """Return a bucket, created where missing."""
        ...

    async def objects(self, bucket: str) -> ObjectStore:
        """Return an object store, created where missing."""
        ...
