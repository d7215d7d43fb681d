"""Cancelling by phase (domain reference 3.1): at once, by asking the road, by turning goods back, or by a credit."""

from __future__ import annotations

from google.protobuf.message import Message

from gladhand import ids
from logistics.error.v1 import ErrorReason
from logistics.order.v1 import (
    ClaimState,
    LineMovement,
    LineQuantity,
    Order,
    OrderCancelled,
    OrderCancelRequested,
    OrderClaim,
    OrderClaimed,
    OrderCommand,
    OrderRemainderCancelled,
    OrderState,
    OrderTurnedBack,
)
from services.orchestrator.deciders.order.crediting import claimable
from services.orchestrator.deciders.order.rules import barred, present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused
from services.orchestrator.quantities import ZERO, decimal_of, difference, quantity_of

_AT_ONCE = frozenset(
    {
        OrderState.ORDER_STATE_DRAFT,
        OrderState.ORDER_STATE_RECEIVED,
        OrderState.ORDER_STATE_VALIDATING,
        OrderState.ORDER_STATE_ON_HOLD,
        OrderState.ORDER_STATE_RELEASED,
        OrderState.ORDER_STATE_PLANNED,
    }
)
_CANCELLED = frozenset({OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED})
_INVOICED = frozenset({OrderState.ORDER_STATE_INVOICED, OrderState.ORDER_STATE_CLOSED})
_REMEDIES = {
    OrderState.ORDER_STATE_REJECTED: "none is needed: it was rejected",
    OrderState.ORDER_STATE_PARTIALLY_INVOICED: "credit",
    OrderState.ORDER_STATE_INVOICED: "credit",
    OrderState.ORDER_STATE_CLOSED: "credit",
}


def cancel(state: State, command: OrderCommand) -> Message | None:
    """Cancel with the consequence of the phase: at once, by asking the road, the remainder only, or not at all.

    Goods on board travel back instead; of an invoiced order everything that it still claims is asked back.
    """
    order, wish = present(state), command.cancel
    if order.state in _CANCELLED or state.remainder or order.turned_back:
        return None
    if order.state in _AT_ONCE:
        return OrderCancelled(reason=wish.reason)
    if order.state == OrderState.ORDER_STATE_DISPATCHED:
        return OrderCancelRequested(reason=wish.reason)
    if order.state == OrderState.ORDER_STATE_IN_EXECUTION:
        turned = OrderTurnedBack(reason=wish.reason)
        if wish.HasField("place"):
            turned.place.CopyFrom(wish.place)
        return turned
    if order.state == OrderState.ORDER_STATE_PARTIALLY_DELIVERED:
        return OrderRemainderCancelled(lines=_remainder(order), reason=wish.reason)
    if order.state in _INVOICED:
        return _asked_back(order, wish.reason)
    raise _not_possible(order)


def confirm_cancel(state: State, command: OrderCommand) -> Message | None:
    """Record that the road agreed to a requested cancelling."""
    order = present(state)
    if order.state == OrderState.ORDER_STATE_CANCELLED:
        return None
    if order.state != OrderState.ORDER_STATE_CANCEL_REQUESTED:
        raise barred(order, "confirming a cancelling", "nobody has asked for it")
    return OrderCancelled(reason=command.confirm_cancel.reason)


def _asked_back(order: Order, reason: str) -> Message | None:
    """Return the claim for everything that an invoiced order still claims."""
    left = claimable(order)
    units = {line.line_id: line.quantities.ordered.unit_code for line in order.lines}
    lines = [
        LineQuantity(line_id=line_id, quantity=quantity_of(number, units[line_id]))
        for line_id, number in left.items()
        if number > ZERO
    ]
    claim_id = ids.derive(order.order_id, "claim", "cancelled", str(len(order.claims)))
    if lines and any(line.quantities.invoiced.value for line in order.lines):
        claim = OrderClaim(claim_id=claim_id, lines=lines, reason=reason, state=ClaimState.CLAIM_STATE_OPEN)
        return OrderClaimed(claim=claim)
    if order.claims:
        return None
    raise _not_possible(order)


def _not_possible(order: Order) -> Exception:
    remedy = _REMEDIES.get(order.state, "claim")
    return refused(
        ErrorReason.ERROR_REASON_CANCEL_NOT_POSSIBLE,
        f"order {order.order_id} can no longer be cancelled; remedy: {remedy}",
        order_id=order.order_id,
        state=OrderState.Name(order.state),
        remedy=remedy,
    )


def _remainder(order: Order) -> list[LineMovement]:
    lines = []
    for line in order.lines:
        wanted = line.quantities.ordered
        left = difference(decimal_of(wanted), decimal_of(line.quantities.delivered))
        if left > ZERO:
            lines.append(LineMovement(line_id=line.line_id, quantity=quantity_of(left, wanted.unit_code)))
    return lines
