"""What a load answers when its vehicle cannot go on: another one, its dispatch, the goods, and late words."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given as explore
from hypothesis import settings
from hypothesis import strategies as st

from gladhand.decider import Rejected
from logistics.load.v1 import (
    ApproachStop,
    BeginStopService,
    CancelLoad,
    CheckHours,
    DispatchLoad,
    FailReassignment,
    FailStop,
    HandOverLoad,
    HoursCheck,
    HoursVerdict,
    InterruptLoad,
    Load,
    OverrideHours,
    ReassignLoad,
    Reassignment,
    RequestReassignment,
    ResumeLoad,
    StopTask,
)
from services.orchestrator.deciders import load
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    ORDER,
    PICKUP,
    POD,
    SECOND,
    ask_load,
    at,
    crew,
    outcome,
    pieces,
    when,
)
from tests.unit.orchestrator.deciders.load_story import (
    ASSIGNED,
    BETWEEN,
    DISPATCHED,
    FULL_FIRST,
    ROLLING,
    Past,
    after,
    arrive,
    complete,
    depart,
    shown,
    state_of,
    stop_at,
    stop_state,
)

BROKEN = InterruptLoad(reason="MECHANICAL_BREAKDOWN", exception_id="018f0000-0000-7000-8000-0000000000ff")


def wanted(vehicle: str = "truck-2", epoch: int = 1) -> RequestReassignment:
    return RequestReassignment(
        reassignment=Reassignment(expected_epoch=epoch, vehicle_id=vehicle, driver_id="driver-2", reason="breakdown")
    )


def taken(epoch: int = 2, vehicle: str = "truck-2", start: float = 90) -> ReassignLoad:
    assignment = crew(epoch=epoch, vehicle=vehicle, start=start)
    assignment.driver_ids[:] = ["driver-2"]
    return ReassignLoad(assignment=assignment)


SENT = DispatchLoad(dispatch_reference="D-2", epoch=2)
HANDED = HandOverLoad(time=at(95))

STOPPED = after(BROKEN, past=BETWEEN)
ASKED = after(wanted(), past=STOPPED)
NAMED = after(taken(), past=ASKED)
COMING = after(SENT, past=NAMED)
OVER = after(HANDED, past=COMING)


def line(line_id: str, count: int) -> StopTask:
    return StopTask(order_id=ORDER, line_id=line_id, actual=pieces(count))


class TestAnotherVehicle:
    def test_it_is_asked_for_assigned_sent_and_given_the_goods(self) -> None:
        assert [state_of(past) for past in (STOPPED, ASKED, NAMED, COMING, OVER)] == [
            "INTERRUPTED", "INTERRUPTED", "REASSIGNING", "REASSIGNING", "IN_TRANSIT",
        ]  # fmt: skip
        old, new = shown(OVER).assignments
        assert (old.end_time, old.dispatch_reference, new.dispatch_reference) == (at(90), "D-1", "D-2")
        assert shown(OVER).dispatch_reference == "D-2"
        [passed] = shown(OVER).custody
        assert [(task.line_id, task.actual.value) for task in passed.tasks] == [("b", "4")]
        assert (passed.from_epoch, passed.to_epoch, passed.time) == (1, 2, at(95))

    @pytest.mark.parametrize(
        ("past", "wish"), [(ASKED, wanted()), (NAMED, taken()), (COMING, SENT), (OVER, HANDED), (OVER, SENT)]
    )
    def test_each_step_told_again_is_nothing(self, past: Past, wish: Message) -> None:
        past.when(ask_load(wish)).then_nothing()

    @pytest.mark.parametrize("past", [ASKED, NAMED, COMING, after(FailReassignment(reason="no"), past=NAMED)])
    def test_the_old_vehicle_never_goes_on_beside_the_new_one(self, past: Past) -> None:
        past.when(ask_load(ResumeLoad())).then_rejected("TRANSITION_NOT_ALLOWED")

    def test_a_refusal_before_the_fleet_changed_anything_lets_the_old_vehicle_go_on(self) -> None:
        refused = after(FailReassignment(reason="truck-2 is taken"), past=ASKED)
        assert state_of(after(ResumeLoad(), past=refused)) == "IN_TRANSIT"

    def test_a_dispatch_that_fails_leaves_the_load_waiting_and_its_assignment_may_be_taken_up_again(self) -> None:
        failed = after(FailReassignment(reason="does not start"), past=NAMED)
        assert (state_of(failed), shown(failed).HasField("reassignment")) == ("INTERRUPTED", False)
        failed.when(ask_load(FailReassignment(reason="does not start"))).then_nothing()
        again = after(wanted(epoch=2), taken(), SENT, HANDED, past=failed)
        assert (state_of(again), [each.epoch for each in shown(again).assignments]) == ("IN_TRANSIT", [1, 2])
        third = after(wanted("truck-3", epoch=2), taken(3, "truck-3", 92), past=failed)
        assert [each.epoch for each in shown(third).assignments] == [1, 2, 3]

    def test_the_new_vehicle_may_break_down_before_it_has_the_goods(self) -> None:
        again = after(BROKEN, past=COMING)
        assert state_of(again) == "INTERRUPTED"
        again.when(ask_load(ResumeLoad())).then_rejected("TRANSITION_NOT_ALLOWED")
        back = after(wanted("truck-1", epoch=2), taken(3, "truck-1", 93), past=again)
        on = after(DispatchLoad(dispatch_reference="D-3", epoch=3), HANDED, past=back)
        assert (state_of(on), shown(on).custody[0].from_epoch) == ("IN_TRANSIT", 1)

    @pytest.mark.parametrize(
        ("past", "wish", "reason"),
        [
            (BETWEEN, wanted(), "TRANSITION_NOT_ALLOWED"),
            (STOPPED, wanted(epoch=3), "EPOCH_MISMATCH"),
            (STOPPED, RequestReassignment(reassignment=Reassignment(expected_epoch=1)), "CONTRACT_VIOLATION"),
            (
                STOPPED,
                RequestReassignment(reassignment=Reassignment(expected_epoch=1, vehicle_id="truck-1")),
                "CONTRACT_VIOLATION",
            ),
            (ASKED, wanted("truck-3"), "TRANSITION_NOT_ALLOWED"),
            (STOPPED, taken(), "TRANSITION_NOT_ALLOWED"),
            (ASKED, taken(3), "EPOCH_MISMATCH"),
            (ASKED, taken(start=-5), "CONTRACT_VIOLATION"),
            (NAMED, HANDED, "TRANSITION_NOT_ALLOWED"),
            (COMING, HandOverLoad(epoch=1), "EPOCH_MISMATCH"),
            (COMING, HandOverLoad(time=at(10)), "CONTRACT_VIOLATION"),
            (COMING, HandOverLoad(time=at(95), tasks=[line("b", 5)]), "QUANTITY_EXCEEDED"),
            (COMING, HandOverLoad(time=at(95), tasks=[line("a", 1)]), "CONTRACT_VIOLATION"),
            (COMING, HandOverLoad(time=at(95), tasks=[line("b", -1)]), "CONTRACT_VIOLATION"),
            (BETWEEN, FailReassignment(reason="no"), "TRANSITION_NOT_ALLOWED"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, past: Past, wish: Message, reason: str) -> None:
        past.when(ask_load(wish)).then_rejected(reason)

    def test_what_is_missing_is_written_down_as_counted(self) -> None:
        short = after(HandOverLoad(time=at(95), tasks=[line("b", 1)]), past=COMING)
        [task] = shown(short).custody[0].tasks
        assert (task.expected.value, task.actual.value) == ("4", "1")

    def test_goods_that_a_consignee_refused_may_pass_and_need_not(self) -> None:
        refused = complete(FIRST, 70, outcome("a", 8, 2), pod_id=POD)
        part = after(arrive(FIRST, 60), refused, depart(FIRST, 80), past=ROLLING)
        coming = after(BROKEN, wanted(), taken(), SENT, past=part)
        along = after(HandOverLoad(time=at(95), tasks=[line("a", 2), line("b", 4)]), past=coming)
        assert [(t.line_id, t.expected.value, t.actual.value) for t in shown(along).custody[0].tasks] == [
            ("a", "0", "2"), ("b", "4", "4"),
        ]  # fmt: skip
        coming.when(ask_load(HandOverLoad(time=at(95), tasks=[line("a", 3)]))).then_rejected("QUANTITY_EXCEEDED")

    def test_a_load_without_goods_goes_on_to_its_pickup(self) -> None:
        empty = after(BROKEN, wanted(), taken(), SENT, HANDED, past=DISPATCHED)
        assert (state_of(empty), list(shown(empty).custody[0].tasks)) == ("DISPATCHED", [])

    def test_stops_that_the_old_vehicle_had_begun_wait_for_the_new_one(self) -> None:
        begun = after(arrive(SECOND, 85), BROKEN, wanted(), taken(), past=BETWEEN)
        assert (stop_state(begun, SECOND), stop_at(begun, SECOND).HasField("arrival")) == ("PLANNED", False)
        assert [(fact.stop_id, fact.name) for fact in shown(begun).assignments[0].facts] == [(SECOND, "arrival")]
        served = after(SENT, HANDED, arrive(SECOND, 100, epoch=2), past=begun)
        assert (stop_state(served, SECOND), state_of(served)) == ("ARRIVED", "AT_DELIVERY")

    def test_a_cancelling_that_came_too_late_leads_back_to_the_standstill(self) -> None:
        asked = after(BROKEN, CancelLoad(reason="nobody wants it"), past=DISPATCHED)
        back = asked.when(ask_load(depart(PICKUP, 30))).then_event("cancel_reversed")
        assert state_of(back) == "INTERRUPTED"


class TestLateWords:
    @pytest.mark.parametrize(
        "wish",
        [
            arrive(SECOND, 82, epoch=1),
            ApproachStop(stop_id=SECOND, time=when(81), epoch=1),
            BeginStopService(stop_id=SECOND, time=when(83), epoch=1),
            depart(SECOND, 84, epoch=1),
            FailStop(stop_id=SECOND, time=when(84), reason="CLOSED"),
        ],
    )
    @pytest.mark.parametrize("past", [NAMED, COMING, OVER])
    def test_they_stay_with_the_old_assignment(self, past: Past, wish: Message) -> None:
        late = past.when(ask_load(wish)).then_event("late_fact_recorded")
        assert (state_of(late), stop_at(late, SECOND)) == (state_of(past), stop_at(past, SECOND))
        assert len(shown(late).assignments[0].facts) == 1
        late.when(ask_load(wish)).then_nothing()

    def test_a_word_from_after_the_change_belongs_to_nobody(self) -> None:
        OVER.when(ask_load(arrive(SECOND, 100, epoch=1))).then_rejected("EPOCH_MISMATCH")

    def test_a_late_proof_ends_the_stop_of_the_vehicle_that_served_it(self) -> None:
        told = after(arrive(SECOND, 82), complete(SECOND, 84, outcome("b", 4), pod_id=POD), past=OVER)
        stop = stop_at(told, SECOND)
        assert (stop_state(told, SECOND), stop.served_epoch, stop.arrival.time) == ("DEPARTED", 1, at(82))
        assert (stop.departure.source, stop.departure.time, state_of(told)) == ("inferred", at(90), "COMPLETED")

    def test_a_pickup_that_is_told_late_does_not_move_the_new_vehicle(self) -> None:
        empty = after(BROKEN, wanted(), taken(), SENT, HANDED, past=DISPATCHED)
        told = after(depart(PICKUP, 30, epoch=1), past=empty)
        assert (state_of(told), stop_state(told, PICKUP), stop_at(told, PICKUP).served_epoch) == (
            "DISPATCHED", "DEPARTED", 1,
        )  # fmt: skip

    def test_the_departure_that_was_inferred_gives_way_to_the_one_that_is_told(self) -> None:
        served = after(arrive(SECOND, 82), complete(SECOND, 84, outcome("b", 4), pod_id=POD), past=BETWEEN)
        over = after(BROKEN, wanted(), taken(), SENT, HANDED, past=served)
        assert (state_of(over), stop_at(over, SECOND).departure.source) == ("COMPLETED", "inferred")
        told = after(depart(SECOND, 86, epoch=1), past=over)
        assert stop_at(told, SECOND).departure.time == at(86)


BUFFERED: tuple[Message, ...] = (
    arrive(PICKUP, 10),
    depart(PICKUP, 30),
    arrive(FIRST, 60),
    FULL_FIRST,
    depart(FIRST, 80),
    ApproachStop(stop_id=SECOND, time=when(81)),
    arrive(SECOND, 82),
    BeginStopService(stop_id=SECOND, time=when(83)),
    depart(SECOND, 84),
)
"""What the old truck had to tell of its two stops, and of the third, which it reached and did not serve."""


def told_in(order: list[Message], past: Past) -> Load:
    """Return the load after facts in an order of arrival, versions and times of recording left out."""
    story = past
    for wish in order:
        try:
            decided = load.DECIDER.decide(story.state, ask_load(wish))
        except Rejected as refusal:  # pragma: no cover - would fail the comparison below
            raise AssertionError(refusal.message) from refusal
        if decided is not None:
            story = story.and_given(decided)
    result = Load()
    result.CopyFrom(shown(story))
    result.ClearField("version")
    return result


@explore(st.permutations(list(BUFFERED)), st.lists(st.sampled_from(BUFFERED), max_size=4))
@settings(max_examples=150, deadline=None)
def test_buffered_words_of_the_old_truck_fold_to_the_same(order: list[Message], twice: list[Message]) -> None:
    # Nobody had heard of the pickup: the new vehicle was sent to it, and only then the buffer is read.
    empty = after(BROKEN, wanted(), taken(), SENT, HANDED, past=DISPATCHED)
    straight = told_in(list(BUFFERED), empty)
    assert told_in([*order, *twice], empty) == straight
    assert [stop.served_epoch for stop in straight.stops] == [1, 1, 0]


class TestHours:
    SHORT = CheckHours(check=HoursCheck(driver_id="driver-1", verdict=HoursVerdict.HOURS_VERDICT_STALE), epoch=1)
    ENOUGH = CheckHours(check=HoursCheck(driver_id="driver-1", verdict=HoursVerdict.HOURS_VERDICT_ENOUGH), epoch=1)
    ANSWER = OverrideHours(epoch=1, overridden_by="dora", scope="hours.override", reason="seen on paper")
    GO = DispatchLoad(dispatch_reference="D-1", epoch=1)

    def test_hours_that_are_not_known_to_be_enough_bar_the_dispatch(self) -> None:
        barred = after(self.SHORT, past=ASSIGNED)
        barred.when(ask_load(self.GO)).then_rejected("HOURS_NOT_ENOUGH")
        barred.when(ask_load(self.SHORT)).then_nothing()
        assert state_of(after(self.ENOUGH, self.GO, past=barred)) == "DISPATCHED"

    def test_somebody_may_answer_for_them_by_name_and_scope(self) -> None:
        answered = after(self.ANSWER, past=after(self.SHORT, past=ASSIGNED))
        assert shown(answered).assignments[0].hours.overridden_by == "dora"
        answered.when(ask_load(self.ANSWER)).then_nothing()
        assert state_of(after(self.GO, past=answered)) == "DISPATCHED"

    @pytest.mark.parametrize(
        ("past", "wish", "reason"),
        [
            (ASSIGNED, ANSWER, "TRANSITION_NOT_ALLOWED"),
            (DISPATCHED, ENOUGH, "TRANSITION_NOT_ALLOWED"),
            (ASSIGNED, CheckHours(check=HoursCheck(), epoch=1), "CONTRACT_VIOLATION"),
            (ASSIGNED, CheckHours(check=SHORT.check, epoch=2), "EPOCH_MISMATCH"),
            (ASSIGNED, OverrideHours(epoch=1, overridden_by="dora"), "CONTRACT_VIOLATION"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, past: Past, wish: Message, reason: str) -> None:
        past.when(ask_load(wish)).then_rejected(reason)
