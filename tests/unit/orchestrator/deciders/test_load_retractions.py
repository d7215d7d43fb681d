"""Words about a stop that are better, worse, put right or taken back (domain reference 3.7 rules 5 to 7)."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.load.v1 import ArriveStop, CompleteStop, DepartStop, RetractStopFact, StopTime
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    NEWER_POD,
    PICKUP,
    POD,
    SECOND,
    ask_load,
    outcome,
    when,
)
from tests.unit.orchestrator.deciders.load_story import (
    AT_FIRST,
    AT_PICKUP,
    DISPATCHED,
    DONE,
    LOADED,
    PLANNED,
    ROLLING,
    SERVED_FIRST,
    Past,
    after,
    arrive,
    complete,
    depart,
    fail,
    state_of,
    stop_at,
    stop_state,
)


def gone(stop_id: str, *evidence: str) -> RetractStopFact:
    return RetractStopFact(stop_id=stop_id, evidence_ids=evidence, reason="the source took it back")


def right(wish: ArriveStop | DepartStop, wrong: str) -> Message:
    wish.time.corrects_evidence_id = wrong
    return wish


def told(past: Past, wish: Message) -> Past:
    """The load after a wish, whether it made something new true or not."""
    decided = past.decider.decide(past.state, ask_load(wish))
    return past if decided is None else past.and_given(decided)


def minute(time: StopTime) -> str:
    return time.evidence_id


def test_a_weaker_word_is_kept_once_and_changes_nothing() -> None:
    late = AT_PICKUP.when(ask_load(arrive(PICKUP, 12))).then_event("stop_fact_noted")
    assert stop_at(late, PICKUP) == stop_at(AT_PICKUP, PICKUP)
    late.when(ask_load(arrive(PICKUP, 12))).then_nothing()
    late.when(ask_load(arrive(PICKUP, 5, "pod"))).then_event("stop_fact_noted")
    done = SERVED_FIRST.when(ask_load(complete(FIRST, 69, outcome("a", 0), source="driver_scan")))
    assert stop_at(done.then_event("stop_fact_noted"), FIRST) == stop_at(SERVED_FIRST, FIRST)


def test_a_word_without_evidence_is_not_kept() -> None:
    nameless = ArriveStop(stop_id=PICKUP, time=when(12))
    nameless.time.ClearField("evidence_id")
    AT_PICKUP.when(ask_load(nameless)).then_nothing()


def test_a_word_taken_back_leaves_what_others_had_told() -> None:
    both = after(arrive(PICKUP, 12), past=AT_PICKUP)
    left = after(gone(PICKUP, "geofence@10"), past=both)
    assert minute(stop_at(left, PICKUP).arrival) == "geofence@12"
    assert (stop_state(left, PICKUP), state_of(left)) == ("ARRIVED", "AT_PICKUP")


def test_the_last_word_taken_back_takes_the_stop_back() -> None:
    left = after(gone(PICKUP, "geofence@10"), past=AT_PICKUP)
    assert not stop_at(left, PICKUP).HasField("arrival")
    assert (stop_state(left, PICKUP), state_of(left)) == ("PLANNED", "DISPATCHED")


def test_a_departure_taken_back_takes_back_what_was_inferred_from_it() -> None:
    unseen = after(depart(PICKUP, 30), past=DISPATCHED)
    assert stop_at(unseen, PICKUP).HasField("completion")
    left = after(gone(PICKUP, "geofence@30"), past=unseen)
    assert not any(task.HasField("actual") for task in stop_at(left, PICKUP).tasks)
    assert (stop_state(left, PICKUP), state_of(left)) == ("PLANNED", "DISPATCHED")
    seen = after(gone(PICKUP, "geofence@30"), past=ROLLING)
    assert (stop_state(seen, PICKUP), state_of(seen)) == ("COMPLETED", "AT_PICKUP")


def test_a_proof_taken_back_gives_way_to_the_one_before() -> None:
    twice = after(complete(FIRST, 75, outcome("a", 8, 2), pod_id=NEWER_POD), past=SERVED_FIRST)
    left = after(gone(FIRST, "pod@75"), past=twice)
    assert list(stop_at(left, FIRST).pod_ids) == [POD]
    assert stop_at(left, FIRST).tasks[0].accepted.value == "10"
    none = after(gone(FIRST, "pod@70"), past=left)
    assert not stop_at(none, FIRST).pod_ids
    assert not stop_at(none, FIRST).tasks[0].HasField("accepted")
    assert stop_state(none, FIRST) == "ARRIVED"


def test_what_is_taken_back_before_it_comes_never_counts() -> None:
    before = after(gone(FIRST, "geofence@60"), past=ROLLING)
    before.when(ask_load(gone(FIRST, "geofence@60"))).then_nothing()
    before.when(ask_load(arrive(FIRST, 60))).then_nothing()
    assert stop_state(told(before, arrive(FIRST, 61)), FIRST) == "ARRIVED"


def test_a_correction_counts_although_it_is_later_whichever_comes_first() -> None:
    wish = right(arrive(PICKUP, 14), "geofence@10")
    behind = after(wish, past=AT_PICKUP)
    ahead = told(after(wish, past=DISPATCHED), arrive(PICKUP, 10))
    for past in (behind, ahead):
        assert minute(stop_at(past, PICKUP).arrival) == "geofence@14"
        assert state_of(past) == "AT_PICKUP"


def test_a_correction_of_a_weaker_source_does_not_displace_a_better_one() -> None:
    scanned = after(arrive(PICKUP, 11, "driver_scan"), past=AT_PICKUP)
    noted = scanned.when(ask_load(right(arrive(PICKUP, 14), "geofence@10"))).then_event("stop_fact_noted")
    assert minute(stop_at(noted, PICKUP).arrival) == "driver_scan@11"
    left = after(gone(PICKUP, "driver_scan@11"), past=noted)
    assert minute(stop_at(left, PICKUP).arrival) == "geofence@14"


def test_the_end_of_a_load_is_not_undone() -> None:
    refusal = DONE.when(ask_load(gone(SECOND, "geofence@120"))).then_rejected("TRANSITION_NOT_ALLOWED")
    assert "plan another load" in refusal.metadata["remedy"]
    left = after(gone(SECOND, "geofence@100"), past=DONE)
    assert (stop_state(left, SECOND), state_of(left)) == ("DEPARTED", "COMPLETED")


def test_a_failed_attempt_is_for_a_person() -> None:
    failed = after(fail(FIRST, 65), past=AT_FIRST)
    failed.when(ask_load(gone(FIRST, "geofence@65"))).then_rejected("TRANSITION_NOT_ALLOWED")
    left = after(gone(FIRST, "geofence@60"), past=failed)
    assert stop_state(left, FIRST) == "FAILED"
    assert not stop_at(left, FIRST).HasField("arrival")


def test_a_retraction_needs_a_stop_and_a_load_on_the_road() -> None:
    AT_FIRST.when(ask_load(gone(HOLD, "geofence@60"))).then_rejected("STOP_NOT_FOUND")
    PLANNED.when(ask_load(gone(FIRST, "geofence@60"))).then_rejected("TRANSITION_NOT_ALLOWED")


def test_an_unloaded_pickup_is_told_anew() -> None:
    work = CompleteStop(stop_id=PICKUP, time=when(22, "driver_scan"))
    left = after(gone(PICKUP, "driver_scan@20"), past=LOADED)
    assert stop_state(left, PICKUP) == "ARRIVED"
    assert stop_state(after(work, past=left), PICKUP) == "COMPLETED"
