"""What a load answers when things change: orders drop out, plans and vehicles change, somebody cancels."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from logistics.load.v1 import (
    ConfirmLoadCancel,
    DropOrder,
    InterruptLoad,
    PlanLoad,
    ReplanLoad,
    ResumeLoad,
    Stop,
    StopState,
)
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    ORDER,
    PICKUP,
    SECOND,
    ask_load,
    truck,
)
from tests.unit.orchestrator.deciders.load_story import (
    ASSIGN,
    ASSIGNED,
    AT_PICKUP,
    AT_SECOND,
    CANCEL,
    DISPATCH,
    DISPATCHED,
    PLANNED,
    ROLLING,
    Past,
    after,
    arrive,
    complete,
    depart,
    shared,
    shown,
    state_of,
    stop_at,
    stop_state,
)


class TestDroppingAnOrder:
    def test_only_its_tasks_leave_and_empty_stops_are_cancelled(self) -> None:
        both = after(PlanLoad(load=shared()), ASSIGN, DISPATCH)
        past = after(DropOrder(order_id=ORDER, reason="cancelled"), past=both)
        assert (stop_state(past, PICKUP), stop_state(past, FIRST)) == ("PLANNED", "CANCELLED")
        assert [task.line_id for task in stop_at(past, SECOND).tasks] == ["x"]
        assert (shown(past).plan_version, state_of(past)) == (2, "DISPATCHED")
        past.when(ask_load(arrive(FIRST, 60))).then_rejected("TRANSITION_NOT_ALLOWED")
        past.when(ask_load(DropOrder(order_id=ORDER))).then_nothing()

    @pytest.mark.parametrize(
        ("past", "expected"),
        [
            (PLANNED, "CANCELLED"),
            (ASSIGNED, "CANCELLED"),
            (DISPATCHED, "CANCEL_REQUESTED"),
            (AT_PICKUP, "CANCEL_REQUESTED"),
        ],
    )
    def test_the_last_order_takes_the_load_with_it(self, past: Past, expected: str) -> None:
        assert state_of(after(DropOrder(order_id=ORDER, reason="cancelled"), past=past)) == expected


class TestReplanning:
    def test_the_rest_of_the_tour_may_change_and_what_falls_out_is_cancelled(self) -> None:
        kept = [*shown(ROLLING).stops][:2]
        past = after(ReplanLoad(expected_plan_version=1, stops=kept, reason="traffic"), past=ROLLING)
        assert (shown(past).plan_version, stop_state(past, SECOND)) == (2, "CANCELLED")
        assert [stop.sequence for stop in shown(past).stops] == [1, 2, 3]
        past.when(ask_load(ReplanLoad(expected_plan_version=1, stops=kept))).then_nothing()

    def test_what_the_vehicle_has_begun_is_locked(self) -> None:
        stops = [Stop.FromString(stop.SerializeToString()) for stop in shown(ROLLING).stops]
        stops[0].instructions = "somewhere else"
        wish = ReplanLoad(expected_plan_version=1, stops=stops)
        ROLLING.when(ask_load(wish)).then_rejected("CONTRACT_VIOLATION")

    def test_a_plan_that_leaves_nothing_to_drive_is_refused(self) -> None:
        wish = ReplanLoad(expected_plan_version=1, stops=[shown(ROLLING).stops[0]])
        ROLLING.when(ask_load(wish)).then_rejected("TRANSITION_NOT_ALLOWED")


class TestInterruption:
    def test_facts_are_kept_while_it_stands_and_it_goes_on_from_where_they_say(self) -> None:
        stuck = after(InterruptLoad(reason="flat tyre"), arrive(FIRST, 60), past=ROLLING)
        assert state_of(stuck) == "INTERRUPTED"
        assert state_of(after(ResumeLoad(), past=stuck)) == "AT_DELIVERY"

    def test_it_may_turn_out_to_be_over(self) -> None:
        stuck = after(InterruptLoad(reason="flat tyre"), depart(SECOND, 120), past=AT_SECOND)
        assert state_of(after(ResumeLoad(), past=stuck)) == "COMPLETED"

    def test_it_cannot_be_given_up_with_goods_on_board(self) -> None:
        stuck = after(InterruptLoad(reason="flat tyre"), past=ROLLING)
        stuck.when(ask_load(CANCEL)).then_rejected("CANCEL_NOT_POSSIBLE")


class TestCancelling:
    def test_before_dispatch_it_is_done_at_once(self) -> None:
        ended = after(CANCEL, past=ASSIGNED)
        assert state_of(ended) == "CANCELLED"
        assert {stop.state for stop in shown(ended).stops} == {StopState.STOP_STATE_CANCELLED}

    def test_after_dispatch_the_road_is_asked(self) -> None:
        asked = after(CANCEL, past=AT_PICKUP)
        assert state_of(after(ConfirmLoadCancel(reason="agreed"), past=asked)) == "CANCELLED"

    def test_a_carrier_is_asked_even_before_dispatch(self) -> None:
        carried = truck()
        carried.carrier_scac = "ABCD"
        assert state_of(after(PlanLoad(load=carried), ASSIGN, CANCEL)) == "CANCEL_REQUESTED"

    @pytest.mark.parametrize("fact", [complete(PICKUP, 20, source="driver_scan"), depart(PICKUP, 30)])
    def test_goods_on_board_reverse_it_and_the_fact_is_told_again(self, fact: Message) -> None:
        asked = after(CANCEL, past=AT_PICKUP)
        back = asked.when(ask_load(fact)).then_event("cancel_reversed")
        assert state_of(back) == "AT_PICKUP"
        assert stop_state(after(fact, past=back), PICKUP) in {"COMPLETED", "DEPARTED"}

    def test_an_arrival_meanwhile_is_kept(self) -> None:
        asked = after(CANCEL, arrive(PICKUP, 10), past=DISPATCHED)
        assert (state_of(asked), stop_state(asked, PICKUP)) == ("CANCEL_REQUESTED", "ARRIVED")
