"""What is told of visits: once, put right when it moves, taken back when it was not so."""

from __future__ import annotations

from logistics.load.v1 import DELIVERY_EVENT_SOURCE_EDI, DeliveryEvent
from services.edge_gateway.geofence import FenceRules, Fix, visits
from services.edge_gateway.milestones import Told, news, subject_of, token_of
from tests.unit.edge_gateway.test_geofence import FENCE, RULES, stay


def tell(told: Told, fixes: list[Fix], tolerance_s: float = 1.0, rules: FenceRules = RULES) -> list[DeliveryEvent]:
    found = news(visits([FENCE], fixes, rules), [FENCE], told, region="us", tolerance_s=tolerance_s)
    for event in found:
        told.learn(event)
    return found


TRIP = [*stay(100, 300), *stay(310, 400, 1000)]


def test_a_visit_is_told_once_with_its_evidence() -> None:
    told = Told()
    arrived, departed = tell(told, TRIP)
    assert [token_of(event.milestone) for event in (arrived, departed)] == ["arrived_pickup", "departed_pickup"]
    assert arrived.occur_time.seconds == 100
    assert list(arrived.evidence) == ["inbox:100", "inbox:220"]
    assert subject_of(departed) == "logistics.observation.us.L.departed_pickup"
    assert tell(told, TRIP) == []


def test_the_id_follows_from_what_is_told() -> None:
    first, again = tell(Told(), TRIP), tell(Told(), TRIP)
    assert first == again
    assert len({event.delivery_event_id for event in first}) == 2


def test_a_time_that_moves_is_corrected_and_the_correction_names_what_it_corrects() -> None:
    told = Told()
    arrived, _ = tell(told, TRIP)
    (correction,) = tell(told, [*stay(50, 90), *TRIP])
    assert correction.occur_time.seconds == 50
    assert correction.corrects_event_id == arrived.delivery_event_id
    (back,) = tell(told, TRIP)
    assert back.corrects_event_id == correction.delivery_event_id
    assert back.delivery_event_id != arrived.delivery_event_id


def test_within_the_tolerance_nothing_is_told() -> None:
    told = Told()
    tell(told, TRIP)
    assert tell(told, [*stay(50, 90), *TRIP], tolerance_s=60) == []


def test_a_visit_that_was_none_is_retracted_and_may_come_back() -> None:
    told = Told()
    arrived, departed = tell(told, [*stay(100, 220, step=120), *stay(230, 400, 1000)])
    late = [*stay(100, 220, step=120), *stay(150, 160, 900), *stay(230, 400, 1000)]
    retractions = tell(told, late)
    assert {event.retracts_event_id for event in retractions} == {
        arrived.delivery_event_id,
        departed.delivery_event_id,
    }
    assert tell(told, late) == []
    again = tell(told, [*late, *stay(1000, 1300)])
    assert again[0].occur_time.seconds == 1000
    assert again[0].delivery_event_id != arrived.delivery_event_id


def test_what_rests_on_forgotten_positions_is_left_alone() -> None:
    told = Told()
    tell(told, TRIP)
    told.known_from = 500
    assert tell(told, []) == []
    assert tell(told, stay(600, 900)) == []


def test_only_our_own_events_are_ours_to_put_right() -> None:
    told = Told()
    foreign, _ = tell(Told(), TRIP)
    foreign.source = DELIVERY_EVENT_SOURCE_EDI
    told.learn(foreign)
    assert len(told) == 0
    tell(told, TRIP)
    told.keep_only([])
    assert len(told) == 0
