"""What an order answers, phase by phase."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import given
from logistics.exception.v1 import Gate
from logistics.order.v1 import (
    ApplyOrderHold,
    AwaitOrderValidation,
    CloseOrder,
    ConfirmOrderCancel,
    LiftOrderHold,
    OrderEvent,
    OrderState,
    PlanOrder,
    ReceiveOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderPickup,
    RecordOrderValidation,
    ResumeOrder,
    ReviseOrder,
    StopOrder,
    UnplanOrder,
)
from services.orchestrator.deciders import order
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    INVOICE,
    LOAD,
    NEWER_POD,
    OTHER_LOAD,
    PICKUP,
    POD,
    SECOND,
    ask_order,
    failed,
    moved,
    passed,
    sale,
)
from tests.unit.orchestrator.deciders.order_story import (
    AMEND,
    BILLABLE,
    CANCEL,
    CHECKED,
    CONCLUDE,
    DELIVERED,
    DISPATCH,
    DISPATCHED,
    HALF,
    INVOICED,
    ON_BOARD,
    OTHER_HOLD,
    PICK,
    PLAN,
    PLANNED,
    RECEIVE,
    RECEIVED,
    RELEASE,
    RELEASED,
    REVIEW,
    SHORT,
    Past,
    after,
    deliver,
    hold,
    invoice,
    quantity,
    state_of,
)


def test_an_order_goes_from_hand_over_to_invoice() -> None:
    told = [RECEIVED, RELEASED, PLANNED, DISPATCHED, ON_BOARD, HALF, DELIVERED, BILLABLE, INVOICED]
    assert [state_of(past) for past in told] == [
        "RECEIVED", "RELEASED", "PLANNED", "DISPATCHED", "IN_EXECUTION", "PARTIALLY_DELIVERED", "DELIVERED", "BILLABLE",
        "INVOICED",
    ]  # fmt: skip
    done = after(CloseOrder(reason="paid"), past=INVOICED)
    assert state_of(done) == "CLOSED"
    assert quantity(done, "a", "shipped") == quantity(done, "a", "accepted") == quantity(done, "a", "invoiced") == "10"
    assert done.state.order is not None
    assert (done.state.order.version, done.state.order.revision) == (11, 1)
    assert list(done.state.order.load_ids) == [LOAD]
    assert list(done.state.order.invoice_ids) == [INVOICE]


@pytest.mark.parametrize(
    ("past", "wish"),
    [
        (RECEIVED, RECEIVE),
        (RECEIVED, ReviseOrder(order=sale(), content_sha256="one")),
        (after(AwaitOrderValidation(reason="busy"), past=RECEIVED), AwaitOrderValidation(reason="still")),
        (after(CHECKED, past=RECEIVED), CHECKED),
        (RELEASED, CONCLUDE),
        (PLANNED, PLAN),
        (RELEASED, UnplanOrder(load_id=LOAD)),
        (DISPATCHED, DISPATCH),
        (INVOICED, DISPATCH),
        (ON_BOARD, PICK),
        (DELIVERED, PICK),
        (DELIVERED, deliver(FIRST, "a", 10)),
        (INVOICED, deliver(FIRST, "a", 10)),
        (BILLABLE, RELEASE),
        (INVOICED, RELEASE),
        (INVOICED, invoice(moved("a", 10), moved("b", 4))),
        (after(CANCEL, past=PLANNED), CANCEL),
        (after(CANCEL, past=DISPATCHED), CANCEL),
        (after(CANCEL, past=HALF), CANCEL),
        (after(REVIEW, past=SHORT), REVIEW),
        (after(hold(Gate.GATE_BILLING), past=PLANNED), hold(Gate.GATE_BILLING)),
        (PLANNED, LiftOrderHold(hold_id=HOLD)),
        (RELEASED, ResumeOrder(hold_id=HOLD)),
    ],
)
def test_what_is_already_so_is_nothing_new(past: Past, wish: Message) -> None:
    past.when(ask_order(wish)).then_nothing()


@pytest.mark.parametrize(
    ("past", "wish", "reason"),
    [
        (given(order.DECIDER), CANCEL, "ORDER_NOT_FOUND"),
        (RECEIVED, ReceiveOrder(order=sale(), content_sha256="other"), "REFERENCE_CONFLICT"),
        (RECEIVED, CONCLUDE, "TRANSITION_NOT_ALLOWED"),
        (RECEIVED, RecordOrderValidation(), "CONTRACT_VIOLATION"),
        (after(CANCEL, past=PLANNED), AMEND, "AMEND_NOT_POSSIBLE"),
        (RECEIVED, PLAN, "TRANSITION_NOT_ALLOWED"),
        (RELEASED, PlanOrder(load_id=LOAD, line_ids=["z"], stop_ids=[FIRST]), "CONTRACT_VIOLATION"),
        (RELEASED, PlanOrder(load_id=LOAD, line_ids=["a"]), "CONTRACT_VIOLATION"),
        (PLANNED, PlanOrder(load_id=LOAD, line_ids=["a"], stop_ids=[FIRST]), "TRANSITION_NOT_ALLOWED"),
        (PLANNED, PlanOrder(load_id=OTHER_LOAD, line_ids=["a"], stop_ids=[SECOND]), "TRANSITION_NOT_ALLOWED"),
        (after(hold(Gate.GATE_PLANNING), past=RELEASED), PLAN, "HOLD_BLOCKS"),
        (PLANNED, RecordOrderDispatch(load_id=OTHER_LOAD), "LOAD_NOT_FOUND"),
        (PLANNED, PICK, "TRANSITION_NOT_ALLOWED"),
        (ON_BOARD, UnplanOrder(load_id=LOAD), "TRANSITION_NOT_ALLOWED"),
        (
            DISPATCHED,
            RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=[moved("a", 11)]),
            "QUANTITY_EXCEEDED",
        ),
        (DISPATCHED, RecordOrderPickup(load_id=LOAD, stop_id=PICKUP), "CONTRACT_VIOLATION"),
        (DISPATCHED, deliver(FIRST, "a", 10), "TRANSITION_NOT_ALLOWED"),
        (ON_BOARD, deliver(PICKUP, "a", 10), "STOP_NOT_FOUND"),
        (ON_BOARD, deliver(FIRST, "a", 11), "QUANTITY_EXCEEDED"),
        (
            ON_BOARD,
            RecordOrderDelivery(load_id=LOAD, stop_id=FIRST, lines=[moved("a", 10)]),
            "POD_LINES_DO_NOT_ADD_UP",
        ),
        (BILLABLE, deliver(OTHER_LOAD, "a", 9, 1, pod_id=NEWER_POD), "STOP_NOT_FOUND"),
        (HALF, RELEASE, "TRANSITION_NOT_ALLOWED"),
        (DELIVERED, invoice(moved("a", 10)), "TRANSITION_NOT_ALLOWED"),
        (BILLABLE, invoice(moved("a", 11)), "QUANTITY_EXCEEDED"),
        (after(invoice(moved("a", 6)), past=BILLABLE), invoice(moved("a", 6), invoice_id=POD), "QUANTITY_EXCEEDED"),
        (INVOICED, invoice(moved("a", 9)), "MESSAGE_CONFLICT"),
        (DELIVERED, CANCEL, "CANCEL_NOT_POSSIBLE"),
        (BILLABLE, CANCEL, "CANCEL_NOT_POSSIBLE"),
        (PLANNED, ConfirmOrderCancel(), "TRANSITION_NOT_ALLOWED"),
        (after(CANCEL, past=PLANNED), PICK, "TRANSITION_NOT_ALLOWED"),
        (BILLABLE, CloseOrder(), "TRANSITION_NOT_ALLOWED"),
        (PLANNED, StopOrder(hold_id=HOLD), "TRANSITION_NOT_ALLOWED"),
        (PLANNED, ApplyOrderHold(hold_id=HOLD), "CONTRACT_VIOLATION"),
        (PLANNED, REVIEW, "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_what_must_not_be_is_refused_with_a_remedy(past: Past, wish: Message, reason: str) -> None:
    refusal = past.when(ask_order(wish)).then_rejected(reason)
    assert len(refusal.message) > 20


def test_a_failed_check_rejects_with_that_check_alone_and_an_amendment_starts_anew() -> None:
    rejected = after(RecordOrderValidation(checks=[passed(), failed()]), CONCLUDE, past=RECEIVED)
    assert state_of(rejected) == "REJECTED"
    assert rejected.state.order is not None
    assert [check.reason for check in rejected.state.order.checks] == ["STOCK_SHORT"]
    amended = after(AMEND, past=rejected)
    assert state_of(amended) == "RECEIVED"
    assert amended.state.order is not None
    assert (amended.state.order.revision, len(amended.state.order.checks)) == (2, 0)
    amended.when(ask_order(CONCLUDE)).then_rejected("TRANSITION_NOT_ALLOWED")
    # The first content coming once more is old news, not a conflict.
    amended.when(ask_order(RECEIVE)).then_nothing()
    assert state_of(after(RecordOrderValidation(checks=[passed()]), CONCLUDE, past=amended)) == "RELEASED"


def test_an_order_keeps_its_region() -> None:
    moved_away = sale()
    moved_away.region = "eu"
    RECEIVED.when(ask_order(ReviseOrder(order=moved_away, content_sha256="two"))).then_rejected("CONTRACT_VIOLATION")


def test_what_callers_may_not_set_is_not_taken_over() -> None:
    forged = sale()
    forged.state = OrderState.ORDER_STATE_INVOICED
    forged.version = 99
    forged.lines[0].quantities.invoiced.CopyFrom(forged.lines[0].quantities.ordered)
    past = after(ReceiveOrder(order=forged, content_sha256="x"))
    assert state_of(past) == "RECEIVED"
    assert quantity(past, "a", "invoiced") == ""


def test_a_hold_on_planning_stops_the_release_until_it_is_resumed() -> None:
    held = after(hold(Gate.GATE_PLANNING), CHECKED, CONCLUDE, past=RECEIVED)
    assert state_of(held) == "ON_HOLD"
    held.when(ask_order(ResumeOrder(hold_id=OTHER_HOLD))).then_rejected("HOLD_NOT_FOUND")
    more = after(hold(Gate.GATE_PLANNING, hold_id=OTHER_HOLD), past=held)
    more.when(ask_order(ResumeOrder(hold_id=HOLD))).then_rejected("HOLD_BLOCKS")
    resumed = after(ResumeOrder(hold_id=HOLD), past=held)
    assert state_of(resumed) == "RELEASED"
    assert not resumed.state.holds


def test_lifting_the_last_hold_that_stops_it_lets_an_order_go_on() -> None:
    held = after(hold(Gate.GATE_PLANNING), CHECKED, CONCLUDE, past=RECEIVED)
    assert state_of(after(LiftOrderHold(hold_id=HOLD), past=held)) == "RELEASED"
    twice = after(hold(Gate.GATE_PLANNING, hold_id=OTHER_HOLD), past=held)
    still = after(LiftOrderHold(hold_id=HOLD), past=twice)
    assert (state_of(still), still.state.held_by) == ("ON_HOLD", OTHER_HOLD)
    assert state_of(after(LiftOrderHold(hold_id=OTHER_HOLD), past=still)) == "RELEASED"


def test_an_order_that_was_held_unvalidated_is_validated_after() -> None:
    resumed = after(StopOrder(hold_id=HOLD, reason="credit"), ResumeOrder(hold_id=HOLD), past=RECEIVED)
    assert state_of(resumed) == "RECEIVED"


def test_lines_may_ride_on_two_loads_and_leave_one() -> None:
    half = after(PlanOrder(load_id=LOAD, line_ids=["a"], stop_ids=[FIRST]), past=RELEASED)
    assert state_of(half) == "RELEASED"
    assert state_of(after(AMEND, past=half)) == "RECEIVED"
    whole = after(PlanOrder(load_id=OTHER_LOAD, line_ids=["b"], stop_ids=[SECOND]), past=half)
    assert state_of(whole) == "PLANNED"
    off = after(UnplanOrder(load_id=LOAD), past=whole)
    assert state_of(off) == "RELEASED"
    none = after(UnplanOrder(load_id=OTHER_LOAD), past=off)
    assert none.state.plan == {}
    assert none.state.order is not None
    assert list(none.state.order.load_ids) == [LOAD, OTHER_LOAD]


def test_a_pickup_that_was_told_wrong_is_told_again() -> None:
    again = after(RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=[moved("a", 9)]), past=ON_BOARD)
    assert (quantity(again, "a", "shipped"), quantity(again, "b", "shipped")) == ("9", "")


def test_the_newest_proof_of_a_stop_counts_and_no_weaker_one_displaces_it() -> None:
    unproved = after(deliver(FIRST, "a", 10, pod_id="", verified=False), past=ON_BOARD)
    proved = after(deliver(FIRST, "a", 9, 1), past=unproved)
    assert (quantity(proved, "a", "accepted"), quantity(proved, "a", "rejected")) == ("9", "1")
    proved.when(ask_order(deliver(FIRST, "a", 10, pod_id="", verified=False))).then_nothing()
    newer = after(deliver(FIRST, "a", 8, 2, pod_id=NEWER_POD), past=proved)
    assert quantity(newer, "a", "accepted") == "8"
    assert quantity(newer, "a", "delivered") == "10"


def test_goods_on_board_reverse_a_requested_cancelling() -> None:
    asked = after(CANCEL, past=DISPATCHED)
    assert state_of(asked) == "CANCEL_REQUESTED"
    reversed_ = asked.when(ask_order(PICK)).then_event("cancel_reversed")
    assert state_of(reversed_) == "IN_EXECUTION"
    assert quantity(after(PICK, past=reversed_), "a", "shipped") == "10"
    ended = after(ConfirmOrderCancel(reason="agreed"), past=asked)
    assert state_of(ended) == "CANCELLED"
    assert quantity(ended, "b", "cancelled") == "4"
    ended.when(ask_order(UnplanOrder(load_id=LOAD))).then_nothing()


def test_cancelling_a_begun_delivery_cancels_the_rest_and_bills_what_was_accepted() -> None:
    cut = after(CANCEL, past=HALF)
    assert state_of(cut) == "DELIVERY_REVIEW"
    assert (quantity(cut, "a", "cancelled"), quantity(cut, "b", "cancelled")) == ("", "4")
    billed = after(RELEASE, invoice(moved("a", 10)), past=cut)
    assert state_of(billed) == "INVOICED"
    # Delivered after all: what was cancelled shrinks by it, so that the line still adds up.
    late = after(deliver(SECOND, "b", 3), past=cut)
    assert (quantity(late, "b", "delivered"), quantity(late, "b", "cancelled")) == ("3", "1")


def test_partial_invoices_add_up_to_what_was_accepted() -> None:
    partly = after(invoice(moved("a", 6)), past=BILLABLE)
    assert state_of(partly) == "PARTIALLY_INVOICED"
    whole = after(invoice(moved("a", 4), moved("b", 4), invoice_id=POD), past=partly)
    assert state_of(whole) == "INVOICED"
    assert quantity(whole, "a", "invoiced") == "10"


def test_a_billing_hold_keeps_an_order_from_closing() -> None:
    held = after(hold(Gate.GATE_BILLING), past=INVOICED)
    held.when(ask_order(CloseOrder())).then_rejected("HOLD_BLOCKS")


def test_an_event_from_a_newer_writer_that_may_be_ignored_changes_the_version_alone() -> None:
    ignored = order.DECIDER.evolve(PLANNED.state, OrderEvent(version=9, may_ignore=True))
    assert ignored.order is not None
    assert ignored.order.version == 9
    assert ignored.plan == PLANNED.state.plan
