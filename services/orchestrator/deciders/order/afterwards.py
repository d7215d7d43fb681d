"""What events about ends, returns, claims and credits make of an order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from logistics.order.v1 import (
    ClaimState,
    Disposition,
    GoodsDisposition,
    LineQuantity,
    Order,
    OrderClaim,
    OrderEvent,
    OrderState,
)
from services.orchestrator.deciders.order.state import LoadPlan, State
from services.orchestrator.quantities import ZERO, decimal_of, total

KEPT_THROUGH_AMENDMENTS = ("dispositions", "claims")
"""Lists of an order that only the orchestrator knows."""


def cancel_requested(state: State, order: Order, event: OrderEvent) -> State:
    """The road is asked."""
    order.cancel_request_time.CopyFrom(event.occur_time)
    return state


def cancel_reversed(state: State, order: Order, event: OrderEvent) -> State:
    """The cancelling came too late; goods on board travel back all the same."""
    order.state = event.cancel_reversed.state
    order.turned_back = order.turned_back or event.cancel_reversed.turns_back
    return state


def turned_back(state: State, order: Order, event: OrderEvent) -> State:
    """Goods on board travel back."""
    order.turned_back = True
    if event.turned_back.HasField("place"):
        order.turn_back_place.CopyFrom(event.turned_back.place)
    return state


def amendment_refused(state: State, _order: Order, event: OrderEvent) -> State:
    """What was wanted is remembered, so that it is not asked again."""
    refused = event.amendment_refused
    return replace(state, refused_contents={**state.refused_contents, refused.content_sha256: refused.reason})


def _disposition_decided(state: State, order: Order, event: OrderEvent) -> State:
    told = event.disposition_decided.disposition
    known = _disposition(order, told.disposition_id)
    if known is None:
        order.dispositions.append(told)
    else:
        known.CopyFrom(told)
    return state


def _disposition_laid(state: State, order: Order, event: OrderEvent) -> State:
    laid = event.disposition_laid
    known = _disposition(order, laid.disposition_id)
    if known is None:
        return state
    known.load_id, known.stop_id = laid.load_id, laid.stop_id
    if laid.load_id not in order.load_ids:
        order.load_ids.append(laid.load_id)
    if known.disposition != Disposition.DISPOSITION_RESHIP:
        return state
    plan = LoadPlan(tuple(line.line_id for line in known.lines), (laid.stop_id,))
    return replace(state, plan={**state.plan, laid.load_id: plan})


def _disposition_unlaid(state: State, order: Order, event: OrderEvent) -> State:
    gone = event.disposition_unlaid
    known = _disposition(order, gone.disposition_id)
    if known is None:
        return state
    known.ClearField("load_id")
    known.ClearField("stop_id")
    if known.disposition != Disposition.DISPOSITION_RESHIP:
        return state
    return replace(state, plan={load_id: plan for load_id, plan in state.plan.items() if load_id != gone.load_id})


def _returned(state: State, order: Order, event: OrderEvent) -> State:
    back = event.returned
    known = _disposition(order, back.disposition_id)
    if known is not None:
        del known.returned[:]
        known.returned.extend(back.lines)
        known.pod_id = back.pod_id
        known.return_time.CopyFrom(event.occur_time)
    if back.complete:
        order.state = OrderState.ORDER_STATE_DELIVERY_REVIEW
    return state


def _claimed(state: State, order: Order, event: OrderEvent) -> State:
    order.claims.append(event.claimed.claim)
    return state


def _claim_decided(state: State, order: Order, event: OrderEvent) -> State:
    told = event.claim_decided
    known = _claim(order, told.claim_id)
    if known is None:
        return state
    known.state, known.decided_by = told.state, told.decided_by
    if told.state != ClaimState.CLAIM_STATE_TAKEN_IN:
        return state
    return replace(state, taken_in={**state.taken_in, told.claim_id: tuple(known.lines)})


def _credited(state: State, order: Order, event: OrderEvent) -> State:
    credit = event.credited
    if credit.credit_invoice_id and credit.credit_invoice_id not in order.invoice_ids:
        order.invoice_ids.append(credit.credit_invoice_id)
    known = _claim(order, credit.claim_id)
    if known is not None:
        known.state, known.credit_invoice_id = ClaimState.CLAIM_STATE_CREDITED, credit.credit_invoice_id
    return replace(state, credits={**state.credits, credit.credit_invoice_id: tuple(credit.lines)})


def _disposition(order: Order, disposition_id: str) -> GoodsDisposition | None:
    return next((known for known in order.dispositions if known.disposition_id == disposition_id), None)


def _claim(order: Order, claim_id: str) -> OrderClaim | None:
    return next((known for known in order.claims if known.claim_id == claim_id), None)


def by_line(parts: Iterable[LineQuantity]) -> dict[str, Decimal]:
    """Return the sum of each line."""
    sums: dict[str, Decimal] = {}
    for part in parts:
        sums[part.line_id] = total((sums.get(part.line_id, ZERO), decimal_of(part.quantity)))
    return sums


AFTER: Mapping[str, Callable[[State, Order, OrderEvent], State]] = {
    "cancel_requested": cancel_requested,
    "cancel_reversed": cancel_reversed,
    "turned_back": turned_back,
    "amendment_refused": amendment_refused,
    "disposition_decided": _disposition_decided,
    "disposition_laid": _disposition_laid,
    "disposition_unlaid": _disposition_unlaid,
    "returned": _returned,
    "claimed": _claimed,
    "claim_decided": _claim_decided,
    "credited": _credited,
}
"""What each of these events does to an order."""

MOVES = frozenset({"returned", "claim_decided", "credited", "turned_back", "cancel_reversed"})
"""Events after which quantities differ."""
