"""The process of an order in one function: what it needs next, state by state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from logistics.invoice.v1 import GateResult, Invoice, InvoiceState
from logistics.load.v1 import Load, LoadState, Stop, StopKind, StopState, StopTask
from logistics.order.v1 import CheckResult, LineQuantities, Order, OrderLine, OrderState, ValidationCheck
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Quantity
from services.orchestrator.phases.billing import policy_checks
from services.orchestrator.phases.fulfilment import phase
from services.orchestrator.phases.steps import (
    ApproveInvoice,
    Begin,
    BeginPosting,
    CancelSale,
    CloseOrder,
    ConcludeValidation,
    ConfirmCancel,
    ConfirmDispatch,
    DraftInvoice,
    DropFromLoad,
    Finish,
    GoOn,
    OpenInvoice,
    OpenReview,
    PostDelivery,
    PostInvoice,
    RecordInvoice,
    ReleaseBilling,
    ReleaseInvoice,
    Report,
    Situation,
    Step,
    Validate,
    Wait,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ORDER_ID = "0b6f0f0e-6a0c-5d6c-9a57-0d5a6f6f1a01"
LOAD_ID = "6d0c4c55-1f4e-5b0b-8a4e-1d2f8b7c9e02"


def quantity(value: str) -> Quantity:
    return Quantity(value=value, unit_code="C62")


def an_order(
    state: OrderState.ValueType, *, accepted: str = "", rejected: str = "", checks: int = 0, revision: int = 1
) -> Order:
    quantities = LineQuantities(ordered=quantity("10"))
    if accepted:
        quantities.accepted.CopyFrom(quantity(accepted))
    if rejected:
        quantities.rejected.CopyFrom(quantity(rejected))
    return Order(
        order_id=ORDER_ID,
        state=state,
        revision=revision,
        lines=[OrderLine(line_id="1", sku="CRATE", quantities=quantities)],
        checks=[ValidationCheck(result=CheckResult.CHECK_RESULT_PASS)] * checks,
    )


def a_load(state: LoadState.ValueType) -> Load:
    task = StopTask(order_id=ORDER_ID, line_id="1", expected=quantity("10"))
    stop = Stop(kind=StopKind.STOP_KIND_DELIVERY, state=StopState.STOP_STATE_PLANNED, tasks=[task])
    return Load(load_id=LOAD_ID, state=state, stops=[stop])


def an_invoice(state: InvoiceState.ValueType) -> Invoice:
    return Invoice(invoice_id="i", state=state)


def situation(order: Order, **more: object) -> Situation:
    policy = ProcessPolicy(name="default", version=1, bill_accepted_after_rejection=True)
    return replace(Situation(order=order, now=NOW, policy=policy, begun=True), **more)  # type: ignore[arg-type]


def test_a_process_begins_before_anything_else() -> None:
    order = an_order(OrderState.ORDER_STATE_RECEIVED)
    assert phase(situation(order, begun=False)) == Begin()


@pytest.mark.parametrize(
    ("s", "step"),
    [
        (situation(an_order(OrderState.ORDER_STATE_RECEIVED)), Validate(1)),
        (situation(an_order(OrderState.ORDER_STATE_VALIDATING)), Validate(1)),
        (situation(an_order(OrderState.ORDER_STATE_VALIDATING, checks=4)), ConcludeValidation()),
        (
            situation(an_order(OrderState.ORDER_STATE_DISPATCHED), loads=(a_load(LoadState.LOAD_STATE_DISPATCHED),)),
            ConfirmDispatch(LOAD_ID),
        ),
        (situation(an_order(OrderState.ORDER_STATE_DELIVERED, accepted="10")), OpenInvoice()),
        (
            situation(
                an_order(OrderState.ORDER_STATE_DELIVERED, accepted="10"),
                invoice=an_invoice(InvoiceState.INVOICE_STATE_NOT_READY),
            ),
            ReleaseBilling(),
        ),
        (
            situation(an_order(OrderState.ORDER_STATE_DELIVERED, accepted="8", rejected="2")),
            OpenReview("PARTIAL_REJECTION", decided=True),
        ),
        (
            situation(an_order(OrderState.ORDER_STATE_DELIVERED, accepted="8")),
            OpenReview("SHORTAGE", decided=True),
        ),
        (
            situation(an_order(OrderState.ORDER_STATE_DELIVERED, accepted="0", rejected="10")),
            OpenReview("REFUSAL", decided=True),
        ),
        (situation(an_order(OrderState.ORDER_STATE_INVOICED)), Finish("invoiced")),
        (situation(an_order(OrderState.ORDER_STATE_CLOSED)), Finish("closed")),
        (situation(an_order(OrderState.ORDER_STATE_CANCELLED)), CancelSale()),
        (
            situation(an_order(OrderState.ORDER_STATE_CANCELLED), done=frozenset({"cancel_sale"})),
            Finish("cancelled"),
        ),
        (situation(an_order(OrderState.ORDER_STATE_CANCEL_REQUESTED)), ConfirmCancel()),
        (
            situation(an_order(OrderState.ORDER_STATE_CANCELLED), loads=(a_load(LoadState.LOAD_STATE_PLANNED),)),
            DropFromLoad(LOAD_ID),
        ),
    ],
)
def test_each_state_asks_for_its_own_step(s: Situation, step: Step) -> None:
    assert phase(s) == step


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (InvoiceState.INVOICE_STATE_NOT_READY, ReleaseInvoice()),
        (InvoiceState.INVOICE_STATE_BLOCKED, ReleaseInvoice()),
        (InvoiceState.INVOICE_STATE_READY, PostDelivery()),
        (InvoiceState.INVOICE_STATE_DRAFT, ApproveInvoice()),
        (InvoiceState.INVOICE_STATE_APPROVED, BeginPosting()),
        (InvoiceState.INVOICE_STATE_POSTING, PostInvoice()),
        (InvoiceState.INVOICE_STATE_POST_FAILED, BeginPosting()),
        (InvoiceState.INVOICE_STATE_POSTED, RecordInvoice()),
    ],
)
def test_a_billable_order_follows_its_invoice(state: InvoiceState.ValueType, step: Step) -> None:
    order = an_order(OrderState.ORDER_STATE_BILLABLE, accepted="10")
    assert phase(situation(order, invoice=an_invoice(state))) == step


def test_lines_are_drafted_only_after_the_goods_are_shipped_in_the_erp() -> None:
    order = an_order(OrderState.ORDER_STATE_BILLABLE, accepted="10")
    ready = situation(order, invoice=an_invoice(InvoiceState.INVOICE_STATE_READY))
    assert phase(ready) == PostDelivery()
    assert phase(replace(ready, done=frozenset({"post_delivery"}))) == DraftInvoice()


def test_a_rejected_order_is_reported_once_and_then_waits() -> None:
    order = an_order(OrderState.ORDER_STATE_REJECTED)
    order.checks.append(ValidationCheck(reason="STOCK_SHORT", message="only 0 of 3 in stock"))
    report = phase(situation(order))
    assert isinstance(report, Report)
    assert "only 0 of 3 in stock" in report.message
    assert isinstance(phase(situation(order, done=frozenset({report.key}))), Wait)


def test_a_dispatch_is_confirmed_once_for_each_load() -> None:
    order = an_order(OrderState.ORDER_STATE_IN_EXECUTION)
    loads = (a_load(LoadState.LOAD_STATE_IN_TRANSIT),)
    assert phase(situation(order, loads=loads)) == ConfirmDispatch(LOAD_ID)
    done = frozenset({f"confirm_dispatch/{LOAD_ID}"})
    assert isinstance(phase(situation(order, loads=loads, done=done)), Wait)


def test_a_load_that_is_not_dispatched_is_not_confirmed() -> None:
    order = an_order(OrderState.ORDER_STATE_IN_EXECUTION)
    assert isinstance(phase(situation(order, loads=(a_load(LoadState.LOAD_STATE_ASSIGNED),))), Wait)


def test_a_failed_action_waits_for_its_time() -> None:
    order = an_order(OrderState.ORDER_STATE_RECEIVED)
    later = NOW + timedelta(seconds=30)
    waiting = phase(situation(order, retry_times={"validate/1": later}))
    assert waiting == Wait("validate/1 is tried again", later)
    assert phase(situation(order, retry_times={"validate/1": NOW})) == Validate(1)


def test_a_refused_delivery_is_shipped_back_in_the_erp_and_closed_without_an_invoice() -> None:
    order = an_order(OrderState.ORDER_STATE_DELIVERY_REVIEW, accepted="0", rejected="10")
    first = phase(situation(order))
    assert isinstance(first, Report)
    reported = situation(order, done=frozenset({first.key}))
    assert phase(reported) == PostDelivery()
    closing = phase(replace(reported, done=frozenset({first.key, "post_delivery"})))
    assert isinstance(closing, CloseOrder)


def test_late_events_get_their_quiet_period() -> None:
    order = an_order(OrderState.ORDER_STATE_DELIVERED, accepted="10")
    policy = ProcessPolicy(name="slow", version=1, quiet_period=Duration(seconds=7200))
    s = situation(
        order,
        policy=policy,
        invoice=an_invoice(InvoiceState.INVOICE_STATE_NOT_READY),
        completion_time=NOW - timedelta(hours=1),
    )
    waiting = phase(s)
    assert isinstance(waiting, Wait)
    assert waiting.until == NOW + timedelta(hours=1)
    assert phase(replace(s, completion_time=NOW - timedelta(hours=3))) == ReleaseBilling()


def test_the_gate_is_told_only_what_the_policy_asked_for() -> None:
    order = an_order(OrderState.ORDER_STATE_DELIVERED, accepted="10")
    slow = ProcessPolicy(name="slow", version=1, quiet_period=Duration(seconds=7200))
    quiet, nothing = GateResult.GATE_RESULT_PASS, GateResult.GATE_RESULT_NOT_APPLICABLE
    over = situation(order, policy=slow, completion_time=NOW - timedelta(hours=3))
    assert [check.result for check in policy_checks(over)] == [quiet, nothing, nothing]
    assert [check.result for check in policy_checks(situation(order))] == [nothing] * 3


def test_a_difference_waits_for_a_person_where_the_policy_says_so() -> None:
    order = an_order(OrderState.ORDER_STATE_DELIVERED, accepted="8", rejected="2")
    careful = ProcessPolicy(name="careful", version=1)
    assert phase(situation(order, policy=careful)) == OpenReview("PARTIAL_REJECTION", decided=False)


def test_a_cancelled_order_leaves_its_loads_whatever_it_waited_for() -> None:
    order = an_order(OrderState.ORDER_STATE_CANCELLED)
    parked = situation(order, parked="the ERP refused", parked_action="confirm_dispatch/x")
    assert isinstance(phase(parked), GoOn)
    stuck = situation(order, parked="the load refused", parked_action=f"drop_from_load/{LOAD_ID}")
    assert isinstance(phase(stuck), Wait)


def test_an_amended_order_is_validated_anew_whatever_it_waited_for() -> None:
    order = an_order(OrderState.ORDER_STATE_RECEIVED, revision=2)
    assert isinstance(phase(situation(order, parked="refused", parked_action="validate/1")), GoOn)
    assert isinstance(phase(situation(order, parked="refused", parked_action="validate/2")), Wait)


@pytest.mark.parametrize(
    "more", [{"finished": True}, {"parked": "the period is closed", "parked_action": "validate/1"}]
)
def test_a_finished_or_parked_process_does_nothing(more: dict[str, object]) -> None:
    assert isinstance(phase(situation(an_order(OrderState.ORDER_STATE_RECEIVED), **more)), Wait)


@pytest.mark.parametrize("state", [s for s in OrderState.values() if s != OrderState.ORDER_STATE_UNSPECIFIED])
def test_every_state_has_an_answer(state: OrderState.ValueType) -> None:
    assert phase(situation(an_order(state, accepted="10"))) is not None
