"""What a load answers: plan, assignment, dispatch, and facts from the road."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import given
from logistics.exception.v1 import Gate
from logistics.load.v1 import (
    ApplyLoadHold,
    ApproachStop,
    ArriveStop,
    AssignLoad,
    BeginStopService,
    ConfirmLoadCancel,
    DispatchLoad,
    DropOrder,
    InterruptLoad,
    LiftLoadHold,
    Load,
    LoadEvent,
    LoadState,
    PlanLoad,
    ReplanLoad,
    ResumeLoad,
    SkipStop,
    StopKind,
    StopOutcome,
    StopState,
    StopTask,
    UnassignLoad,
)
from logistics.type.v1 import Classifier
from services.orchestrator.deciders import load
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    LOAD,
    NEWER_POD,
    ORDER,
    OTHER_ORDER,
    PICKUP,
    POD,
    SECOND,
    ask_load,
    at,
    crew,
    outcome,
    pieces,
    task,
    truck,
    when,
)
from tests.unit.orchestrator.deciders.load_story import (
    ASSIGN,
    ASSIGNED,
    AT_FIRST,
    AT_PICKUP,
    AT_SECOND,
    BETWEEN,
    CANCEL,
    DISPATCH,
    DISPATCHED,
    DISPATCHED_EVENTS,
    DONE,
    ESTIMATED,
    FULL_FIRST,
    LOADED,
    PLAN,
    PLANNED,
    ROLLING,
    SERVED_FIRST,
    Past,
    after,
    arrive,
    complete,
    depart,
    fail,
    history,
    shared,
    shown,
    state_of,
    stop_at,
    stop_state,
)


def test_a_load_goes_from_plan_to_completion() -> None:
    told = [PLANNED, ASSIGNED, DISPATCHED, AT_PICKUP, LOADED, ROLLING, AT_FIRST, SERVED_FIRST, BETWEEN, AT_SECOND, DONE]
    assert [state_of(past) for past in told] == [
        "PLANNED", "ASSIGNED", "DISPATCHED", "AT_PICKUP", "AT_PICKUP", "IN_TRANSIT", "AT_DELIVERY", "AT_DELIVERY",
        "IN_TRANSIT", "AT_DELIVERY", "COMPLETED",
    ]  # fmt: skip
    outcomes = [StopOutcome.Name(stop.outcome) for stop in shown(DONE).stops]
    assert outcomes == ["STOP_OUTCOME_SUCCEEDED", "STOP_OUTCOME_SUCCEEDED", "STOP_OUTCOME_PARTIAL"]
    assert [task.actual.value for task in stop_at(DONE, PICKUP).tasks] == ["10", "4"]
    assert list(shown(DONE).order_ids) == [ORDER]
    assert shown(DONE).dispatch_reference == "D-1"


def test_a_fact_happened_when_it_says() -> None:
    decided = load.DECIDER.decide(DISPATCHED.state, ask_load(arrive(PICKUP, 10)))
    assert isinstance(decided, LoadEvent)
    assert decided.occur_time == at(10)
    assert decided.classifier == Classifier.CLASSIFIER_ACTUAL
    assert decided.stop_arrived.epoch == 1


@pytest.mark.parametrize(
    ("past", "wish"),
    [
        (PLANNED, PLAN),
        (DONE, PLAN),
        (ASSIGNED, ASSIGN),
        (PLANNED, UnassignLoad()),
        (DISPATCHED, DISPATCH),
        (DONE, DISPATCH),
        (AT_PICKUP, arrive(PICKUP, 10)),
        (AT_PICKUP, ApproachStop(stop_id=PICKUP, time=when(4))),
        (DONE, ApproachStop(stop_id=FIRST, time=when(40))),
        (LOADED, complete(PICKUP, 20, source="driver_scan")),
        (SERVED_FIRST, FULL_FIRST),
        (DONE, FULL_FIRST),
        (DONE, depart(SECOND, 120)),
        (after(fail(FIRST, 60), past=ROLLING), fail(FIRST, 60)),
        (after(InterruptLoad(reason="flat tyre"), past=ROLLING), InterruptLoad(reason="flat tyre")),
        (ROLLING, ResumeLoad()),
        (after(CANCEL, past=PLANNED), CANCEL),
        (after(CANCEL, past=DISPATCHED), CANCEL),
        (after(CANCEL, past=PLANNED), DropOrder(order_id=ORDER)),
        (PLANNED, DropOrder(order_id=OTHER_ORDER)),
        (PLANNED, LiftLoadHold(hold_id=HOLD)),
    ],
)
def test_what_is_already_so_is_nothing_new(past: Past, wish: Message) -> None:
    past.when(ask_load(wish)).then_nothing()


def changed(**fields: Any) -> Load:
    other = truck()
    for name, value in fields.items():
        setattr(other.stops[1], name, value)
    return other


@pytest.mark.parametrize(
    ("past", "wish", "reason"),
    [
        (given(load.DECIDER), CANCEL, "LOAD_NOT_FOUND"),
        (given(load.DECIDER), PlanLoad(load=changed(sequence=3)), "CONTRACT_VIOLATION"),
        (given(load.DECIDER), PlanLoad(load=changed(stop_id=PICKUP)), "CONTRACT_VIOLATION"),
        (given(load.DECIDER), PlanLoad(load=changed(state=StopState.STOP_STATE_ARRIVED)), "CONTRACT_VIOLATION"),
        (given(load.DECIDER), PlanLoad(load=changed(kind=StopKind.STOP_KIND_SERVICE)), "NOT_SUPPORTED"),
        (PLANNED, PlanLoad(load=shared()), "REFERENCE_CONFLICT"),
        (PLANNED, AssignLoad(assignment=crew(epoch=2)), "EPOCH_MISMATCH"),
        (ASSIGNED, AssignLoad(assignment=crew(epoch=1, vehicle="truck-2")), "EPOCH_MISMATCH"),
        (ASSIGNED, AssignLoad(assignment=crew(epoch=2, start=-10)), "CONTRACT_VIOLATION"),
        (DISPATCHED, AssignLoad(assignment=crew(epoch=2)), "TRANSITION_NOT_ALLOWED"),
        (DISPATCHED, UnassignLoad(), "TRANSITION_NOT_ALLOWED"),
        (PLANNED, DISPATCH, "TRANSITION_NOT_ALLOWED"),
        (ASSIGNED, DispatchLoad(epoch=2), "EPOCH_MISMATCH"),
        (DISPATCHED, DispatchLoad(dispatch_reference="D-2", epoch=1), "REFERENCE_CONFLICT"),
        (after(ApplyLoadHold(hold_id=HOLD, gates=[Gate.GATE_DISPATCH]), past=ASSIGNED), DISPATCH, "HOLD_BLOCKS"),
        (ASSIGNED, arrive(PICKUP, 10), "TRANSITION_NOT_ALLOWED"),
        (DISPATCHED, arrive(POD, 10), "STOP_NOT_FOUND"),
        (DISPATCHED, arrive(PICKUP, -30), "EPOCH_MISMATCH"),
        (DISPATCHED, arrive(PICKUP, 10, epoch=2), "EPOCH_MISMATCH"),
        (DISPATCHED, ArriveStop(stop_id=PICKUP, time=ESTIMATED), "CONTRACT_VIOLATION"),
        (AT_FIRST, complete(FIRST, 70), "POD_LINES_DO_NOT_ADD_UP"),
        (AT_FIRST, complete(FIRST, 70, outcome("a", 10), outcome("b", 4)), "POD_LINES_DO_NOT_ADD_UP"),
        (AT_FIRST, complete(FIRST, 70, outcome("a", 10, 1)), "QUANTITY_EXCEEDED"),
        (AT_FIRST, complete(FIRST, 70, task("a", 10)), "CONTRACT_VIOLATION"),
        (SERVED_FIRST, complete(FIRST, 71, outcome("a", 9, 1), pod_id=POD), "MESSAGE_CONFLICT"),
        (after(fail(FIRST, 60), past=ROLLING), FULL_FIRST, "TRANSITION_NOT_ALLOWED"),
        (SERVED_FIRST, fail(FIRST, 75), "TRANSITION_NOT_ALLOWED"),
        (SERVED_FIRST, SkipStop(stop_id=FIRST, time=when(75)), "TRANSITION_NOT_ALLOWED"),
        (ROLLING, DropOrder(order_id=ORDER), "CANCEL_NOT_POSSIBLE"),
        (ROLLING, CANCEL, "CANCEL_NOT_POSSIBLE"),
        (DONE, CANCEL, "CANCEL_NOT_POSSIBLE"),
        (PLANNED, ConfirmLoadCancel(), "TRANSITION_NOT_ALLOWED"),
        (after(CANCEL, past=ASSIGNED), arrive(PICKUP, 10), "TRANSITION_NOT_ALLOWED"),
        (PLANNED, InterruptLoad(), "TRANSITION_NOT_ALLOWED"),
        (DONE, ReplanLoad(expected_plan_version=1, stops=truck().stops), "TRANSITION_NOT_ALLOWED"),
        (ASSIGNED, ReplanLoad(expected_plan_version=2, stops=truck().stops), "PLAN_VERSION_CONFLICT"),
        (ROLLING, ReplanLoad(expected_plan_version=1, stops=truck().stops[1:]), "CONTRACT_VIOLATION"),
    ],
)
def test_what_must_not_be_is_refused_with_a_remedy(past: Past, wish: Message, reason: str) -> None:
    refusal = past.when(ask_load(wish)).then_rejected(reason)
    assert len(refusal.message) > 20


def test_a_delivery_before_its_pickup_is_no_plan() -> None:
    backwards = truck()
    backwards.stops[0].sequence, backwards.stops[1].sequence = 2, 1
    refusal = given(load.DECIDER).when(ask_load(PlanLoad(load=backwards))).then_rejected("CONTRACT_VIOLATION")
    assert refusal.metadata["line_id"] == "a"


def test_an_assignment_ends_when_the_next_begins() -> None:
    twice = after(AssignLoad(assignment=crew(epoch=2, vehicle="truck-2", start=5)), past=ASSIGNED)
    first, second = shown(twice).assignments
    assert (first.end_time, second.HasField("end_time")) == (at(5), False)
    driving = after(DispatchLoad(dispatch_reference="D-2", epoch=2), past=twice)
    driving.when(ask_load(arrive(PICKUP, 10, epoch=1))).then_rejected("EPOCH_MISMATCH")
    assert state_of(after(arrive(PICKUP, 10, epoch=2), past=driving)) == "AT_PICKUP"
    # A fact from the time of the first truck stays with the first truck, however late it comes.
    early = driving.when(ask_load(arrive(PICKUP, 2))).then_event("late_fact_recorded")
    assert [(fact.name, fact.time.time) for fact in shown(early).assignments[0].facts] == [("arrival", at(2))]
    assert (stop_state(early, PICKUP), state_of(early)) == ("PLANNED", "DISPATCHED")


class TestLateFacts:
    def test_a_departure_tells_what_nobody_told(self) -> None:
        gone = DISPATCHED.when(ask_load(depart(PICKUP, 30)))
        past = gone.then_event("stop_departed")
        stop = stop_at(past, PICKUP)
        assert (stop_state(past, PICKUP), state_of(past)) == ("DEPARTED", "IN_TRANSIT")
        assert stop.arrival.classifier == stop.completion.classifier == Classifier.CLASSIFIER_INFERRED
        assert [task.actual.value for task in stop.tasks] == ["10", "4"]

    def test_a_delivery_left_without_a_word_is_completed_by_inference_but_not_delivered(self) -> None:
        decided = load.DECIDER.decide(AT_FIRST.state, ask_load(depart(FIRST, 80)))
        assert isinstance(decided, LoadEvent)
        assert decided.stop_departed.completion_inferred
        assert not decided.stop_departed.arrival_inferred
        past = after(depart(FIRST, 80), past=AT_FIRST)
        assert not stop_at(past, FIRST).tasks[0].HasField("actual")
        proved = after(FULL_FIRST, past=past)
        assert (stop_state(proved, FIRST), state_of(proved)) == ("DEPARTED", "IN_TRANSIT")
        assert stop_at(proved, FIRST).tasks[0].accepted.value == "10"

    def test_an_arrival_that_comes_late_fills_the_gap(self) -> None:
        past = after(depart(PICKUP, 30), arrive(PICKUP, 10), past=DISPATCHED)
        assert (stop_state(past, PICKUP), state_of(past)) == ("DEPARTED", "IN_TRANSIT")
        assert stop_at(past, PICKUP).arrival.time == at(10)

    def test_a_better_source_corrects_and_names_what_it_corrects(self) -> None:
        told = given(load.DECIDER, *history(DISPATCHED_EVENTS, arrive(PICKUP, 10)))
        decided = load.DECIDER.decide(told.state, ask_load(arrive(PICKUP, 12, "driver_scan")))
        assert isinstance(decided, LoadEvent)
        assert decided.corrects_event_id == "event-4"

    def test_after_completion_facts_change_times_and_nothing_else(self) -> None:
        late = after(arrive(FIRST, 58, "driver_scan"), past=DONE)
        late = after(BeginStopService(stop_id=FIRST, time=when(61)), past=late)
        assert state_of(late) == "COMPLETED"
        assert stop_at(late, FIRST).arrival.time == at(58)

    def test_the_newest_proof_counts(self) -> None:
        newer = after(complete(FIRST, 75, outcome("a", 9, 1), pod_id=NEWER_POD), past=SERVED_FIRST)
        assert list(stop_at(newer, FIRST).pod_ids) == [POD, NEWER_POD]
        assert stop_at(newer, FIRST).outcome == StopOutcome.STOP_OUTCOME_PARTIAL
        newer.when(ask_load(FULL_FIRST)).then_nothing()

    def test_the_vehicle_stays_where_it_is_newest_known(self) -> None:
        """A pickup's departure that comes after the arrival at the delivery does not move the truck back."""
        ahead = after(arrive(FIRST, 60), past=LOADED)
        assert state_of(ahead) == "AT_DELIVERY"
        assert state_of(after(depart(PICKUP, 30), past=ahead)) == "AT_DELIVERY"


