"""The same positions, in any order and with any repetition, amount to the same arrivals and departures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.load.v1 import DeliveryEvent
from services.edge_gateway.geofence import Fence, FenceRules, Fix, Track, visits
from services.edge_gateway.milestones import Told, news

RULES = FenceRules()
DEGREE_M = 111_195.0
PICKUP = Fence("L", "P", 1, "V", True, 39.70, -105.0, 150.0, 0.0, float("inf"))
DELIVERY = replace(PICKUP, stop_id="D", pickup=False, latitude=39.72)
FENCES = [PICKUP, DELIVERY]


@st.composite
def journeys(draw: st.DrawFn) -> list[Fix]:
    """Legs of standing and driving between the two stops and elsewhere, one position every few seconds."""
    fixes: list[Fix] = []
    at = 1000
    for place in draw(st.lists(st.sampled_from([39.70, 39.7012, 39.7018, 39.71, 39.72]), min_size=1, max_size=6)):
        step = draw(st.sampled_from([5, 20, 45]))
        speed = draw(st.sampled_from([None, 0.0, 12.0]))
        for _ in range(draw(st.integers(1, 12))):
            fixes.append(Fix(float(at), f"f{len(fixes)}", place, -105.0, speed, at + 1.0, f"inbox:{len(fixes)}"))
            at += step
    return fixes


@st.composite
def arrivals_of(draw: st.DrawFn) -> tuple[list[Fix], list[Fix]]:
    """A journey, and the same positions as they might come in."""
    journey = draw(journeys())
    again = draw(st.lists(st.sampled_from(journey), max_size=10))
    return journey, draw(st.permutations([*journey, *again]))


def standing(events: Iterable[DeliveryEvent]) -> set[tuple[str, int, int]]:
    """What holds after all that was told: stop, milestone, second."""
    last: dict[tuple[str, int], DeliveryEvent] = {}
    for event in events:
        last[event.stop_id, event.milestone] = event
    return {
        (stop, milestone, event.occur_time.seconds)
        for (stop, milestone), event in last.items()
        if not event.retracts_event_id
    }


def tell(track: Track, told: Told) -> list[DeliveryEvent]:
    found = news(track.visits(), track.fences, told, region="us", tolerance_s=0.01)
    for event in found:
        told.learn(event)
    return found


@settings(max_examples=150, deadline=None)
@given(arrivals_of())
def test_visits_do_not_depend_on_the_order_of_arrival(case: tuple[list[Fix], list[Fix]]) -> None:
    journey, arriving = case
    track = Track(RULES)
    track.watch(FENCES)
    for fix in arriving:
        track.add(fix)
    assert track.visits() == visits(track.fences, journey, RULES)


@settings(max_examples=100, deadline=None)
@given(arrivals_of(), st.integers(0, 30))
def test_what_stands_after_telling_live_is_what_the_whole_amounts_to(
    case: tuple[list[Fix], list[Fix]], known_after: int
) -> None:
    journey, arriving = case
    whole = Track(RULES)
    whole.watch(FENCES)
    for fix in journey:
        whole.add(fix)
    expected = standing(tell(whole, Told()))

    live, told, events = Track(RULES), Told(), list[DeliveryEvent]()
    for number, fix in enumerate(arriving):
        if number == min(known_after, len(arriving) - 1):
            live.watch(FENCES)
        live.add(fix)
        events += tell(live, told)
    assert standing(events) == expected
    # A correction or retraction names what was told before it, and no id tells two things.
    ids = [event.delivery_event_id for event in events]
    for number, event in enumerate(events):
        for named in (event.corrects_event_id, event.retracts_event_id):
            assert not named or named in ids[:number]
    assert len(set(ids)) == len(ids)


@settings(max_examples=60, deadline=None)
@given(arrivals_of(), st.integers(1, 60))
def test_a_restart_in_the_middle_tells_nothing_new_of_what_was_told(
    case: tuple[list[Fix], list[Fix]], cut: int
) -> None:
    _, arriving = case
    before, told, events = Track(RULES), Told(), list[DeliveryEvent]()
    before.watch(FENCES)
    for fix in arriving[:cut]:
        before.add(fix)
        events += tell(before, told)
    after, relearned = Track(RULES), Told()
    for event in events:
        relearned.learn(event)
    for fix in arriving[:cut]:
        after.add(fix)
    after.watch(FENCES)
    assert tell(after, relearned) == []


@settings(max_examples=60, deadline=None)
@given(arrivals_of(), st.integers(3, 40))
def test_a_window_never_holds_more_than_its_bound(case: tuple[list[Fix], list[Fix]], most: int) -> None:
    _, arriving = case
    track = Track(RULES, most_fixes=most)
    track.watch(FENCES)
    for fix in arriving:
        track.add(fix)
        assert len(track._fixes) <= most
        assert len(track._fixes) == len(track._states) == len(track._ids)
