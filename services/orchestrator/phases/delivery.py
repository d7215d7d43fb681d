"""The stretch of an order from dispatch to the decision about what was delivered (pure; domain reference 3.1, 3.3)."""

from __future__ import annotations

from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import LoadState
from logistics.order.v1 import Order
from services.orchestrator.phases.billing import gate
from services.orchestrator.phases.steps import (
    CloseOrder,
    ConfirmDispatch,
    OpenReview,
    PostDelivery,
    Report,
    Situation,
    Step,
    once,
)
from services.orchestrator.quantities import is_zero, same

_UNDISPATCHED = frozenset(
    {
        LoadState.LOAD_STATE_DRAFT,
        LoadState.LOAD_STATE_PLANNED,
        LoadState.LOAD_STATE_ACCEPTED,
        LoadState.LOAD_STATE_ASSIGNED,
        LoadState.LOAD_STATE_CANCELLED,
    }
)


def dispatch_confirmations(s: Situation) -> Step | None:
    """Return the next dispatch that the ERP has not heard of, None where it has heard of all."""
    for load in s.loads:
        confirm = ConfirmDispatch(load.load_id)
        if load.state not in _UNDISPATCHED and confirm.key not in s.done:
            return confirm
    return None


def difference(order: Order) -> str:
    """Return the exception kind that tells how deliveries differ from the order; empty where they do not."""
    lines = [line.quantities for line in order.lines]
    if all(is_zero(q.accepted) for q in lines):
        return "REFUSAL"
    if any(not is_zero(q.rejected) for q in lines):
        return "PARTIAL_REJECTION"
    if any(not same(q.accepted, q.ordered) for q in lines):
        return "SHORTAGE"
    return ""


def after_delivery(s: Situation) -> Step:
    """Return what an order needs next once every delivery stop is done."""
    # A dispatch that the ERP never heard of is told late rather than not at all.
    pending = dispatch_confirmations(s)
    if pending is not None:
        return pending
    reason = difference(s.order)
    if reason:
        return OpenReview(reason, decided=reason == "REFUSAL" or s.policy.bill_accepted_after_rejection)
    return gate(s)


def under_review(s: Situation) -> Step:
    """Return what an order needs next while its delivery is reviewed."""
    reason = difference(s.order) or "POD_INVALID"
    report = Report(
        ExceptionKind.Value(f"EXCEPTION_KIND_{reason}"),
        "The consignee did not keep everything that was ordered: decide about return, credit or a new delivery.",
    )
    if report.key not in s.done:
        return report
    if reason == "REFUSAL":
        return once(s, PostDelivery()) or CloseOrder("the consignee refused everything: nothing to bill")
    return gate(s)
