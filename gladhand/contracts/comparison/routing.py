"""Compares where events live and how fields are to be handled: subjects, priority, sensitivity (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, Field, Message, sensitivity_of
from gladhand.enums import short_name
from logistics.contract.v1 import event_pb2, sensitivity_pb2
from logistics.contract.v1.event_pb2 import EnvelopeRouting, EventRouting

_ENVELOPE: int = event_pb2.envelope.number
_EVENT: int = event_pb2.event.number
_SENSITIVITY: int = sensitivity_pb2.sensitivity.number


def compare(old: Contract, new: Contract) -> Iterator[Finding]:
    """Yield what changed about the way of events, and about what fields may reveal."""
    for name, message in old.messages.items():
        later = new.messages.get(name)
        if later is not None:
            yield from _envelope(message, later)
            yield from _event(message, later)
            for number, field in message.fields.items():
                if number in later.fields:
                    yield from _sensitivity(field, later.fields[number])


def _envelope(old: Message, new: Message) -> Iterator[Finding]:
    before, after = old.envelope, new.envelope
    if before is None:
        return
    was = old.option(_ENVELOPE)
    if after is None:
        sentence = f"{new.name} is no event envelope any more: put the option back, its events are found by it"
        yield Finding("EVENT_SUBJECT_SAME", ChangeKind.BROKEN, new.name, sentence, new.place, was)
        return
    for noun, then, now, number in (
        ("aggregate", before.aggregate, after.aggregate, EnvelopeRouting.AGGREGATE_FIELD_NUMBER),
        ("stream", before.stream, after.stream, EnvelopeRouting.STREAM_FIELD_NUMBER),
        ("id_field", before.id_field, after.id_field, EnvelopeRouting.ID_FIELD_FIELD_NUMBER),
    ):
        if then != now:
            sentence = (
                f"the {noun} of {new.name} was {then} and is {now or 'empty'}: readers listen where it was, and what "
                "is stored stays there; keep it"
            )
            place = new.option(_ENVELOPE, number)
            yield Finding("EVENT_SUBJECT_SAME", ChangeKind.BROKEN, new.name, sentence, place, was)


def _event(old: Message, new: Message) -> Iterator[Finding]:
    before, after = old.event, new.event
    if before is None:
        return
    was = old.option(_EVENT)
    if after is None:
        sentence = f"{new.name} is not routed any more: put the option back, its subject ends with {before.token}"
        yield Finding("EVENT_SUBJECT_SAME", ChangeKind.BROKEN, new.name, sentence, new.place, was)
        return
    if before.token != after.token:
        sentence = (
            f"the subject of {new.name} ended with {before.token} and ends with {after.token or 'nothing'}: "
            "readers listen to the old one; keep it"
        )
        place = new.option(_EVENT, EventRouting.TOKEN_FIELD_NUMBER)
        yield Finding("EVENT_SUBJECT_SAME", ChangeKind.BROKEN, new.name, sentence, place, was)
    if before.priority != after.priority:
        names = [short_name(event_pb2.Priority, value) for value in (before.priority, after.priority)]
        lower = after.priority > before.priority or not after.priority
        kind, rule = (ChangeKind.TIGHTENED, "PRIORITY_LOWERED") if lower else (ChangeKind.LOOSENED, "PRIORITY_RAISED")
        sentence = f"{new.name} was of class {names[0]} and is of class {names[1]}"
        place = new.option(_EVENT, EventRouting.PRIORITY_FIELD_NUMBER)
        yield Finding(rule, kind, new.name, sentence, place, was)


def _sensitivity(old: Field, new: Field) -> Iterator[Finding]:
    before, after = sensitivity_of(old), sensitivity_of(new)
    if before == after:
        return
    was, now = short_name(sensitivity_pb2.Sensitivity, before), short_name(sensitivity_pb2.Sensitivity, after)
    place = new.option(_SENSITIVITY)
    if after > before:
        sentence = f"{new.name} is {now} now: logs, traces and dead letters mask it"
        yield Finding("SENSITIVITY_RAISED", ChangeKind.ADDED, new.name, sentence, place, old.place)
    else:
        sentence = f"{new.name} was {was} and is {now}: logs, traces and dead letters show what they masked"
        yield Finding("SENSITIVITY_LOWERED", ChangeKind.LOOSENED, new.name, sentence, place, old.place)
