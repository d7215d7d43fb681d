"""What the edge gateway declares to read is what its detector reads."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore, Reading
from logistics.fleet.v1 import (
    METRIC_CARGO_TEMPERATURE,
    STATE_SUBJECT_DOOR,
    SampleQuality,
    StateChange,
    TelemetrySample,
    VehiclePosition,
    VehicleSample,
)
from logistics.fleet.v1 import Reading as Reading_
from logistics.load.v1 import (
    DELIVERY_EVENT_SOURCE_GEOFENCE,
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_STATE_PLANNED,
    Assignment,
    DeliveryEvent,
    Load,
    LoadAssigned,
    LoadCancelled,
    LoadDispatched,
    LoadDrafted,
    LoadEvent,
    LoadHandedOver,
    LoadPlanned,
    LoadReassigned,
    LoadReassignmentFailed,
    LoadReplanned,
    LoadUnassigned,
    Stop,
    StopCancelled,
    StopCompleted,
    StopDeparted,
    StopFailed,
    StopKind,
    StopSkipped,
    StopTask,
    StopTime,
)
from logistics.type.v1 import DecidingProbe, GeoPoint, Location, Quantity, TemperatureProfile
from services.edge_gateway import road_book
from services.edge_gateway.cold_chain import rides
from services.edge_gateway.cold_chain.judging import Rules
from services.edge_gateway.cold_chain.samples import sample_of
from services.edge_gateway.detector import Detector
from services.edge_gateway.geofence import FenceRules
from services.edge_gateway.milestones import Told
from services.edge_gateway.registration import REGISTRATION

RULES = FenceRules(radius_m=150, exit_factor=1.3, dwell_s=120, still_dwell_s=60, still_mps=0.5, exit_s=30)


PROFILE = TemperatureProfile(
    min_celsius=2,
    max_celsius=8,
    setpoint_celsius=5,
    tolerance_celsius=0.5,
    deciding_probe=DecidingProbe.DECIDING_PROBE_WORST,
)


def stop(stop_id: str, kind: StopKind.ValueType = STOP_KIND_DELIVERY) -> Stop:
    return Stop(
        stop_id=stop_id,
        kind=kind,
        state=STOP_STATE_PLANNED,
        tasks=[StopTask(order_id="O", line_id="1", profile=PROFILE)],
        location=Location(point=GeoPoint(latitude=39.7, longitude=-105), geofence_radius_m=80),
    )


def at(second: int) -> StopTime:
    time = StopTime()
    time.time.seconds = second
    return time


def turn(vehicle: str, at: int, epoch: int) -> Assignment:
    found = Assignment(vehicle_id=vehicle, epoch=epoch)
    found.start_time.seconds, found.end_time.seconds = at, at + 1000
    return found


def load() -> Load:
    return Load(load_id="L", stops=[stop("P", STOP_KIND_PICKUP), stop("A"), stop("B")], assignments=[turn("V0", 1, 1)])


def turned(body: type[LoadAssigned | LoadReassigned], vehicle: str, at: int, epoch: int) -> Message:
    return body(assignment=turn(vehicle, at, epoch))


STORIES: tuple[tuple[Message, ...], ...] = (
    (
        LoadDrafted(load=load()),
        turned(LoadAssigned, "V1", 2, 2),
        LoadDispatched(epoch=2),
        StopDeparted(stop_id="P", time=at(7)),
        LoadHandedOver(loaded=True),
        StopCompleted(stop_id="A", time=at(9)),
    ),
    (
        LoadPlanned(load=load()),
        turned(LoadAssigned, "V1", 2, 2),
        LoadUnassigned(),
        turned(LoadReassigned, "V2", 4, 3),
        LoadReassignmentFailed(),
        turned(LoadReassigned, "V3", 5, 4),
        LoadDispatched(epoch=4),
        LoadReplanned(stops=[stop("A"), stop("C"), stop("D"), stop("E"), stop("F")]),
        StopSkipped(stop_id="A"),
        StopCancelled(stop_id="C"),
        StopDeparted(stop_id="D", time=at(11)),
        StopCompleted(stop_id="E", time=at(12)),
        StopFailed(stop_id="F"),
        LoadCancelled(),
    ),
)
KIND = EnvelopeType.of(LoadEvent)


def test_the_stories_have_every_event_that_the_road_book_handles() -> None:
    told = {KIND.wrap(body).WhichOneof("body") for story in STORIES for body in story}
    assert told == set(road_book._CHANGES) | set(rides._CHANGES)


def test_of_loads_it_reads_what_it_declares() -> None:
    reading = Reading(LoadEvent)
    assert not KIND.knows(reading.of(LoadEvent(may_ignore=True)))
    for story in STORIES:
        book = road_book.RoadBook(radius_m=150)
        cold = rides.Rides()
        for version, body in enumerate(story, start=1):
            event = KIND.wrap(body)
            event.load_id, event.version, event.occur_time.seconds = "L", version, version
            recorded = reading.of(event)
            assert KIND.knows(recorded)
            book.apply(recorded)
            cold.apply(recorded)
            for ride in cold.of_load("L"):
                assert ride.profile.HasField("setpoint_celsius")
                Rules.of(ride.profile)
            for vehicle in book.vehicles():
                book.fences(vehicle)
    reading.check(REGISTRATION.reads[LoadEvent])


def test_of_milestones_told_before_it_reads_what_it_declares() -> None:
    reading, told = Reading(DeliveryEvent), Told()
    told.learn(reading.of(DeliveryEvent(source=DELIVERY_EVENT_SOURCE_GEOFENCE, load_id="L")))
    reading.check(REGISTRATION.reads[DeliveryEvent])


async def test_of_positions_it_reads_what_it_declares() -> None:
    broker = MemoryBroker()
    detector = Detector(
        MemoryBus(broker),
        MemoryEventStore(broker),
        RULES,
        "us",
        tolerance_s=1,
        attempts=1,
        ack_wait=timedelta(seconds=1),
    )
    reading = Reading(VehiclePosition)
    position = VehiclePosition(vehicle_id="V1", position_id="p")
    position.position.speed_mps = 3
    await detector._observe(reading.of(position))
    reading.check(REGISTRATION.reads[VehiclePosition])


def test_of_samples_it_reads_what_it_declares() -> None:
    reading = Reading(VehicleSample)
    cargo = Reading_(metric=METRIC_CARGO_TEMPERATURE, value=Quantity(value="5", unit_code="CEL"))
    for sample in (
        TelemetrySample(reading=cargo, quality=SampleQuality(valid=True)),
        TelemetrySample(state_change=StateChange(subject=STATE_SUBJECT_DOOR, on=True)),
    ):
        told = reading.of(VehicleSample(sample_id="s", vehicle_id="V", sample=sample))
        assert told.vehicle_id == "V"
        assert sample_of(told) is not None
    reading.check(REGISTRATION.reads[VehicleSample])
