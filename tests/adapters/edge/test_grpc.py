"""`EdgeIngestService` over gRPC: results item by item, in batches and as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from gladhand.client import call, channel
from gladhand.errors import InvalidArgument
from logistics.edge.v1 import (
    INGEST_OUTCOME_ACCEPTED,
    INGEST_OUTCOME_DUPLICATE,
    INGEST_OUTCOME_REFUSED,
    EdgeIngestServiceStub,
    IngestPositionsRequest,
    IngestReadingsRequest,
    StreamPositionsRequest,
    edge_ingest_service_pb2,
)
from logistics.error.v1 import ERROR_REASON_DEVICE_UNKNOWN, ERROR_REASON_POSITION_IMPLAUSIBLE
from logistics.fleet.v1 import (
    METRIC_CARGO_TEMPERATURE,
    DeviceReference,
    Position,
    Reading,
    TelemetryBatch,
    TelemetrySample,
    VehicleSample,
)
from logistics.type.v1 import GeoPoint, Quantity
from tests.adapters.edge.conftest import Edge
from tests.adapters.edge.harness import DENVER, Streams, now

if TYPE_CHECKING:
    from logistics.edge.v1 import EdgeIngestServiceAsyncStub


@pytest.fixture
async def stub(edge: Edge) -> AsyncGenerator[EdgeIngestServiceAsyncStub]:
    async with channel(edge.target, edge_ingest_service_pb2.DESCRIPTOR) as opened:
        yield EdgeIngestServiceStub(opened)


def sample(at: datetime, latitude: float = DENVER[0], longitude: float = DENVER[1]) -> TelemetrySample:
    found = TelemetrySample(position=Position(point=GeoPoint(latitude=latitude, longitude=longitude)))
    found.occur_time.FromDatetime(at)
    return found


def batch(*samples: TelemetrySample, device: str = "box-9") -> TelemetryBatch:
    return TelemetryBatch(device=DeviceReference(provider="telematics-co", device_id=device), samples=samples)


async def test_a_batch_gets_a_result_for_each_sample(stub: EdgeIngestServiceAsyncStub, streams: Streams) -> None:
    at = now() - timedelta(minutes=5)
    request = IngestPositionsRequest(
        request_id=str(uuid4()),
        batches=[
            batch(sample(at), sample(at, 0.0, 0.0)),
            batch(sample(at), device="unknown"),
        ],
    )
    answer = await call(stub.IngestPositions(request))
    outcomes = [(r.batch_index, r.sample_index, r.outcome, r.reason) for r in answer.results]
    assert outcomes == [
        (0, 0, INGEST_OUTCOME_ACCEPTED, 0),
        (0, 1, INGEST_OUTCOME_REFUSED, ERROR_REASON_POSITION_IMPLAUSIBLE),
        (1, 0, INGEST_OUTCOME_REFUSED, ERROR_REASON_DEVICE_UNKNOWN),
    ]
    assert answer.results[0].vehicle_id == "V9"
    assert answer.results[1].message
    again = await call(stub.IngestPositions(request))
    assert again.results[0].outcome == INGEST_OUTCOME_DUPLICATE
    (position,) = await streams.positions()
    assert position.position_id == answer.results[0].sample_id


async def test_readings_are_published_beside_positions(stub: EdgeIngestServiceAsyncStub, streams: Streams) -> None:
    value = Quantity(value="-18.5", unit_code="CEL")
    reading = TelemetrySample(reading=Reading(metric=METRIC_CARGO_TEMPERATURE, value=value, zone="zone 1"))
    reading.occur_time.FromDatetime(now() - timedelta(minutes=1))
    request = IngestReadingsRequest(request_id=str(uuid4()), batches=[batch(reading)])
    answer = await call(stub.IngestReadings(request))
    assert answer.results[0].outcome == INGEST_OUTCOME_ACCEPTED
    (message,) = await streams.all("TELEMETRY")
    assert message.subject == "logistics.telemetry.us.V9.reading"
    assert VehicleSample.FromString(message.payload).sample.reading.value == value
    wrong = IngestReadingsRequest(request_id=str(uuid4()), batches=[batch(sample(now()))])
    with pytest.raises(InvalidArgument):
        await call(stub.IngestReadings(wrong))


async def test_a_stream_answers_batch_by_batch(stub: EdgeIngestServiceAsyncStub, streams: Streams) -> None:
    at = now() - timedelta(minutes=5)

    async def requests() -> AsyncIterator[StreamPositionsRequest]:
        for number in range(4):
            # The last one is the first one again.
            moment = at + timedelta(seconds=number % 3)
            yield StreamPositionsRequest(batch_number=number, batch=batch(sample(moment)))

    answers = [answer async for answer in stub.StreamPositions(requests())]
    assert [answer.batch_number for answer in answers] == [0, 1, 2, 3]
    outcomes = [answer.results[0].outcome for answer in answers]
    assert outcomes == [INGEST_OUTCOME_ACCEPTED] * 3 + [INGEST_OUTCOME_DUPLICATE]
    assert len(await streams.positions()) == 3
