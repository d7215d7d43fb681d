"""Cancelling by phase (domain reference 3.1), and holds."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import Gate
from logistics.order.v1 import (
    LineMovement,
    Order,
    OrderCancelled,
    OrderCancelRequested,
    OrderCommand,
    OrderHoldApplied,
    OrderHoldLifted,
    OrderRemainderCancelled,
    OrderState,
)
from services.orchestrator.deciders.order.receiving import resumed
from services.orchestrator.deciders.order.rules import barred, present
from services.orchestrator.deciders.order.state import State, held_at
from services.orchestrator.deciders.refusal import refused, violated
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
_REMEDIES = {
    OrderState.ORDER_STATE_REJECTED: "none is needed: it was rejected",
    OrderState.ORDER_STATE_IN_EXECUTION: "the goods are on board: return or reconsign them",
    OrderState.ORDER_STATE_PARTIALLY_INVOICED: "credit",
    OrderState.ORDER_STATE_INVOICED: "credit",
    OrderState.ORDER_STATE_CLOSED: "credit",
}


def cancel(state: State, command: OrderCommand) -> Message | None:
    """Cancel with the consequence of the phase: at once, by asking the road, the remainder only, or not at all."""
    order, wish = present(state), command.cancel
    if order.state in _CANCELLED or state.remainder:
        return None
    if order.state in _AT_ONCE:
        return OrderCancelled(reason=wish.reason)
    if order.state == OrderState.ORDER_STATE_DISPATCHED:
        return OrderCancelRequested(reason=wish.reason)
    if order.state == OrderState.ORDER_STATE_PARTIALLY_DELIVERED:
        return OrderRemainderCancelled(lines=_remainder(order), reason=wish.reason)
    remedy = _REMEDIES.get(order.state, "claim")
    raise refused(
        ErrorReason.ERROR_REASON_CANCEL_NOT_POSSIBLE,
        f"order {order.order_id} can no longer be cancelled; remedy: {remedy}",
        order_id=order.order_id,
        state=OrderState.Name(order.state),
        remedy=remedy,
    )


def confirm_cancel(state: State, command: OrderCommand) -> Message | None:
    """Record that the road agreed to a requested cancelling."""
    order = present(state)
    if order.state == OrderState.ORDER_STATE_CANCELLED:
        return None
    if order.state != OrderState.ORDER_STATE_CANCEL_REQUESTED:
        raise barred(order, "confirming a cancelling", "nobody has asked for it")
    return OrderCancelled(reason=command.confirm_cancel.reason)


def apply_hold(state: State, command: OrderCommand) -> Message | None:
    """Let a hold block gates."""
    present(state)
    wish = command.apply_hold
    if not wish.hold_id or not wish.gates:
        raise violated("gates", "a hold needs its id and at least one gate that it blocks")
    if state.holds.get(wish.hold_id) == frozenset(wish.gates):
        return None
    return OrderHoldApplied(hold_id=wish.hold_id, gates=wish.gates)


def lift_hold(state: State, command: OrderCommand) -> Message | None:
    """Let a hold no longer block; where it was the last one that stopped the order before release, it goes on."""
    order, hold_id = present(state), command.lift_hold.hold_id
    if hold_id not in state.holds:
        return None
    stopped = order.state == OrderState.ORDER_STATE_ON_HOLD and hold_id == state.held_by
    if stopped and not set(held_at(state, Gate.GATE_PLANNING)) - {hold_id}:
        return resumed(state)
    return OrderHoldLifted(hold_id=hold_id)


def _remainder(order: Order) -> list[LineMovement]:
    lines = []
    for line in order.lines:
        wanted = line.quantities.ordered
        left = difference(decimal_of(wanted), decimal_of(line.quantities.delivered))
        if left > ZERO:
            lines.append(LineMovement(line_id=line.line_id, quantity=quantity_of(left, wanted.unit_code)))
    return lines
