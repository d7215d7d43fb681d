"""From raw positions to arrivals and departures on the bus, whatever the order and however often they come."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from gladhand.testing import eventually
from logistics.load.v1 import DELIVERY_EVENT_SOURCE_GEOFENCE, DeliveryEvent, Milestone
from logistics.type.v1 import CLASSIFIER_ACTUAL
from tests.adapters.edge.conftest import Edge, Start
from tests.adapters.edge.harness import Streams, now
from tests.adapters.edge.road import Trip, drive, locations

WHOLE = ["ARRIVED_PICKUP", "DEPARTED_PICKUP", "ARRIVED_DELIVERY", "DEPARTED_DELIVERY"]


def names(events: list[DeliveryEvent]) -> list[str]:
    return [Milestone.Name(event.milestone).removeprefix("MILESTONE_") for event in events]


async def told(streams: Streams, count: int) -> list[DeliveryEvent]:
    async def enough() -> list[DeliveryEvent]:
        found = await streams.observations()
        return found if len(found) >= count else []

    return await eventually(enough, within=20)


@pytest.fixture
async def trip(streams: Streams) -> Trip:
    trip = Trip(streams.store, now() - timedelta(hours=2))
    await trip.plan()
    await trip.dispatch()
    return trip


async def test_a_trip_is_told_in_its_milestones(edge: Edge, streams: Streams, trip: Trip) -> None:
    assert (await edge.http.post("/osmand", json=locations(drive(trip.begin)))).status_code == 200
    events = await told(streams, 4)
    assert names(events) == WHOLE
    assert {event.load_id for event in events} == {trip.load_id}
    assert [event.stop_id for event in events] == [trip.pickup] * 2 + [trip.delivery] * 2
    first = events[0]
    assert (first.epoch, first.vehicle_id) == (1, "V1")
    assert first.source == DELIVERY_EVENT_SOURCE_GEOFENCE
    assert first.classifier == CLASSIFIER_ACTUAL
    assert first.evidence[0].startswith("inbox:")
    assert first.occur_time.ToNanoseconds() < events[1].occur_time.ToNanoseconds()
    (message,) = [m for m in await streams.all("OBSERVATIONS") if m.subject.endswith(".arrived_pickup")]
    assert message.subject == f"logistics.observation.us.{trip.load_id}.arrived_pickup"
    assert message.headers["Nats-Msg-Id"] == first.delivery_event_id


async def test_order_and_repetition_of_messages_do_not_matter(edge: Edge, streams: Streams, trip: Trip) -> None:
    fixes = drive(trip.begin)
    parcels = [fixes[start : start + 7] for start in range(0, len(fixes), 7)]
    parcels += parcels[3:6]
    random.Random(7).shuffle(parcels)
    for parcel in parcels:
        assert (await edge.http.post("/osmand", json=locations(parcel))).status_code == 200
    await told(streams, 4)
    await eventually(lambda: _standing(streams, trip), within=20)


async def _standing(streams: Streams, trip: Trip) -> bool:
    """Whether what stands in the end is the whole trip, by the last word on each milestone."""
    last = {event.milestone: event for event in await streams.observations()}
    standing = sorted(
        (event for event in last.values() if not event.retracts_event_id), key=lambda e: e.occur_time.ToNanoseconds()
    )
    seconds = [event.occur_time.ToNanoseconds() / 1e9 - trip.begin.timestamp() for event in standing]
    return names(standing) == WHOLE and seconds == [45, 210, 300, 465]


async def test_positions_that_came_before_the_dispatch_was_known_count(edge: Edge, streams: Streams) -> None:
    trip = Trip(streams.store, now() - timedelta(hours=2))
    await trip.plan()
    assert (await edge.http.post("/osmand", json=locations(drive(trip.begin)))).status_code == 200
    assert await streams.observations() == []
    await trip.dispatch()
    assert names(await told(streams, 4)) == WHOLE


async def test_passing_by_is_no_arrival(edge: Edge, streams: Streams, trip: Trip) -> None:
    other = Trip(streams.store, trip.begin + timedelta(hours=1))
    await other.plan()
    await other.dispatch()
    passing = drive(trip.begin, stand_s=0)
    standing = drive(other.begin)
    for fixes in (passing, standing):
        assert (await edge.http.post("/osmand", json=locations(fixes))).status_code == 200
    events = await told(streams, 8)
    # Both loads ride on the vehicle while it stands, and it stood once.
    assert {event.load_id for event in events} == {trip.load_id, other.load_id}
    assert all(event.occur_time.ToNanoseconds() / 1e9 > other.begin.timestamp() for event in events)


async def test_late_positions_of_the_old_vehicle_count_for_the_old_assignment(
    edge: Edge, streams: Streams, trip: Trip
) -> None:
    fixes = drive(trip.begin)
    change = fixes[52][0]
    await trip.reassign("V9", change)
    assert (await edge.http.post("/osmand", json=locations(fixes))).status_code == 200
    events = await told(streams, 2)
    assert names(events) == ["ARRIVED_PICKUP", "DEPARTED_PICKUP"]
    assert {event.epoch for event in events} == {1}


async def test_a_restart_tells_nothing_twice_and_goes_on(start: Start, streams: Streams, trip: Trip) -> None:
    fixes = drive(trip.begin)
    first = await start()
    half = len(fixes) // 2
    assert (await first.http.post("/osmand", json=locations(fixes[:half]))).status_code == 200
    before = await told(streams, 2)
    second = await start()
    assert (await second.http.post("/osmand", json=locations(fixes[half:]))).status_code == 200
    events = await told(streams, 4)
    assert names(events) == WHOLE
    assert events[:2] == before
