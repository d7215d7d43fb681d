"""The stretch of an order from the billing gate to the posted invoice (pure; domain reference 3.5)."""

from __future__ import annotations

from datetime import datetime, timedelta

from gladhand.enums import short_name
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult, InvoiceState
from logistics.order.v1 import OrderType
from services.orchestrator.phases.steps import (
    ApproveInvoice,
    BeginPosting,
    CloseOrder,
    DraftInvoice,
    OpenInvoice,
    PostDelivery,
    PostInvoice,
    ReceiveReturn,
    RecordInvoice,
    ReleaseBilling,
    ReleaseInvoice,
    Situation,
    Step,
    VoidInvoice,
    Wait,
    once,
)
from services.orchestrator.quantities import is_zero


def gate(s: Situation) -> Step:
    """Return what stands between a delivered order and its billing."""
    if s.invoice is None:
        return OpenInvoice()
    quiet = quiet_until(s)
    if quiet is not None and quiet > s.now:
        return Wait("late events may still come before billing", quiet)
    return ReleaseBilling()


def quiet_until(s: Situation) -> datetime | None:
    """Return when the quiet period after the last stop ends, or None where the policy knows none."""
    period = timedelta(seconds=s.policy.quiet_period.seconds)
    return None if s.completion_time is None or not period else s.completion_time + period


def policy_checks(s: Situation) -> tuple[GateCheck, ...]:
    """Return the checks of the billing gate that the policy decides and the order cannot (domain reference 3.5).

    Only called once the quiet period is over. No policy asks for references or compares rates yet.
    """
    nothing = GateResult.GATE_RESULT_NOT_APPLICABLE
    quiet = nothing if quiet_until(s) is None else GateResult.GATE_RESULT_PASS
    return (
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_QUIET_PERIOD, result=quiet),
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_RATE_VARIANCE, result=nothing),
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_REFERENCES, result=nothing),
    )


def billing_step(s: Situation) -> Step:
    """Return what an order needs next once the gate is open."""
    nothing_left = all(is_zero(line.quantities.accepted) for line in s.order.lines) and not s.order.invoice_ids
    if nothing_left:
        open_ = s.invoice is not None and s.invoice.state != InvoiceState.INVOICE_STATE_VOIDED
        return VoidInvoice() if open_ else CloseOrder("everything was asked back before it was billed")
    if s.invoice is None:
        return OpenInvoice()
    state = s.invoice.state
    if state in {InvoiceState.INVOICE_STATE_NOT_READY, InvoiceState.INVOICE_STATE_BLOCKED}:
        return ReleaseInvoice()
    if state == InvoiceState.INVOICE_STATE_READY:
        goods = ReceiveReturn() if s.order.order_type == OrderType.ORDER_TYPE_RETURN else PostDelivery()
        return once(s, goods) or DraftInvoice()
    if state == InvoiceState.INVOICE_STATE_DRAFT:
        return ApproveInvoice()
    if state in {InvoiceState.INVOICE_STATE_APPROVED, InvoiceState.INVOICE_STATE_POST_FAILED}:
        return BeginPosting()
    if state == InvoiceState.INVOICE_STATE_POSTING:
        return PostInvoice()
    if state == InvoiceState.INVOICE_STATE_POSTED:
        return RecordInvoice()
    return Wait(f"invoice {short_name(InvoiceState, state).lower()}")
