"""The stretch of an order from the billing gate to the posted invoice (pure; domain reference 3.5)."""

from __future__ import annotations

from datetime import datetime, timedelta

from gladhand.enums import short_name
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult, InvoiceState
from logistics.order.v1 import OrderType
from logistics.type.v1 import ReferenceType
from services.orchestrator.billing import drafted_invoice, rate_variance
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
    RequestReview,
    Situation,
    Step,
    VoidInvoice,
    Wait,
    once,
)
from services.orchestrator.quantities import is_zero

_HOLDABLE = frozenset(
    {
        InvoiceState.INVOICE_STATE_READY,
        InvoiceState.INVOICE_STATE_DRAFT,
        InvoiceState.INVOICE_STATE_APPROVED,
        InvoiceState.INVOICE_STATE_POST_FAILED,
    }
)


def gate(s: Situation) -> Step:
    """Return what stands between a delivered order and its billing."""
    if s.invoice is None:
        return OpenInvoice()
    quiet = quiet_until(s)
    waived = GateCheckKind.GATE_CHECK_KIND_QUIET_PERIOD in s.waived
    if quiet is not None and quiet > s.now and not waived:
        return Wait("late events may still come before billing", quiet)
    return ReleaseBilling()


def quiet_until(s: Situation) -> datetime | None:
    """Return when the quiet period after the last stop ends, or None where the policy knows none."""
    period = timedelta(seconds=s.policy.quiet_period.seconds)
    return None if s.completion_time is None or not period else s.completion_time + period


def policy_checks(s: Situation) -> tuple[GateCheck, ...]:
    """Return the checks of the billing gate that the policy decides and the order cannot (domain reference 3.5)."""
    drawn = drafted_invoice(s.order, (), s.loads)
    checks = (
        _quiet_period(s),
        rate_variance(drawn, s.order, s.policy.billing.rate_variance_permille),
        _references(s),
    )
    return (*checks, *_held_loads(s))


def _quiet_period(s: Situation) -> GateCheck:
    kind, quiet = GateCheckKind.GATE_CHECK_KIND_QUIET_PERIOD, quiet_until(s)
    if quiet is None:
        return GateCheck(kind=kind, result=GateResult.GATE_RESULT_NOT_APPLICABLE)
    if quiet <= s.now:
        return GateCheck(kind=kind, result=GateResult.GATE_RESULT_PASS)
    message = f"late events may still come until {quiet.isoformat()}"
    return GateCheck(kind=kind, result=GateResult.GATE_RESULT_FAIL, message=message)


def _references(s: Situation) -> GateCheck:
    kind = GateCheckKind.GATE_CHECK_KIND_REFERENCES
    wanted = list(s.policy.billing.required_references)
    if not wanted:
        return GateCheck(kind=kind, result=GateResult.GATE_RESULT_NOT_APPLICABLE)
    known = {reference.type for reference in s.order.references if reference.value}
    missing = [short_name(ReferenceType, each) for each in wanted if each not in known]
    if not missing:
        return GateCheck(kind=kind, result=GateResult.GATE_RESULT_PASS)
    message = f"the customer asks for {', '.join(missing)}: amend the order, or let the policy's role waive it"
    return GateCheck(kind=kind, result=GateResult.GATE_RESULT_FAIL, message=message)


def _held_loads(s: Situation) -> tuple[GateCheck, ...]:
    if not s.held_loads:
        return ()
    kind = GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD
    message = "a hold of a load or stop blocks billing"
    result = GateResult.GATE_RESULT_FAIL
    return (GateCheck(kind=kind, result=result, message=message, evidence_ids=s.held_loads),)


def billing_step(s: Situation) -> Step:
    """Return what an order needs next once the gate is open."""
    nothing_left = all(is_zero(line.quantities.accepted) for line in s.order.lines) and not s.order.invoice_ids
    if nothing_left:
        open_ = s.invoice is not None and s.invoice.state != InvoiceState.INVOICE_STATE_VOIDED
        return VoidInvoice() if open_ else CloseOrder("everything was asked back before it was billed")
    if s.invoice is None:
        return OpenInvoice()
    state = s.invoice.state
    if s.billing_holds and state in _HOLDABLE:
        # Whoever holds the billing after the gate means the posting: what the ERP was not asked yet, it is not asked.
        return Wait(f"a hold blocks billing: {', '.join(s.billing_holds)}")
    if state in {InvoiceState.INVOICE_STATE_NOT_READY, InvoiceState.INVOICE_STATE_BLOCKED}:
        return ReleaseInvoice()
    if state == InvoiceState.INVOICE_STATE_READY:
        goods = ReceiveReturn() if s.order.order_type == OrderType.ORDER_TYPE_RETURN else PostDelivery()
        return once(s, goods) or DraftInvoice()
    if state == InvoiceState.INVOICE_STATE_DRAFT:
        variance = rate_variance(s.invoice, s.order, s.policy.billing.rate_variance_permille)
        failed = variance.result == GateResult.GATE_RESULT_FAIL
        return RequestReview(variance) if failed and variance.kind not in s.waived else ApproveInvoice()
    if state in {InvoiceState.INVOICE_STATE_APPROVED, InvoiceState.INVOICE_STATE_POST_FAILED}:
        return BeginPosting()
    if state == InvoiceState.INVOICE_STATE_POSTING:
        return PostInvoice()
    if state == InvoiceState.INVOICE_STATE_POSTED:
        return RecordInvoice()
    return Wait(f"invoice {short_name(InvoiceState, state).lower()}")
