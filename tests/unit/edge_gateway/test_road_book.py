"""Which vehicle is to visit what, and when, by the events of loads."""

from __future__ import annotations

from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType
from logistics.load.v1 import (
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_KIND_SERVICE,
    Assignment,
    Load,
    LoadAssigned,
    LoadCancelled,
    LoadDispatched,
    LoadEvent,
    LoadInterrupted,
    LoadPlanned,
    LoadReassigned,
    LoadReassignmentFailed,
    LoadReplanned,
    LoadUnassigned,
    Stop,
    StopCancelled,
    StopCompleted,
    StopDeparted,
    StopKind,
)
from logistics.type.v1 import GeoPoint, Location
from services.edge_gateway.road_book import RoadBook

KIND = EnvelopeType.of(LoadEvent)


def stop(stop_id: str, kind: StopKind.ValueType = STOP_KIND_DELIVERY, radius: int = 0, place: bool = True) -> Stop:
    location = Location(name=stop_id, geofence_radius_m=radius)
    if place:
        location.point.CopyFrom(GeoPoint(latitude=39.7, longitude=-105))
    return Stop(stop_id=stop_id, sequence=1, kind=kind, location=location)


class Loads:
    """Events of one load, numbered as the log numbers them."""

    def __init__(self, load_id: str = "L") -> None:
        self.load_id = load_id
        self.version = 0

    def event(self, body: Message, at: int) -> LoadEvent:
        self.version += 1
        event = KIND.wrap(body)
        event.load_id, event.version, event.occur_time.seconds = self.load_id, self.version, at
        return event

    def planned(self, *stops: Stop) -> LoadEvent:
        return self.event(LoadPlanned(load=Load(load_id=self.load_id, stops=stops)), 0)

    def assigned(self, vehicle: str, at: int, epoch: int = 1) -> LoadEvent:
        return self.event(LoadAssigned(assignment=turn(vehicle, at, epoch)), at)

    def dispatched(self, at: int) -> LoadEvent:
        return self.event(LoadDispatched(epoch=1), at)


def turn(vehicle: str, at: int, epoch: int) -> Assignment:
    found = Assignment(vehicle_id=vehicle, epoch=epoch)
    found.start_time.seconds = at
    return found


def on_the_road(*stops: Stop) -> tuple[RoadBook, Loads]:
    book, loads = RoadBook(radius_m=150), Loads()
    for event in (loads.planned(*stops), loads.assigned("V1", 10), loads.dispatched(20)):
        book.apply(event)
    return book, loads


def spans(book: RoadBook, vehicle: str) -> list[tuple[str, int, float, float]]:
    return [(fence.stop_id, fence.epoch, fence.start, fence.end) for fence in book.fences(vehicle)]


INF = float("inf")


def test_nothing_is_watched_before_dispatch() -> None:
    book, loads = RoadBook(radius_m=150), Loads()
    assert book.apply(loads.planned(stop("A"))) == set()
    assert book.apply(loads.assigned("V1", 10)) == {"V1"}
    assert book.fences("V1") == []
    assert book.apply(loads.dispatched(20)) == {"V1"}
    assert spans(book, "V1") == [("A", 1, 20, INF)]
    assert book.vehicles() == ["V1"]


def test_stops_have_their_kind_and_radius_and_those_without_a_place_are_not_watched() -> None:
    book, _ = on_the_road(
        stop("A", STOP_KIND_PICKUP), stop("B", radius=80), stop("C", place=False), stop("D", STOP_KIND_SERVICE)
    )
    assert [(f.stop_id, f.pickup, f.radius_m) for f in book.fences("V1")] == [("A", True, 150), ("B", False, 80)]


def test_a_reassignment_ends_one_epoch_and_begins_the_next() -> None:
    book, loads = on_the_road(stop("A"))
    assert book.apply(loads.event(LoadReassigned(assignment=turn("V2", 100, 2)), 100)) == {"V1", "V2"}
    assert spans(book, "V1") == [("A", 1, 20, 100)]
    assert spans(book, "V2") == [("A", 2, 100, INF)]
    book.apply(loads.event(LoadReassignmentFailed(reason="x"), 120))
    assert book.fences("V2") == []


def test_a_new_plan_ends_and_begins_stops() -> None:
    book, loads = on_the_road(stop("A"), stop("B"))
    book.apply(loads.event(LoadReplanned(plan_version=2, stops=[stop("B"), stop("C")]), 50))
    assert spans(book, "V1") == [("A", 1, 20, 50), ("B", 1, 20, INF), ("C", 1, 50, INF)]


def test_cancelling_ends_what_was_to_be_visited() -> None:
    book, loads = on_the_road(stop("A"), stop("B"))
    book.apply(loads.event(StopCancelled(stop_id="A"), 50))
    assert spans(book, "V1") == [("A", 1, 20, 50), ("B", 1, 20, INF)]
    book.apply(loads.event(LoadCancelled(reason="x"), 60))
    assert spans(book, "V1") == [("A", 1, 20, 50), ("B", 1, 20, 60)]


def test_a_known_event_and_one_that_says_nothing_of_stops_change_nothing() -> None:
    book, loads = on_the_road(stop("A"))
    first = Loads().planned(stop("Z"))
    assert book.apply(first) == set()
    assert book.apply(loads.event(LoadInterrupted(reason="x"), 30)) == set()
    assert spans(book, "V1") == [("A", 1, 20, INF)]


def test_an_assignment_taken_back_leaves_nothing() -> None:
    book, loads = RoadBook(radius_m=150), Loads()
    for event in (loads.planned(stop("A")), loads.assigned("V1", 10), loads.event(LoadUnassigned(reason="x"), 15)):
        book.apply(event)
    book.apply(loads.dispatched(20))
    assert book.fences("V1") == []


def test_loads_that_are_over_are_left_out_and_at_last_forgotten() -> None:
    book = RoadBook(radius_m=150, most_loads=2)
    for number in range(4):
        loads = Loads(f"L{number}")
        for event in (loads.planned(stop(f"S{number}")), loads.assigned("V1", 10), loads.dispatched(20)):
            book.apply(event)
        book.apply(loads.event(StopCompleted(stop_id=f"S{number}"), 100 + number))
        book.apply(loads.event(StopDeparted(stop_id=f"S{number}"), 100 + number))
    assert len(book) == 2
    assert [fence.stop_id for fence in book.fences("V1")] == ["S2", "S3"]
    assert [fence.stop_id for fence in book.fences("V1", since=103)] == ["S3"]
