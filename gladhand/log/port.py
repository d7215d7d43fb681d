"""The event store as the runtime sees it. `log.jetstream` is the real one, `testing.memory` the quick one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from google.protobuf.message import Message

from gladhand import errors
from gladhand.envelope import EnvelopeType

E = TypeVar("E", bound=Message)


class Conflict(errors.Conflict):
    """Somebody else appended to the aggregate first; nothing was stored. Read again and decide again.

    `expected` and `sequence` are stream sequences of the aggregate's newest event, as assumed and as found; 0: none.
    """

    def __init__(self, subject: str, expected: int, sequence: int) -> None:
        super().__init__(
            f"{subject} changed meanwhile: its newest event is {sequence}, not {expected}",
            metadata={"subject": subject, "expected": str(expected), "found": str(sequence)},
        )
        self.expected = expected
        self.sequence = sequence


class Unavailable(errors.Unavailable):
    """The store gave no clear answer within its limit: the event may or may not be stored, once.

    Repeating the same request is safe and settles it.
    """


class LogFull(errors.ResourceFull):
    """The stream is at its limit and refuses new events; nothing was stored. An operator must make room."""


class EventTooLarge(errors.InvalidArgument):
    """The event is larger than the store accepts; nothing was stored."""


class NotDurable(errors.StartRefused):
    """The server acknowledges before its data is on disk, so that a power failure would lose acknowledged events."""


@dataclass(frozen=True, slots=True)
class Recorded(Generic[E]):
    """One stored event of an aggregate."""

    event: E
    sequence: int
    """Position in the stream, from 1; the number that an append expects."""


@dataclass(frozen=True, slots=True)
class Appended:
    """An append that is stored. `repeated` means that an earlier attempt had stored it already."""

    sequence: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a stream as it stands, not decoded: `Envelopes.decode(subject, payload)` does that."""

    subject: str
    sequence: int
    payload: bytes
    headers: Mapping[str, str]
    stored_time: datetime


class EventStore(Protocol):
    """Append-only histories with optimistic concurrency. Every method may raise Unavailable."""

    async def append(self, kind: EnvelopeType[E], event: E, *, expected: int) -> Appended:
        """Store a stamped event, if the aggregate's newest event has stream sequence `expected` (0: has none).

        Appending the same event id with the same expectation again is safe and answers `repeated`. Raises Conflict,
        LogFull, EventTooLarge, Unavailable.
        """
        ...

    async def read(self, kind: EnvelopeType[E], aggregate_id: str, *, after: int = 0) -> Sequence[Recorded[E]]:
        """Return an aggregate's events with a sequence above `after`, oldest first; empty where there are none."""
        ...

    async def last(self, kind: EnvelopeType[E], aggregate_id: str) -> Recorded[E] | None:
        """Return an aggregate's newest event, or None where it has none."""
        ...

    async def last_sequence(self, stream: str) -> int:
        """Return the sequence of the newest message of a stream, 0 where it is empty."""
        ...

    def read_all(
        self, stream: str, *, start: int = 1, filters: Sequence[str] = (), follow: bool = False
    ) -> AsyncGenerator[StoredMessage]:
        """Iterate a stream's messages from sequence `start`, in order.

        Ends at the message that was newest when the iteration began; with `follow` it never ends and waits for more.
        `filters` are subject filters, empty means everything. Raises StreamMissing. Close the iterator (`aclosing`)
        when leaving it early.
        """
        ...
