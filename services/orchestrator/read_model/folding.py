"""Folds the messages of a stream into aggregates, with the deciders that wrote them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.decider import Decider
from gladhand.envelope import Envelopes, EnvelopeType
from gladhand.errors import Internal, Unavailable
from gladhand.log.port import EventStore, StoredMessage
from services.orchestrator.read_model.projection import Folded, Rows, rows_of


class Name(NamedTuple):
    """Which aggregate."""

    aggregate: str
    id: str


class Unprojectable(Internal):
    """An event that this program cannot fold. The projector stops: going on would show a state that never was."""

    def __init__(self, stream: str, sequence: int, cause: BaseException) -> None:
        super().__init__(
            f"the read model stops at {stream} {sequence}: {str(cause) or type(cause).__name__}; nothing behind it is "
            "shown until a program that understands it goes on from there",
            metadata={"stream": stream, "sequence": str(sequence)},
        )
        self.stream = stream
        self.sequence = sequence


class Folding:
    """Keeps the newest aggregates at hand, at most `size`; others are read from the log again when they change.

    What it keeps is what was committed: a batch is folded into a `Batch` of its own and kept only after its commit.
    """

    def __init__(self, store: EventStore, deciders: Mapping[str, Decider[Any, Any, Any]], size: int) -> None:
        self._store = store
        self._deciders = deciders
        self._envelopes = Envelopes(*(decider.envelope for decider in deciders.values()))
        self._kept: OrderedDict[Name, Folded] = OrderedDict()
        self._size = size

    def batch(self, stream: str) -> Batch:
        """Begin a batch of a stream."""
        return Batch(self, stream)

    def keep(self, changed: Mapping[Name, Folded]) -> None:
        """Keep what was committed."""
        for name, folded in changed.items():
            self._kept[name] = folded
            self._kept.move_to_end(name)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Forget everything, since the model begins anew."""
        self._kept.clear()

    def kept(self, name: Name) -> Folded | None:
        """Return an aggregate as it was last kept."""
        return self._kept.get(name)

    def decode(self, message: StoredMessage) -> tuple[EnvelopeType[Any], Any]:
        """Return the event in a message. Raises KeyError on an unknown aggregate, DecodeError on other bytes."""
        kind = self._envelopes.get(message.subject)
        if kind is None:
            raise KeyError(f"no aggregate is known for the subject {message.subject}")
        return kind, kind.decode(message.payload)

    def step(self, kind: EnvelopeType[Any], folded: Folded, event: Message, sequence: int) -> Folded:
        """Return what an event makes of an aggregate. Raises UnknownEvent, and Internal where versions have a gap."""
        fields: Any = event
        if fields.version != folded.version + 1:
            raise Internal(f"version {fields.version} of {kind.aggregate} follows version {folded.version}")
        known = kind.knows(event)
        recorded = _micros(fields.record_time)
        return Folded(
            state=self._deciders[kind.aggregate].evolve(folded.state, event) if known else folded.state,
            version=fields.version,
            sequence=sequence,
            created_us=folded.created_us or recorded,
            updated_us=recorded,
            region=folded.region or fields.region,
        )

    def unborn(self, kind: EnvelopeType[Any]) -> Folded:
        """Return an aggregate before its first event."""
        return Folded(self._deciders[kind.aggregate].initial)

    async def reread(self, kind: EnvelopeType[Any], aggregate_id: str, before: int) -> Folded:
        """Fold an aggregate's history below a sequence from the log. Raises Unavailable and what `step` raises."""
        folded = self.unborn(kind)
        for recorded in await self._store.read(kind, aggregate_id):
            if recorded.sequence >= before:
                break
            folded = self.step(kind, folded, recorded.event, recorded.sequence)
        return folded


class Batch:
    """Messages of one stream, folded but not committed yet."""

    def __init__(self, folding: Folding, stream: str) -> None:
        self._folding = folding
        self._stream = stream
        self.changed: dict[Name, Folded] = {}

    async def add(self, message: StoredMessage) -> None:
        """Fold one message. Raises Unprojectable naming it, and Unavailable where the log does not answer."""
        try:
            await self._add(message)
        except Unavailable:
            raise
        except Exception as error:
            raise Unprojectable(self._stream, message.sequence, error) from error

    async def _add(self, message: StoredMessage) -> None:
        kind, event = self._folding.decode(message)
        name = Name(kind.aggregate, kind.aggregate_id(event))
        folded = self.changed.get(name) or self._folding.kept(name)
        version = cast("int", event.version)
        if folded is None and version == 1:
            folded = self._folding.unborn(kind)
        elif folded is None or folded.version + 1 < version:
            folded = await self._folding.reread(kind, name.id, message.sequence)
        self.changed[name] = self._folding.step(kind, folded, event, message.sequence)

    def rows(self) -> list[Rows]:
        """Return the rows of everything that changed. Raises Unprojectable."""
        rows = []
        for name, folded in self.changed.items():
            try:
                rows.append(rows_of(name.aggregate, name.id, folded))
            except (ValueError, AttributeError, TypeError) as error:
                raise Unprojectable(self._stream, folded.sequence, error) from error
        return rows


def _micros(time: Timestamp) -> int:
    return int(time.seconds * 1_000_000 + time.nanos // 1000)
