"""From readings that a device sends to findings on the bus, on a real server."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from gladhand.client import call, channel
from gladhand.testing import eventually
from logistics.edge.v1 import EdgeIngestServiceStub, IngestReadingsRequest, edge_ingest_service_pb2
from logistics.exception.v1 import ColdChainFinding, ColdChainVerdict
from logistics.fleet.v1 import METRIC_CARGO_TEMPERATURE, DeviceReference, Reading, TelemetryBatch, TelemetrySample
from logistics.load.v1 import StopDeparted, StopTask, StopTime
from logistics.type.v1 import Quantity, TemperatureProfile
from tests.adapters.edge.conftest import Edge, Start
from tests.adapters.edge.harness import Streams, now
from tests.adapters.edge.road import Trip

ORDER = str(uuid4())
MINUTES = range(0, 60, 5)


async def boarded(streams: Streams) -> Trip:
    """A load with cold goods on board for an hour."""
    trip = Trip(streams.store, now() - timedelta(hours=2), vehicle="V9")
    profile = TemperatureProfile(min_celsius=2, max_celsius=8)
    task = StopTask(order_id=ORDER, line_id="1", expected=Quantity(value="4", unit_code="C62"), profile=profile)
    await trip.plan(task)
    await trip.dispatch()
    left = StopTime(source="geofence")
    left.time.FromDatetime(trip.begin + timedelta(hours=1))
    await trip.record(StopDeparted(stop_id=trip.pickup, time=left, epoch=1), trip.begin + timedelta(hours=1))
    return trip


async def send(edge: Edge, trip: Trip, celsius: dict[int, float]) -> None:
    """Send readings by minutes on board, in one batch and in no order."""
    samples = []
    for minute, value in sorted(celsius.items(), key=lambda each: str(each[0])):
        told = Quantity(value=str(value), unit_code="CEL")
        sample = TelemetrySample(reading=Reading(metric=METRIC_CARGO_TEMPERATURE, value=told))
        sample.occur_time.FromDatetime(trip.begin + timedelta(hours=1, minutes=minute))
        samples.append(sample)
    device = DeviceReference(provider="telematics-co", device_id="box-9")
    request = IngestReadingsRequest(request_id=str(uuid4()), batches=[TelemetryBatch(device=device, samples=samples)])
    async with channel(edge.target, edge_ingest_service_pb2.DESCRIPTOR) as opened:
        await call(EdgeIngestServiceStub(opened).IngestReadings(request))


async def findings(streams: Streams) -> list[ColdChainFinding]:
    messages = await streams.all("OBSERVATIONS", "logistics.observation.us.*.cold_chain")
    return [ColdChainFinding.FromString(message.payload) for message in messages]


async def last(streams: Streams, verdict: ColdChainVerdict.ValueType) -> ColdChainFinding:
    async def there() -> ColdChainFinding | None:
        found = await findings(streams)
        return found[-1] if found and found[-1].verdict == verdict else None

    told = await eventually(there, within=20)
    assert told is not None
    return told


async def test_readings_become_findings_and_a_restart_knows_them(start: Start, streams: Streams) -> None:
    trip = await boarded(streams)
    edge = await start()
    await send(edge, trip, {minute: 12 if 10 <= minute < 30 else 5 for minute in MINUTES})
    told = await last(streams, ColdChainVerdict.COLD_CHAIN_VERDICT_NEAR_MISS)
    assert (told.load_id, told.order_id, told.line_id) == (trip.load_id, ORDER, "1")
    assert list(told.vehicle_ids) == ["V9"]
    assert told.figures.cumulative.seconds == 20 * 60
    assert told.figures.evidence_ids[0].startswith("inbox:")
    (message, *_) = await streams.all("OBSERVATIONS", "logistics.observation.us.*.cold_chain")
    assert message.headers["Nats-Msg-Id"] == (await findings(streams))[0].finding_id

    count = len(await findings(streams))
    again = await start()
    assert len(await findings(streams)) == count
    await send(again, trip, dict.fromkeys((29, 30, 34, 35, 39, 40, 44, 45, 49), 13))
    breach = await last(streams, ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH)
    assert breach.figures.samples > len(MINUTES)
    assert breach.revision == count + len((await findings(streams))[count:])


async def test_what_was_never_heard_of_is_found_by_looking(start: Start, streams: Streams) -> None:
    trip = await boarded(streams)
    await start(cold_chain_look_s=0.2)
    told = await last(streams, ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE)
    assert (told.load_id, told.sensor_lost, told.figures.coverage_percent) == (trip.load_id, True, 0)
