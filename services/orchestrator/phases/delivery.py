"""The stretch of an order from dispatch to the decision about what was delivered (pure; domain reference 3.1, 3.3)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from logistics.exception.v1 import ExceptionKind, Gate
from logistics.load.v1 import LoadState
from logistics.order.v1 import LineQuantities, Order
from services.orchestrator.deciders.order.billing import UNBILLED
from services.orchestrator.deciders.order.state import held_at
from services.orchestrator.phases.billing import gate
from services.orchestrator.phases.cancelling import drop_from_loads
from services.orchestrator.phases.returning import open_reshipment
from services.orchestrator.phases.steps import (
    CancelSale,
    ChangeLoad,
    CloseOrder,
    ConfirmDispatch,
    OpenReview,
    PostDelivery,
    Report,
    Situation,
    Step,
    Wait,
    once,
)
from services.orchestrator.quantities import decimal_of, is_zero
from services.orchestrator.quantities import difference as less
from services.orchestrator.riding import lines_on

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
        # A load that only fetches goods back, or brings them once more, is no dispatch of the sale.
        mine = bool(lines_on(load, s.order.order_id))
        if mine and load.state not in _UNDISPATCHED and confirm.key not in s.done:
            return confirm
    return None


def changes(s: Situation) -> Step | None:
    """Return the next load that has not heard of the newest change on the road, None where all have."""
    if not s.order.change_revision:
        return None
    for load in s.loads:
        change = ChangeLoad(load.load_id, s.order.change_revision)
        over = load.state in {LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED}
        if not over and lines_on(load, s.order.order_id) and change.key not in s.done:
            return change
    return None


def on_the_road(s: Situation) -> Step:
    """Return what an order needs next while its goods are on the road."""
    step = dispatch_confirmations(s) or changes(s)
    if step is None and s.order.turned_back:
        # Loads that have its goods on board get a stop for the way back; the others lose its stops.
        without = [load for load in s.loads if not any(at == load.load_id for at, _ in s.known.pickups)]
        step = drop_from_loads(replace(s, loads=tuple(without)))
    return step or Wait("on the road")


def difference(order: Order) -> str:
    """Return the exception kind that tells how deliveries differ from the order; empty where they do not."""
    lines = [line.quantities for line in order.lines]
    if all(is_zero(q.accepted) for q in lines):
        return "REFUSAL"
    if any(not is_zero(q.rejected) for q in lines):
        return "PARTIAL_REJECTION"
    if any(decimal_of(q.accepted) != wanted(q) for q in lines):
        return "SHORTAGE"
    return ""


def wanted(quantities: LineQuantities) -> Decimal:
    """Return what is wanted of a line: what was ordered and not cancelled."""
    return less(decimal_of(quantities.ordered), decimal_of(quantities.cancelled))


def tolerated(s: Situation) -> bool:
    """Return whether so little is missing, and nothing refused, that the policy bills it without a person's word."""
    permille = s.policy.rejection.short_tolerance_permille
    return permille > 0 and all(
        is_zero(q.rejected) and decimal_of(q.accepted) * 1000 >= wanted(q) * (1000 - permille)
        for q in (line.quantities for line in s.order.lines)
    )


def after_delivery(s: Situation) -> Step:
    """Return what an order needs next once every delivery stop is done."""
    # A dispatch that the ERP never heard of is told late rather than not at all.
    pending = dispatch_confirmations(s)
    if pending is not None:
        return pending
    reason = difference(s.order)
    if reason:
        by_policy = s.policy.bill_accepted_after_rejection or tolerated(s)
        return OpenReview(reason, decided=reason == "REFUSAL" or by_policy)
    return unbilled(s) or gate(s)


def under_review(s: Situation) -> Step:
    """Return what an order needs next while its delivery is reviewed."""
    dropped = drop_from_loads(s) if s.order.turned_back or s.known.remainder else None
    if dropped is not None:
        return dropped
    reason = difference(s.order) or "POD_INVALID"
    nothing_kept = reason == "REFUSAL"
    if s.order.turned_back and nothing_kept:
        return once(s, CancelSale()) or CloseOrder("cancelled on the way: everything came back")
    report = _report(s, reason)
    if report is not None:
        return report
    if open_reshipment(s):
        return Wait("goods are to be delivered once more")
    if nothing_kept:
        return once(s, PostDelivery()) or CloseOrder("the consignee refused everything: nothing to bill")
    return unbilled(s) or gate(s)


def unbilled(s: Situation) -> Step | None:
    """Return what an order of own goods needs next, which nobody is billed; None for any other."""
    if s.order.order_type not in UNBILLED:
        return None
    if s.known.review is not None and not s.known.review.decided:
        return Wait("somebody must decide about the delivery")
    if any(there.lines and not there.proof_verified for there in s.known.deliveries.values()):
        return Wait("a proof of delivery is missing")
    if held_at(s.known, Gate.GATE_BILLING):
        return Wait("a hold keeps it from closing")
    return once(s, PostDelivery()) or CloseOrder("delivered to our own: nothing to bill")


def _report(s: Situation, reason: str) -> Report | None:
    if reason == "SHORTAGE" and (tolerated(s) or s.known.remainder):
        return None
    report = Report(
        ExceptionKind.Value(f"EXCEPTION_KIND_{reason}"),
        "The consignee did not keep everything that was ordered: decide about return, credit or a new delivery.",
    )
    if report.key not in s.done:
        return report
    damaged = [line for there in s.known.deliveries.values() for line in there.lines if "DAMAGE" in line.reason.upper()]
    if any(not is_zero(line.rejected) for line in damaged):
        damage = Report(
            ExceptionKind.EXCEPTION_KIND_DAMAGE,
            "Goods were damaged on the way: look at the pictures of the proof, and tell who is liable.",
        )
        return damage if damage.key not in s.done else None
    return None
