"""Event envelopes, seen through their descriptors: routing, subjects, metadata and CloudEvents headers.

Every aggregate has one typed envelope. All envelopes share their field names, so that the runtime reads and stamps them
by name and knows no aggregate. Nothing here does IO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from gladhand.errors import Internal, InvalidArgument
from logistics.contract.v1 import event_pb2

E = TypeVar("E", bound=Message)

PREFIX = "logistics"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
_REGION = re.compile(r"[a-z0-9]{2,16}\Z")


class BadToken(InvalidArgument):
    """An id or region that cannot stand in a subject: empty, too long, or with a dot, space or wildcard."""


class UnknownEvent(Internal):
    """An event whose body this code does not know and may not ignore: the reader is older than the writer."""

    def __init__(self, envelope: str, event_id: str) -> None:
        super().__init__(
            f"{envelope} {event_id} has a body that this version does not know; upgrade this service first",
            metadata={"envelope": envelope, "event_id": event_id},
        )


def subject_token(value: str, what: str = "id") -> str:
    """Return `value` where it may stand as one token of a subject. Raises BadToken naming `what`."""
    if not _TOKEN.match(value):
        raise BadToken(
            f"{what} {value!r} cannot stand in a subject",
            field=what,
            remedy="give 1 to 128 of letters, digits, _ and -",
        )
    return value


def region_token(value: str) -> str:
    """Return `value` where it is a region: 2 to 16 lower-case letters and digits. Raises BadToken."""
    if not _REGION.match(value):
        raise BadToken(f"{value!r} is no region", field="region", remedy="give 2 to 16 lower-case letters and digits")
    return value


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the shell knows about an event and its decider does not.

    `request_id` is the UUID of the command: the same id, the same event. `region` is needed at birth and ignored later.
    An empty `correlation_id` means the aggregate's own, at birth the request id; an aggregate keeps the one it was born
    with. An empty `causation_id` means the aggregate's previous event. `occur_time` None means the time of recording.
    `receive_time` is when the fact reached the mesh; None means it did not come from outside. `actor` and `provenance`
    are messages of the contract.
    """

    request_id: str
    region: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    actor: Message | None = None
    occur_time: datetime | None = None
    receive_time: datetime | None = None
    provenance: Message | None = None
    policy_version: str = ""
    classifier: int = 0


class Subject(NamedTuple):
    """The parts of an event's subject."""

    aggregate: str
    region: str
    aggregate_id: str
    token: str

    @classmethod
    def parse(cls, subject: str) -> Subject:
        """Take apart `logistics.<aggregate>.<region>.<id>.<token>`. Raises ValueError on any other subject."""
        parts = subject.split(".")
        if len(parts) != 5 or parts[0] != PREFIX:
            raise ValueError(f"{subject!r} is not {PREFIX}.<aggregate>.<region>.<id>.<token>")
        return cls(*parts[1:])

    def __str__(self) -> str:
        return ".".join((PREFIX, *self))


class EventBody(NamedTuple):
    """One kind of event: its field in the envelope, its subject token, its full message name and its priority."""

    name: str
    token: str
    type_name: str
    priority: int


class Translation(Protocol):
    """What reads events of the version before, and writes so that its readers understand; see `log.upcasting`."""

    def read(self, payload: bytes) -> Message:
        """Return the event in a payload, whichever version wrote it. Raises DecodeError."""
        ...

    def write(self, event: Message) -> bytes:
        """Return the bytes to store. Raises NoOldForm where the version before has no word for the event."""
        ...


