"""The billing gate opens for what was proved, accepted and decided, and for nothing else (domain reference 3.5)."""

from __future__ import annotations

from logistics.exception.v1 import Gate
from logistics.invoice.v1 import GateCheck, GateResult
from logistics.order.v1 import (
    CloseOrder,
    LiftOrderHold,
    OpenOrderReview,
    ReceiveOrder,
    ReleaseOrderBilling,
    TemperatureRange,
)
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    SECOND,
    ask_order,
    sale,
)
from tests.unit.orchestrator.deciders.order_story import (
    CHECKED,
    CONCLUDE,
    DELIVERED,
    DISPATCH,
    GATE,
    HALF,
    ON_BOARD,
    PICK,
    PLAN,
    RELEASE,
    REVIEW,
    SHORT,
    after,
    deliver,
    hold,
    state_of,
    waived,
)


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
