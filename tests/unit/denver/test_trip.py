"""Trips along the recorded tracks, and what trackers make of them."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from itertools import pairwise

import pytest

from deploy.tryton.denver import BANNOCK, HAMPDEN, delivery_places
from deploy.tryton.denver import Place as Known
from examples.denver.noise import HELD_BACK, Kind, disturb
from examples.denver.roads import Place, Roads, denver, distance_m
from examples.denver.trip import PROOF_AFTER_S, STAND_S, Call, Trip, merge, plan_trip
from examples.denver.wire import Tracker, osmand_query, traccar_json

SEEDS = range(5)


def place(known: Known) -> Place:
    assert known.latitude is not None
    assert known.longitude is not None
    return Place(float(known.latitude), float(known.longitude))


def calls(*codes: str, start: Known = HAMPDEN.place) -> list[Call]:
    stops = [Call(place(delivery_places()[code]), (code,), (code,)) for code in codes]
    return [Call(place(start), ("pickup",), ()), *stops]


def trip(*codes: str, seed: int = 1, start: Known = HAMPDEN.place) -> Trip:
    return plan_trip(merge(calls(*codes, start=start)), denver(), random.Random(seed))


@pytest.mark.parametrize(
    ("codes", "start", "seconds"),
    [(("C1001-D1",), HAMPDEN.place, 374), (("C1006-D1",), HAMPDEN.place, 598), (("C1004-D1",), BANNOCK.place, 308)],
)
def test_a_way_along_a_track_takes_as_long_as_it_was_driven(codes: tuple[str], start: Known, seconds: int) -> None:
    way = denver().way(place(start), place(delivery_places()[codes[0]]))
    assert sum(point.seconds for point in way) == pytest.approx(seconds, abs=40)  # without the stand at its end


def test_stops_out_of_track_order_and_on_other_tracks_are_reached() -> None:
    made = trip("C1003-D1", "C1001-D1", "C1005-D2", "C1006-D1")
    assert len(made.stands) == 5
    for (start, _), code in zip(made.stands[1:], ("C1003-D1", "C1001-D1", "C1005-D2", "C1006-D1"), strict=True):
        near = min(made.fixes, key=lambda fix: abs(fix.at - start - 10))
        assert distance_m(near.place, place(delivery_places()[code])) < 60


@pytest.mark.parametrize("seed", SEEDS)
def test_no_vehicle_jumps_and_time_only_goes_on(seed: int) -> None:
    made = trip("C1001-D1", "C1002-D1", "C1002-D2", "C1006-D1", seed=seed)
    for before, after in pairwise(made.fixes):
        assert after.at > before.at
        assert distance_m(before.place, after.place) <= 45 * (after.at - before.at) + 20


def test_it_stands_long_enough_signs_while_it_stands_and_leaves() -> None:
    made = trip("C1001-D1")
    (_, (start, end)) = made.stands
    assert end - start == STAND_S
    assert [proof.at - start for proof in made.proofs] == [PROOF_AFTER_S]
    assert distance_m(made.fixes[-1].place, place(delivery_places()["C1001-D1"])) > 400


def test_two_orders_of_one_customer_are_one_call() -> None:
    there = place(delivery_places()["C1001-D1"])
    assert merge([Call(there, ("a",), ("a",)), Call(there, ("b",), ("b",))]) == [Call(there, ("a", "b"), ("a", "b"))]


def test_a_place_off_the_roads_is_driven_to_straight() -> None:
    roads = Roads.of([[Place(39.7, -104.9), Place(39.7001, -104.9)]])
    way = roads.way(Place(39.7, -104.9), Place(39.75, -104.9))
    assert way[-1].place == Place(39.75, -104.9)
    assert sum(point.seconds for point in way) == pytest.approx(556, abs=2)


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_loses_nothing_and_lies_twice(seed: int) -> None:
    made = trip("C1001-D1", "C1003-D1", seed=seed)
    sent = disturb(made, random.Random(seed))
    kinds = Counter(each.kind for each in sent)
    assert {fix.at for fix in made.fixes} <= {each.fix.at for each in sent}
    assert kinds[Kind.FUTURE] == kinds[Kind.NOWHERE] == 1
    assert kinds[Kind.BUFFERED] == HELD_BACK
    assert [each.at for each in sent] == sorted(each.at for each in sent)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_position_sent_again_is_the_same_message(seed: int) -> None:
    tracker, begin = Tracker("traccar", "860000000000102", 2), dt.datetime(2026, 1, 5, 15, tzinfo=dt.UTC)
    seen: dict[object, dict[str, object]] = {}
    for each in disturb(trip("C1001-D1", "C1006-D1", seed=seed), random.Random(seed)):
        moment = begin + dt.timedelta(seconds=each.fix.at)
        message = traccar_json(tracker, each.fix, moment, buffered=each.buffered)
        assert seen.setdefault(message["position"]["id"], message) == message
        assert osmand_query(tracker, each.fix, moment)["timestamp"] == str(int(moment.timestamp()))
