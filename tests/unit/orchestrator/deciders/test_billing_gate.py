"""The billing gate opens for what was proved, accepted and decided, and for nothing else (domain reference 3.5)."""

from __future__ import annotations

from typing import Any

import pytest

from logistics.exception.v1 import ColdChainVerdict, ExcursionDecision, ExcursionOutcome, Gate
from logistics.invoice.v1 import GateCheck, GateResult
from logistics.order.v1 import (
    CloseOrder,
    ColdChainWatch,
    LiftOrderHold,
    OpenOrderReview,
    ReceiveOrder,
    RecordColdChain,
    RecordExcursionDecision,
    RecordOrderDelivery,
    ReleaseOrderBilling,
    TemperatureRange,
)
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    LOAD,
    POD,
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
    Past,
    after,
    deliver,
    hold,
    state_of,
    waived,
)

DECIDED = RecordExcursionDecision(
    excursion_id=POD,
    load_id=LOAD,
    line_id="a",
    decision=ExcursionDecision(
        outcome=ExcursionOutcome.EXCURSION_OUTCOME_RELEASED, evidence="budget", decided_by="quinn"
    ),
)
AGAIN = {
    "revision": 2,
    "verdict": ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH,
    "in_review": True,
    "excursion_id": POD,
    "excursion_version": 7,
}


def watched(**changes: Any) -> ColdChainWatch:
    """What is known of line `a`, which was cold all the way, but for some changes."""
    told = {
        "load_id": LOAD,
        "line_id": "a",
        "verdict": ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE,
        "ride_over": True,
        "coverage_percent": 90,
        "required_coverage_percent": 90,
        "finding_id": "f1",
        "revision": 1,
    }
    return ColdChainWatch(**{**told, **changes})


def cold_and_delivered(first: RecordOrderDelivery | None = None) -> Past:
    cold = sale()
    cold.lines[0].temperature.CopyFrom(TemperatureRange(min_celsius=2, max_celsius=8))
    return after(
        ReceiveOrder(order=cold, content_sha256="cold"), CHECKED, CONCLUDE, PLAN, DISPATCH, PICK,
        first or deliver(FIRST, "a", 10), deliver(SECOND, "b", 4),
    )  # fmt: skip


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

    def test_nobodys_word_stands_for_what_is_known_of_cold_goods(self) -> None:
        past = cold_and_delivered()
        refusal = past.when(ask_order(RELEASE)).then_rejected("COLD_CHAIN_OPEN")
        assert "nobody has told of its temperatures" in refusal.message
        said = GateCheck(kind=GATE.GATE_CHECK_KIND_COLD_CHAIN, result=GateResult.GATE_RESULT_PASS)
        past.when(ask_order(ReleaseOrderBilling(checks=[said]))).then_rejected("COLD_CHAIN_OPEN")
        waiver = waived(GATE.GATE_CHECK_KIND_COLD_CHAIN)
        assert state_of(after(ReleaseOrderBilling(checks=[waiver]), past=past)) == "BILLABLE"

    def test_cold_goods_pass_when_they_were_cold_all_the_way(self) -> None:
        clear = after(RecordColdChain(watch=watched()), RELEASE, past=cold_and_delivered())
        assert state_of(clear) == "BILLABLE"
        (check,) = (each for each in clear.state.gate_checks if each.kind == GATE.GATE_CHECK_KIND_COLD_CHAIN)
        assert (check.result, list(check.evidence_ids)) == (GateResult.GATE_RESULT_PASS, ["f1"])

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"ride_over": False}, "still on board"),
            ({"coverage_percent": 89}, "cover 89 percent of the ride, 90 are needed"),
            ({"sensor_lost": True}, "sensor was lost"),
            ({"verdict": ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH}, "breached"),
            ({"in_review": True, "excursion_id": "x"}, "excursion x waits for a decision"),
        ],
    )
    def test_cold_goods_keep_the_gate_shut(self, changes: dict[str, Any], words: str) -> None:
        past = after(RecordColdChain(watch=watched(**changes)), past=cold_and_delivered())
        assert words in past.when(ask_order(RELEASE)).then_rejected("COLD_CHAIN_OPEN").message

    def test_a_decision_opens_the_gate_until_another_review_begins(self) -> None:
        breach = ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH
        review = watched(verdict=breach, in_review=True, excursion_id=POD, excursion_version=3)
        asked = after(RecordColdChain(watch=review), past=cold_and_delivered())
        released = after(DECIDED, past=asked)
        assert state_of(after(RELEASE, past=released)) == "BILLABLE"
        released.when(ask_order(DECIDED)).then_nothing()
        stale = watched(verdict=breach, in_review=True, excursion_id=POD, excursion_version=2)
        released.when(ask_order(RecordColdChain(watch=stale))).then_nothing()
        again = after(RecordColdChain(watch=watched(**AGAIN)), past=released)
        again.when(ask_order(RELEASE)).then_rejected("COLD_CHAIN_OPEN")

    def test_an_older_finding_changes_nothing_and_an_unknown_line_is_refused(self) -> None:
        past = after(RecordColdChain(watch=watched(revision=4)), past=cold_and_delivered())
        past.when(ask_order(RecordColdChain(watch=watched(revision=3, ride_over=False)))).then_nothing()
        past.when(ask_order(RecordColdChain(watch=watched(line_id="z")))).then_rejected("CONTRACT_VIOLATION")

    def test_of_what_nobody_kept_no_temperature_is_asked(self) -> None:
        past = cold_and_delivered(first=deliver(FIRST, "a", 0, 10))
        decided = after(OpenOrderReview(reason="PARTIAL_REJECTION", decided=True), RELEASE, past=past)
        assert state_of(decided) == "BILLABLE"

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
