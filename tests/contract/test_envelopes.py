"""Every event envelope has the shared fields, and every routed message one envelope."""

from __future__ import annotations

from collections import Counter

import pytest
from google.protobuf.descriptor import Descriptor

from logistics.contract.v1 import EnvelopeRouting, envelope, event
from tests.contract import catalog

# The aggregate's own id is number 2 and named after it.
SHARED = {
    1: "event_id",
    3: "version",
    4: "occur_time",
    5: "record_time",
    6: "receive_time",
    7: "classifier",
    8: "correlation_id",
    9: "causation_id",
    10: "request_id",
    11: "actor",
    12: "policy_version",
    13: "provenance",
    14: "retracts_event_id",
    15: "corrects_event_id",
    16: "may_ignore",
    17: "region",
}

every_envelope = pytest.mark.parametrize("message", catalog.envelopes(), ids=lambda message: str(message.full_name))


def routing_of(message: Descriptor) -> EnvelopeRouting:
    return message.GetOptions().Extensions[envelope]


@every_envelope
def test_it_has_the_shared_fields(message: Descriptor) -> None:
    fields = {field.number: field.name for field in message.fields if field.number < 100}
    assert fields == {**SHARED, 2: routing_of(message).id_field}


@every_envelope
def test_its_bodies_leave_room_for_shared_fields_to_come(message: Descriptor) -> None:
    assert min(field.number for field in catalog.bodies(message)) >= 100


def test_no_two_envelopes_share_an_aggregate() -> None:
    aggregates = Counter(routing_of(message).aggregate for message in catalog.envelopes())
    assert [aggregate for aggregate, times in aggregates.items() if times > 1] == []


def test_every_routed_message_is_the_body_of_one_envelope() -> None:
    bodies = [field.message_type for message in catalog.envelopes() for field in catalog.bodies(message)]
    uses = Counter(body.full_name for body in bodies if body is not None)
    routed = {message.full_name for message in catalog.messages() if message.GetOptions().HasExtension(event)}
    assert routed == set(uses)
    assert [name for name, times in uses.items() if times > 1] == []
