"""The streams as code cover the contract: every envelope's events land in the one stream that it names."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor

from gladhand.bus.streams import StreamLimits, standard_streams
from gladhand.bus.subjects import matches
from logistics.contract.v1 import envelope
from tests.contract import catalog

STREAMS = standard_streams()


@pytest.mark.parametrize("message", catalog.envelopes(), ids=lambda message: str(message.full_name))
def test_events_of_every_envelope_land_in_their_stream_alone(message: Descriptor) -> None:
    routing = message.GetOptions().Extensions[envelope]
    subject = f"logistics.{routing.aggregate}.eu.x.token"
    assert [s.name for s in STREAMS if any(matches(taken, subject) for taken in s.subjects)] == [routing.stream]


def test_streams_share_out_what_there_is_and_never_take_a_subject_twice() -> None:
    limits = StreamLimits(total_bytes=1000 << 20)
    assert sum(spec.max_bytes for spec in standard_streams(limits)) <= limits.total_bytes
    subjects = [subject for spec in STREAMS for subject in spec.subjects]
    assert len(set(subjects)) == len(subjects)


def test_events_are_never_dropped_to_make_room() -> None:
    droppable = {spec.name for spec in STREAMS if spec.discard == "old"}
    assert droppable == {"ALERTS", "TELEMETRY", "TIMERS"}
    assert next(spec for spec in STREAMS if spec.name == "TIMERS").max_bytes == 0
    ageing = {spec.name for spec in STREAMS if spec.max_age}
    assert ageing == {"ALERTS", "INBOX", "TELEMETRY", "DEADLETTER"}
