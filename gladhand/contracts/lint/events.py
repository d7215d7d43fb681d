"""Events say where they live: envelopes by aggregate and stream, bodies by the last token of the subject (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gladhand.contracts.lint.remark import Remark
from gladhand.contracts.model import Contract, Message
from logistics.contract.v1 import event_pb2
from logistics.contract.v1.event_pb2 import EnvelopeRouting, EventRouting

_RULE = "EVENT_ROUTING_REQUIRED"
_ENVELOPE: int = event_pb2.envelope.number
_EVENT: int = event_pb2.event.number
_TOKEN = re.compile(r"[a-z][a-z0-9_]*")
_STREAM = re.compile(r"[A-Z][A-Z0-9_]*")


def routing_required(contract: Contract) -> Iterator[Remark]:
    """EVENT_ROUTING_REQUIRED: every envelope and every body is routed, and no body is without an envelope."""
    held: set[str] = set()
    for message in contract.messages.values():
        bodies = [contract.messages.get(field.proto.type_name.removeprefix(".")) for field in message.bodies()]
        known = [body for body in bodies if body is not None]
        if message.envelope is not None:
            held |= {body.name for body in known}
            yield from _envelope(message, message.envelope)
            yield from _bodies(message, contract)
        elif any(body.event is not None for body in known) or (message.bodies() and message.name.endswith("Event")):
            sentence = f"{message.name} holds event bodies and does not say where its events live"
            yield Remark(_RULE, f"{sentence}: add option (logistics.contract.v1.envelope)", message.place)
            held |= {body.name for body in known}
    for message in contract.messages.values():
        if message.event is not None and message.name not in held:
            sentence = f"{message.name} is routed as an event and is the body of no envelope: add it to a oneof body"
            yield Remark(_RULE, sentence, message.option(_EVENT))


def _envelope(message: Message, routing: EnvelopeRouting) -> Iterator[Remark]:
    if not _TOKEN.fullmatch(routing.aggregate):
        sentence = f"the aggregate of {message.name} must be a subject token such as order"
        yield Remark(_RULE, sentence, message.option(_ENVELOPE, EnvelopeRouting.AGGREGATE_FIELD_NUMBER))
    if not _STREAM.fullmatch(routing.stream):
        sentence = f"the stream of {message.name} must be the name of a JetStream stream such as ORDERS"
        yield Remark(_RULE, sentence, message.option(_ENVELOPE, EnvelopeRouting.STREAM_FIELD_NUMBER))
    if message.field(routing.id_field) is None:
        sentence = f"the id_field of {message.name} is {routing.id_field or 'empty'}, and no field is called that"
        yield Remark(_RULE, sentence, message.option(_ENVELOPE, EnvelopeRouting.ID_FIELD_FIELD_NUMBER))
    if not message.bodies():
        sentence = f"{message.name} is an event envelope without events: give it a oneof body"
        yield Remark(_RULE, sentence, message.place)


def _bodies(envelope: Message, contract: Contract) -> Iterator[Remark]:
    tokens: dict[str, str] = {}
    for field in envelope.bodies():
        body = contract.messages.get(field.proto.type_name.removeprefix("."))
        if body is None:
            yield Remark(_RULE, f"the body {field.name} must be a message of its own", field.place)
            continue
        routing = body.event
        if routing is None:
            sentence = f"{body.name} is a body of {envelope.name} and is not routed"
            yield Remark(_RULE, f"{sentence}: add option (logistics.contract.v1.event)", body.place)
            continue
        place = body.option(_EVENT, EventRouting.TOKEN_FIELD_NUMBER)
        if not _TOKEN.fullmatch(routing.token):
            yield Remark(_RULE, f"the token of {body.name} must be a subject token such as released", place)
        elif routing.token in tokens:
            sentence = f"{body.name} has the token {routing.token}, which {tokens[routing.token]} has: take another one"
            yield Remark(_RULE, sentence, place)
        tokens.setdefault(routing.token, body.name)
        if routing.priority == event_pb2.PRIORITY_UNSPECIFIED:
            sentence = f"{body.name} names no priority: add PRIORITY_FINANCE, PRIORITY_OPERATIONS or PRIORITY_TELEMETRY"
            yield Remark(_RULE, sentence, body.option(_EVENT))
