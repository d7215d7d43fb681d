"""Taking back what the road had told and tells no more (domain reference 3.7 rule 7).

What was told to nobody outside is undone; once it was, a person must decide, and the refusal says what would help.
"""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.order.v1 import OrderCommand, OrderDeliveryRetracted, OrderPickupRetracted, OrderState
from services.orchestrator.deciders.order.rules import present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused

_UNDELIVERED = frozenset({OrderState.ORDER_STATE_DISPATCHED, OrderState.ORDER_STATE_IN_EXECUTION})
_UNBILLED = frozenset(
    {
        OrderState.ORDER_STATE_PARTIALLY_DELIVERED,
        OrderState.ORDER_STATE_DELIVERED,
        OrderState.ORDER_STATE_DELIVERY_REVIEW,
    }
)


def retract_pickup(state: State, command: OrderCommand) -> Message | None:
    """Take back that lines left a pickup, as long as nothing of the order was delivered."""
    order, wish = present(state), command.retract_pickup
    if (wish.load_id, wish.stop_id) not in state.pickups:
        return None
    if order.state not in _UNDELIVERED:
        raise refused(
            ErrorReason.ERROR_REASON_TRANSITION_NOT_ALLOWED,
            f"goods of order {order.order_id} were delivered or billed after that pickup; find out what was loaded and "
            "correct the delivery, or credit what was billed",
            state=OrderState.Name(order.state),
        )
    return OrderPickupRetracted(load_id=wish.load_id, stop_id=wish.stop_id, reason=wish.reason)


def retract_delivery(state: State, command: OrderCommand) -> Message | None:
    """Take back what was set down at a stop, as long as the billing gate is shut."""
    order, wish = present(state), command.retract_delivery
    if (wish.load_id, wish.stop_id) not in state.deliveries:
        return None
    if order.state not in _UNBILLED or state.remainder:
        remedy = (
            "write a credit memo for what was posted and bill anew once the goods are delivered"
            if state.invoices
            else "void the invoice before it is posted, and bill anew once the goods are delivered"
        )
        raise refused(
            ErrorReason.ERROR_REASON_TRANSITION_NOT_ALLOWED,
            f"order {order.order_id} was billed or ended by that delivery; {remedy}",
            state=OrderState.Name(order.state),
            remedy=remedy,
        )
    return OrderDeliveryRetracted(load_id=wish.load_id, stop_id=wish.stop_id, reason=wish.reason)
