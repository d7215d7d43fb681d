"""What an order answers, phase by phase."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.exception.v1 import Gate
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.order.v1 import (
    ApplyOrderHold,
    AwaitOrderValidation,
    CloseOrder,
    ConcludeOrderValidation,
    ConfirmOrderCancel,
    EndOrder,
    LiftOrderHold,
    OpenOrderReview,
    OrderCommand,
    OrderEvent,
    OrderState,
    PlanOrder,
    ReceiveOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderInvoice,
    RecordOrderPickup,
    RecordOrderValidation,
    ReleaseOrderBilling,
    ResumeOrder,
    ReviseOrder,
    StopOrder,
    TemperatureRange,
    UnplanOrder,
)
from services.orchestrator.deciders import order
from services.orchestrator.deciders.order import State
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
    set_down,
)

Past = Given[State, OrderCommand, OrderEvent]
GATE = GateCheckKind
OTHER_HOLD = HOLD.replace("aa", "bb")


def after(*wishes: Message, past: Past | None = None) -> Past:
    """The order after these wishes, each of which must have made something new true."""
    story = past or given(order.DECIDER)
    for wish in wishes:
        decided = order.DECIDER.decide(story.state, ask_order(wish))
        assert decided is not None, f"{wish.DESCRIPTOR.name} changed nothing"
        story = story.and_given(decided)
    return story


def state_of(past: Past) -> str:
    assert past.state.order is not None
    return OrderState.Name(past.state.order.state).removeprefix("ORDER_STATE_")


def quantity(past: Past, line_id: str, name: str) -> str:
    assert past.state.order is not None
    line = next(line for line in past.state.order.lines if line.line_id == line_id)
    value: str = getattr(line.quantities, name).value
    return value


RECEIVE = ReceiveOrder(order=sale(), content_sha256="one")
AMEND = ReviseOrder(order=sale(a=12), content_sha256="two")
CHECKED = RecordOrderValidation(checks=[passed()])
CONCLUDE = ConcludeOrderValidation()
PLAN = PlanOrder(load_id=LOAD, line_ids=["a", "b"], stop_ids=[FIRST, SECOND])
DISPATCH = RecordOrderDispatch(load_id=LOAD, vehicle_id="truck-1", dispatch_reference="D-1")
PICK = RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=[moved("a", 10), moved("b", 4)])
CANCEL = EndOrder(reason="the customer changed their mind")
RELEASE = ReleaseOrderBilling(policy_version="default@1")
REVIEW = OpenOrderReview(reason="PARTIAL_REJECTION", exception_id="e")


def deliver(
    stop_id: str, line_id: str, accepted: int, rejected: int = 0, pod_id: str = POD, verified: bool = True
) -> RecordOrderDelivery:
    return RecordOrderDelivery(
        load_id=LOAD,
        stop_id=stop_id,
        pod_id=pod_id,
        lines=[set_down(line_id, accepted, rejected)],
        proof_verified=verified,
    )


def invoice(*lines: Any, invoice_id: str = INVOICE) -> RecordOrderInvoice:
    return RecordOrderInvoice(invoice_id=invoice_id, lines=lines)


def hold(*gates: Gate.ValueType, hold_id: str = HOLD) -> ApplyOrderHold:
    return ApplyOrderHold(hold_id=hold_id, gates=gates)


RECEIVED = after(RECEIVE)
RELEASED = after(CHECKED, CONCLUDE, past=RECEIVED)
PLANNED = after(PLAN, past=RELEASED)
DISPATCHED = after(DISPATCH, past=PLANNED)
ON_BOARD = after(PICK, past=DISPATCHED)
HALF = after(deliver(FIRST, "a", 10), past=ON_BOARD)
DELIVERED = after(deliver(SECOND, "b", 4), past=HALF)
BILLABLE = after(RELEASE, past=DELIVERED)
INVOICED = after(invoice(moved("a", 10), moved("b", 4)), past=BILLABLE)
SHORT = after(deliver(SECOND, "b", 3, 1), past=HALF)


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
        (PLANNED, AMEND, "AMEND_NOT_POSSIBLE"),
        (INVOICED, AMEND, "AMEND_NOT_POSSIBLE"),
        (RECEIVED, PLAN, "TRANSITION_NOT_ALLOWED"),
        (RELEASED, PlanOrder(load_id=LOAD, line_ids=["z"], stop_ids=[FIRST]), "CONTRACT_VIOLATION"),
        (RELEASED, PlanOrder(load_id=LOAD, line_ids=["a"]), "CONTRACT_VIOLATION"),
        (PLANNED, PlanOrder(load_id=LOAD, line_ids=["a"], stop_ids=[FIRST]), "TRANSITION_NOT_ALLOWED"),
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
        (BILLABLE, deliver(FIRST, "a", 9, 1, pod_id=NEWER_POD), "TRANSITION_NOT_ALLOWED"),
        (HALF, RELEASE, "TRANSITION_NOT_ALLOWED"),
        (DELIVERED, invoice(moved("a", 10)), "TRANSITION_NOT_ALLOWED"),
        (BILLABLE, invoice(moved("a", 11)), "QUANTITY_EXCEEDED"),
        (after(invoice(moved("a", 6)), past=BILLABLE), invoice(moved("a", 6), invoice_id=POD), "QUANTITY_EXCEEDED"),
        (INVOICED, invoice(moved("a", 9)), "MESSAGE_CONFLICT"),
        (ON_BOARD, CANCEL, "CANCEL_NOT_POSSIBLE"),
        (DELIVERED, CANCEL, "CANCEL_NOT_POSSIBLE"),
        (INVOICED, CANCEL, "CANCEL_NOT_POSSIBLE"),
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
    half.when(ask_order(AMEND)).then_rejected("AMEND_NOT_POSSIBLE")
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


class TestTheGate:
    def test_it_records_every_check(self) -> None:
        brought = GateCheck(kind=GATE.GATE_CHECK_KIND_QUIET_PERIOD, result=GateResult.GATE_RESULT_PASS)
        opened = after(ReleaseOrderBilling(checks=[brought]), past=DELIVERED)
        found = {GATE.Name(check.kind): check.result for check in opened.state.gate_checks}
        assert found == {
            "GATE_CHECK_KIND_STOPS_TERMINAL": GateResult.GATE_RESULT_PASS,
            "GATE_CHECK_KIND_POD_VERIFIED": GateResult.GATE_RESULT_PASS,
            "GATE_CHECK_KIND_NO_BILLING_HOLD": GateResult.GATE_RESULT_PASS,
            "GATE_CHECK_KIND_QUANTITIES": GateResult.GATE_RESULT_PASS,
            "GATE_CHECK_KIND_COLD_CHAIN": GateResult.GATE_RESULT_NOT_APPLICABLE,
            "GATE_CHECK_KIND_QUIET_PERIOD": GateResult.GATE_RESULT_PASS,
        }

    def test_it_stays_shut_under_a_billing_hold_and_no_waiver_opens_it(self) -> None:
        held = after(hold(Gate.GATE_BILLING), past=DELIVERED)
        refusal = held.when(ask_order(RELEASE)).then_rejected("HOLD_BLOCKS")
        assert refusal.metadata["hold_ids"] == HOLD
        waiver = waived(GATE.GATE_CHECK_KIND_NO_BILLING_HOLD)
        held.when(ask_order(ReleaseOrderBilling(checks=[waiver]))).then_rejected("NOT_PERMITTED")
        assert state_of(after(LiftOrderHold(hold_id=HOLD), RELEASE, past=held)) == "BILLABLE"

    def test_a_hold_on_another_gate_does_not_shut_it(self) -> None:
        assert state_of(after(hold(Gate.GATE_DELIVERY), RELEASE, past=DELIVERED)) == "BILLABLE"

    def test_it_wants_a_verified_proof_for_every_stop_or_a_named_waiver(self) -> None:
        unproved = after(deliver(SECOND, "b", 4, pod_id="", verified=False), past=HALF)
        refusal = unproved.when(ask_order(RELEASE)).then_rejected("POD_MISSING")
        assert refusal.metadata["evidence_ids"] == SECOND
        nameless = waived(GATE.GATE_CHECK_KIND_POD_VERIFIED, by="")
        unproved.when(ask_order(ReleaseOrderBilling(checks=[nameless]))).then_rejected("NOT_PERMITTED")
        opened = after(ReleaseOrderBilling(checks=[waived(GATE.GATE_CHECK_KIND_POD_VERIFIED)]), past=unproved)
        assert state_of(opened) == "BILLABLE"

    def test_a_callers_word_does_not_stand_for_the_orders_own_checks(self) -> None:
        unproved = after(deliver(SECOND, "b", 4, pod_id="", verified=False), past=HALF)
        said = GateCheck(kind=GATE.GATE_CHECK_KIND_POD_VERIFIED, result=GateResult.GATE_RESULT_PASS)
        unproved.when(ask_order(ReleaseOrderBilling(checks=[said]))).then_rejected("POD_MISSING")

    def test_a_failed_check_of_the_caller_keeps_it_shut(self) -> None:
        late = GateCheck(kind=GATE.GATE_CHECK_KIND_QUIET_PERIOD, result=GateResult.GATE_RESULT_FAIL)
        DELIVERED.when(ask_order(ReleaseOrderBilling(checks=[late]))).then_rejected("HOLD_BLOCKS")

    def test_cold_goods_need_somebodys_word(self) -> None:
        cold = sale()
        cold.lines[0].temperature.CopyFrom(TemperatureRange(min_celsius=2, max_celsius=8))
        past = after(
            ReceiveOrder(order=cold, content_sha256="cold"), CHECKED, CONCLUDE, PLAN, DISPATCH, PICK,
            deliver(FIRST, "a", 10), deliver(SECOND, "b", 4),
        )  # fmt: skip
        past.when(ask_order(RELEASE)).then_rejected("HOLD_BLOCKS")
        said = GateCheck(kind=GATE.GATE_CHECK_KIND_COLD_CHAIN, result=GateResult.GATE_RESULT_PASS)
        assert state_of(after(ReleaseOrderBilling(checks=[said]), past=past)) == "BILLABLE"

    def test_a_difference_needs_a_decision(self) -> None:
        SHORT.when(ask_order(RELEASE)).then_rejected("HOLD_BLOCKS")
        review = after(REVIEW, past=SHORT)
        review.when(ask_order(RELEASE)).then_rejected("HOLD_BLOCKS")
        decided = after(OpenOrderReview(reason="PARTIAL_REJECTION", decided=True), past=review)
        for past in (decided, after(OpenOrderReview(reason="PARTIAL_REJECTION", decided=True), past=SHORT)):
            assert state_of(after(RELEASE, past=past)) == "BILLABLE"

    def test_a_person_may_decide_by_name_and_lifting_a_hold_decides_nothing(self) -> None:
        review = after(REVIEW, past=SHORT)
        guarded = after(hold(Gate.GATE_BILLING), LiftOrderHold(hold_id=HOLD), past=review)
        guarded.when(ask_order(RELEASE)).then_rejected("HOLD_BLOCKS")
        named = ReleaseOrderBilling(checks=[waived(GATE.GATE_CHECK_KIND_QUANTITIES)])
        assert state_of(after(named, past=review)) == "BILLABLE"

    def test_a_review_for_want_of_proof_ends_with_the_proof(self) -> None:
        unproved = after(deliver(SECOND, "b", 4, pod_id="", verified=False), past=HALF)
        review = after(OpenOrderReview(reason="POD_MISSING"), past=unproved)
        review.when(ask_order(RELEASE)).then_rejected("HOLD_BLOCKS")
        assert state_of(after(deliver(SECOND, "b", 4), RELEASE, past=review)) == "BILLABLE"

    def test_nothing_accepted_is_nothing_to_bill(self) -> None:
        refused = after(deliver(FIRST, "a", 0, 10), deliver(SECOND, "b", 0, 4), past=ON_BOARD)
        refused.when(ask_order(RELEASE)).then_rejected("TRANSITION_NOT_ALLOWED")
        review = after(OpenOrderReview(reason="REFUSAL", decided=True), past=refused)
        review.when(ask_order(RELEASE)).then_rejected("TRANSITION_NOT_ALLOWED")
        assert state_of(after(CloseOrder(reason="nothing to bill"), past=review)) == "CLOSED"

    def test_a_review_cannot_close_what_was_accepted(self) -> None:
        review = after(OpenOrderReview(reason="SHORTAGE", decided=True), past=SHORT)
        review.when(ask_order(CloseOrder())).then_rejected("TRANSITION_NOT_ALLOWED")


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


def waived(kind: GateCheckKind.ValueType, by: str = "anna") -> GateCheck:
    return GateCheck(kind=kind, result=GateResult.GATE_RESULT_WAIVED, waived_by=by)
