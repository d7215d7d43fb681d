"""Two versions of one envelope on one log: old events read in new words, new ones written so that old readers follow.

A new version of a context has an envelope of its own that goes on with the same histories: same aggregate, stream and
shared fields. It names the old bodies in a oneof `past`, under the numbers that they have in the old envelope, so that
the bytes of every stored event say by themselves which version wrote them. `succeed` joins the two by one `Succession`
for each old body. From then on

- reading an event that the old version wrote gives the new body, made by `up`; nothing stored is ever rewritten, and
  ids, versions and lineage are those of the stored event;
- writing, while `speak_old`, sets the old body too, made by `down`: one message that both versions read, in one append.
  What the old version has no word for is refused with NoOldForm unless it may be ignored, for its readers would stop.

All functions of a succession are pure and total: the past already happened, and an event of it is never refused.
docs/versions.md tells when and how a new version is made and when the old one is retired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType
from gladhand.errors import ContractError, FailedPrecondition
from logistics.contract.v1 import event_pb2

__all__ = ["NoOldForm", "Succession", "succeed"]

O = TypeVar("O", bound=Message)  # noqa: E741 - the old one, as N is the new one
N = TypeVar("N", bound=Message)

_PAST = "past"


class NoOldForm(FailedPrecondition):
    """An event for which the version before has no word, while its readers are still about; nothing was stored."""

    def __init__(self, body: str, older: str) -> None:
        super().__init__(
            f"{body} cannot be recorded while readers of {older} are live: they would stop at it; "
            "move them to the new version first (gladhand contracts live)",
            reason="TRANSITION_NOT_ALLOWED",
            metadata={"event": body, "older": older},
        )


@dataclass(frozen=True, slots=True)
class Succession(Generic[O, N]):
    """An event body of the version before and the one that takes its place."""

    old: type[O]
    new: type[N]
    up: Callable[[O, Any], N]
    """Makes the new body of an old one; the second argument is the whole event, for what its shared fields tell."""
    down: Callable[[N], O | None]
    """Makes the old body of a new one; None where this one has no old form."""


class _Translation:
    """Reads and writes one envelope beside the one before it."""

    def __init__(
        self,
        newer: EnvelopeType[Any],
        older: EnvelopeType[Any],
        successions: Iterable[Succession[Any, Any]],
        *,
        speak_old: bool,
    ) -> None:
        self._newer, self._older = newer, older
        self._speak_old = speak_old
        known = tuple(successions)
        self._ups = {each.old.DESCRIPTOR.full_name: each for each in known}
        self._downs = {each.new.DESCRIPTOR.full_name: each for each in known}
        self._past = _past_fields(newer)

    def read(self, payload: bytes) -> Message:
        event: Any = self._newer.message.FromString(payload)
        if event.WhichOneof("body") is None and event.WhichOneof(_PAST) is not None:
            # The older envelope may itself have one before it: what it makes of the payload is in its own words.
            old: Any = self._older.decode(payload)
            body = getattr(old, old.WhichOneof("body"))
            event.ClearField(_PAST)
            new = self._ups[body.DESCRIPTOR.full_name].up(body, event)
            return cast("Message", self._newer.fill(event, new))
        event.ClearField(_PAST)
        return cast("Message", event)

    def write(self, event: Message) -> bytes:
        if not self._speak_old:
            return event.SerializeToString()
        fields: Any = event
        body = getattr(fields, self._newer.body(event).name)
        name = body.DESCRIPTOR.full_name
        succession = self._downs.get(name)
        old = None if succession is None else succession.down(body)
        if old is None:
            if fields.may_ignore:
                return event.SerializeToString()
            raise NoOldForm(name, self._older.name)
        both: Any = self._newer.message()
        both.CopyFrom(event)
        place = getattr(both, self._past[old.DESCRIPTOR.full_name].name)
        place.CopyFrom(old)
        place.SetInParent()
        return cast("bytes", both.SerializeToString())


def succeed(newer: type[Message], older: type[Message], *successions: Succession[Any, Any], speak_old: bool) -> None:
    """Let envelope `newer` go on with the histories of `older`, in this process, for every reader and writer.

    `speak_old` is true as long as a reader of the older version is live anywhere. Raises ContractError naming all that
    does not fit: another aggregate, stream or shared field, an older body without its number in `past`, an old one
    without a succession, a successor under another token.
    """
    young, old = EnvelopeType.of(newer), EnvelopeType.of(older)
    if faults := [*_routing_faults(young, old), *_shared_faults(young, old), *_body_faults(young, old, successions)]:
        raise ContractError(f"{young.name} cannot follow {old.name}: " + "; ".join(faults))
    young.translation = _Translation(young, old, successions, speak_old=speak_old)


def _past_fields(kind: EnvelopeType[Any]) -> Mapping[str, FieldDescriptor]:
    oneof = kind.message.DESCRIPTOR.oneofs_by_name.get(_PAST)
    fields = oneof.fields if oneof is not None else ()
    return {field.message_type.full_name: field for field in fields if field.message_type is not None}


def _routing_faults(young: EnvelopeType[Any], old: EnvelopeType[Any]) -> Iterator[str]:
    for name in ("aggregate", "stream", "id_field"):
        was, now = getattr(old, name), getattr(young, name)
        if was != now:
            yield f"its {name} is {now}, was {was}"


def _shared_faults(young: EnvelopeType[Any], old: EnvelopeType[Any]) -> Iterator[str]:
    now = _shared(young.message.DESCRIPTOR)
    for number, was in _shared(old.message.DESCRIPTOR).items():
        if now.get(number) != was:
            yield f"field {number} must stay {was[0]}, of the same type"


def _shared(envelope: Any) -> dict[int, tuple[str, int, str]]:
    """Return name, type and message of each field that is no body, by number."""
    bodies = {field.number for oneof in envelope.oneofs if oneof.name in {"body", _PAST} for field in oneof.fields}
    return {
        field.number: (field.name, field.type, field.message_type.full_name if field.message_type else "")
        for field in envelope.fields
        if field.number not in bodies
    }


def _body_faults(
    young: EnvelopeType[Any], old: EnvelopeType[Any], successions: Iterable[Succession[Any, Any]]
) -> Iterator[str]:
    past, known = _past_fields(young), {each.old.DESCRIPTOR.full_name: each for each in successions}
    for name, field in _past_fields(old).items():
        if name not in past or past[name].number != field.number:
            yield f"its oneof {_PAST} lacks {name} under number {field.number}, which {old.name} read already"
    new_names = {body.type_name for body in young.bodies.values()}
    for field in old.message.DESCRIPTOR.oneofs_by_name["body"].fields:
        body = cast("Descriptor", field.message_type)
        place, succession = past.get(body.full_name), known.get(body.full_name)
        if place is None or place.number != field.number:
            yield f"its oneof {_PAST} lacks {body.full_name} under number {field.number}"
        if succession is None:
            yield f"{body.full_name} has no succession"
        elif succession.new.DESCRIPTOR.full_name not in new_names:
            yield f"{succession.new.DESCRIPTOR.full_name} is no body of it"
        elif _token(succession.new.DESCRIPTOR) != _token(body):
            yield f"{succession.new.DESCRIPTOR.full_name} must keep the token {_token(body)}, old readers filter by it"


def _token(body: Any) -> str:
    return cast("str", body.GetOptions().Extensions[event_pb2.event].token)