class EnvelopeType(Generic[E]):
    """One envelope message, read from its descriptor. Get it from `EnvelopeType.of`, which remembers."""

    _known: ClassVar[dict[str, EnvelopeType[Any]]] = {}

    def __init__(self, message: type[E]) -> None:
        descriptor = message.DESCRIPTOR
        options = descriptor.GetOptions()
        if not options.HasExtension(event_pb2.envelope):
            raise ValueError(f"{descriptor.full_name} is not an event envelope: it lacks the envelope option")
        routing = options.Extensions[event_pb2.envelope]
        self.message = message
        self.name: str = descriptor.full_name
        self.aggregate = subject_token(routing.aggregate, "aggregate")
        self.stream = subject_token(routing.stream, "stream")
        self.id_field: str = routing.id_field
        if self.id_field not in descriptor.fields_by_name:
            raise ValueError(f"{self.name} has no field {self.id_field!r}, which its envelope option names")
        self.translation: Translation | None = None
        """Set by `log.upcasting.succeed` where an older version of the envelope wrote or reads the same log."""
        self.bodies: dict[str, EventBody] = {}
        self._by_type: dict[str, str] = {}
        for field in descriptor.oneofs_by_name["body"].fields:
            if field.message_type is None:
                raise ValueError(f"{self.name}.{field.name} is no message and cannot be an event body")
            self._add_body(field.name, cast("Descriptor", field.message_type))

    @classmethod
    def of(cls, message: type[E]) -> EnvelopeType[E]:
        """Return the view of an envelope message. Raises ValueError where the message is no envelope."""
        name = message.DESCRIPTOR.full_name
        known = cls._known.get(name)
        if known is None or known.message is not message:
            known = cls._known[name] = EnvelopeType(message)
        return known

    def _add_body(self, name: str, body: Descriptor) -> None:
        options = body.GetOptions()
        if not options.HasExtension(event_pb2.event):
            raise ValueError(f"{body.full_name} is a body of {self.name} but lacks the event option")
        routing = options.Extensions[event_pb2.event]
        if body.full_name in self._by_type:
            raise ValueError(f"{self.name} holds {body.full_name} twice")
        token = subject_token(routing.token, "event token")
        self.bodies[name] = EventBody(name, token, body.full_name, routing.priority)
        self._by_type[body.full_name] = name

    def __repr__(self) -> str:
        return f"EnvelopeType({self.name})"

    @property
    def all_subjects(self) -> str:
        """The filter that matches every event of this kind of aggregate."""
        return f"{PREFIX}.{self.aggregate}.>"

    def subjects_of(self, body: str) -> str:
        """Return the filter that matches one kind of event, named by its field in the envelope."""
        return f"{PREFIX}.{self.aggregate}.*.*.{self.bodies[body].token}"

    def history_subjects(self, aggregate_id: str) -> str:
        """Return the filter that matches one aggregate's whole history, in whichever region. Raises BadToken."""
        return f"{PREFIX}.{self.aggregate}.*.{subject_token(aggregate_id, self.id_field)}.>"

    def subject(self, event: E) -> str:
        """Return the subject of a stamped event. Raises BadToken on a bad id or region, UnknownEvent without a body."""
        region = region_token(cast("Any", event).region)
        aggregate_id = subject_token(self.aggregate_id(event), self.id_field)
        return f"{PREFIX}.{self.aggregate}.{region}.{aggregate_id}.{self.body(event).token}"

    def aggregate_id(self, event: E) -> str:
        """Return the id of the aggregate that the event belongs to."""
        return cast("str", getattr(event, self.id_field))

    def body(self, event: E) -> EventBody:
        """Return the kind of the event. Raises UnknownEvent where this code does not know it."""
        name = event.WhichOneof("body")
        if name is None:
            raise UnknownEvent(self.name, cast("Any", event).event_id)
        return self.bodies[name]

    def knows(self, event: E) -> bool:
        """Return whether the body is known; False only where the event may be ignored. Raises UnknownEvent else."""
        if event.WhichOneof("body") is not None:
            return True
        if cast("Any", event).may_ignore:
            return False
        raise UnknownEvent(self.name, cast("Any", event).event_id)

    def decode(self, payload: bytes) -> E:
        """Return the event in a payload. Raises google.protobuf.message.DecodeError on other bytes.

        What an older version of the envelope wrote comes out in the words of this one; the bytes stay as they are.
        """
        if self.translation is not None:
            return cast("E", self.translation.read(payload))
        return self.message.FromString(payload)

    def encode(self, event: E) -> bytes:
        """Return the bytes to store for an event. Raises NoOldForm where readers of the version before need a word."""
        return event.SerializeToString() if self.translation is None else self.translation.write(event)

    def wrap(self, decision: Message) -> E:
        """Return an envelope around a body; an envelope of this type is copied. Raises TypeError on anything else."""
        event = self.message()
        if isinstance(decision, self.message):
            event.CopyFrom(decision)
            return event
        return self.fill(event, decision)

    def fill(self, event: E, body: Message) -> E:
        """Set the body of an event and return it. Raises TypeError where it is no body of this envelope."""
        name = self._by_type.get(body.DESCRIPTOR.full_name)
        if name is None:
            raise TypeError(f"{body.DESCRIPTOR.full_name} is no body of {self.name}")
        getattr(event, name).CopyFrom(body)
        getattr(event, name).SetInParent()
        return event

    def stamp(
        self, decision: Message, stamp: Stamp, *, aggregate_id: str, event_id: str, version: int, recorded: datetime
    ) -> E:
        """Return the whole event around what a decider returned.

        `stamp` must be complete by now (region, correlation and causation resolved). What the decider itself set of
        occur_time, classifier, provenance, retracts_event_id, corrects_event_id and may_ignore is kept.
        """
        event = self.wrap(decision)
        fields: Any = event
        occurred = fields.HasField("occur_time")
        classified = fields.classifier
        setattr(event, self.id_field, aggregate_id)
        fields.event_id = event_id
        fields.version = version
        fields.record_time.FromDatetime(recorded)
        if not occurred:
            fields.occur_time.FromDatetime(stamp.occur_time or recorded)
        if stamp.receive_time is not None:
            fields.receive_time.FromDatetime(stamp.receive_time)
        if not classified:
            fields.classifier = stamp.classifier
        fields.correlation_id = stamp.correlation_id
        fields.causation_id = stamp.causation_id
        fields.request_id = stamp.request_id
        fields.region = stamp.region
        fields.policy_version = stamp.policy_version
        if stamp.actor is not None:
            fields.actor.CopyFrom(stamp.actor)
        if stamp.provenance is not None and not fields.HasField("provenance"):
            fields.provenance.CopyFrom(stamp.provenance)
        return event

    def headers(self, event: E, source: str) -> dict[str, str]:
        """Return the CloudEvents 1.0 headers of an event, binary mode. `source` names the service that writes."""
        return {
            "ce-specversion": "1.0",
            "ce-id": cast("str", cast("Any", event).event_id),
            "ce-source": source,
            "ce-type": self.body(event).type_name,
        }


class Envelopes:
    """The envelope types that one reader knows, found by subject."""

    def __init__(self, *messages: type[Message]) -> None:
        self._types: Mapping[str, EnvelopeType[Any]] = {
            kind.aggregate: kind for kind in (EnvelopeType.of(message) for message in messages)
        }

    def __iter__(self) -> Iterator[EnvelopeType[Any]]:
        return iter(self._types.values())

    def get(self, subject: str) -> EnvelopeType[Any] | None:
        """Return the envelope type of a subject, or None where this reader does not know its aggregate."""
        parts = subject.split(".", 2)
        return self._types.get(parts[1]) if len(parts) > 2 and parts[0] == PREFIX else None

    def decode(self, subject: str, payload: bytes) -> Message:
        """Return the event on a subject. Raises KeyError on an unknown aggregate, DecodeError on other bytes."""
        kind = self.get(subject)
        if kind is None:
            raise KeyError(f"no envelope type for {subject!r}")
        return cast("Message", kind.decode(payload))