@pytest.mark.parametrize(
    ("accepted", "rejected", "expected"),
    [(10, 0, "SUCCEEDED"), (9, 1, "PARTIAL"), (9, 0, "PARTIAL"), (0, 10, "REFUSED"), (0, 0, "FAILED")],
)
def test_how_a_stop_ended_follows_from_its_quantities(accepted: int, rejected: int, expected: str) -> None:
    past = after(complete(FIRST, 70, outcome("a", accepted, rejected), pod_id=POD), past=AT_FIRST)
    assert StopOutcome.Name(stop_at(past, FIRST).outcome) == f"STOP_OUTCOME_{expected}"


def test_a_pickup_may_fall_short() -> None:
    short = [StopTask(order_id=ORDER, line_id=line, actual=pieces(count)) for line, count in (("a", 8), ("b", 4))]
    past = after(complete(PICKUP, 20, *short), past=AT_PICKUP)
    assert stop_at(past, PICKUP).outcome == StopOutcome.STOP_OUTCOME_PARTIAL
    over = [StopTask(order_id=ORDER, line_id=line, actual=pieces(11)) for line in ("a", "b")]
    AT_PICKUP.when(ask_load(complete(PICKUP, 20, *over))).then_rejected("QUANTITY_EXCEEDED")


def test_stops_that_fail_or_are_skipped_end_the_load_too() -> None:
    skipped = after(fail(FIRST, 60), SkipStop(stop_id=SECOND, time=when(61), reason="refused"), past=ROLLING)
    assert state_of(skipped) == "COMPLETED"
    assert (stop_state(skipped, FIRST), stop_state(skipped, SECOND)) == ("FAILED", "SKIPPED")


def test_planning_compares_content_not_bookkeeping() -> None:
    again = truck()
    again.version, again.state = 7, LoadState.LOAD_STATE_COMPLETED
    DONE.when(ask_load(PlanLoad(load=again))).then_nothing()
    assert shown(DONE).load_id == LOAD
