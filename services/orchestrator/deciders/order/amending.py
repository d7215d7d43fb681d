"""Changes of an order by phase (domain reference 3.1): validated or planned anew, told to the road, or refused."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.order.v1 import (
    LineQuantity,
    Order,
    OrderAmended,
    OrderAmendmentRefused,
    OrderCommand,
    OrderLine,
    OrderState,
)
from services.orchestrator.deciders.order.receiving import same_home, submitted
from services.orchestrator.deciders.order.rules import present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused
from services.orchestrator.quantities import ZERO, decimal_of, difference, quantity_of

_BEFORE_PLANNING = frozenset(
    {
        OrderState.ORDER_STATE_DRAFT,
        OrderState.ORDER_STATE_RECEIVED,
        OrderState.ORDER_STATE_VALIDATING,
        OrderState.ORDER_STATE_REJECTED,
        OrderState.ORDER_STATE_ON_HOLD,
        OrderState.ORDER_STATE_RELEASED,
    }
)
_UNDER_WAY = frozenset(
    {
        OrderState.ORDER_STATE_DISPATCHED,
        OrderState.ORDER_STATE_IN_EXECUTION,
        OrderState.ORDER_STATE_PARTIALLY_DELIVERED,
    }
)
_FIXED = ("customer", "bill_to", "ship_from", "ship_to", "pickup_window", "currency")
_FIXED_LINE = ("sku", "ship_to", "temperature")
_REMEDIES = {
    OrderState.ORDER_STATE_CANCEL_REQUESTED: "it is being cancelled; submit a new order",
    OrderState.ORDER_STATE_DELIVERED: "the goods are delivered; claim what is wrong",
    OrderState.ORDER_STATE_DELIVERY_REVIEW: "the goods are delivered; claim what is wrong",
}


def amend(state: State, command: OrderCommand) -> Message | None:
    """Record the next revision, with the consequence of the phase.

    Before planning it is validated anew; on a plan it leaves its loads first; on the road what can be carried out is
    told to the loads. What comes too late is kept as refused. Raises AMEND_NOT_POSSIBLE of a cancelled order.
    """
    order, wish = present(state), command.amend
    digest = wish.content_sha256
    if (state.contents and digest == state.contents[-1]) or digest in state.refused_contents:
        return None
    if order.state == OrderState.ORDER_STATE_CANCELLED:
        raise refused(
            ErrorReason.ERROR_REASON_AMEND_NOT_POSSIBLE,
            f"order {order.order_id} is cancelled and can no longer be changed; submit a new order",
            order_id=order.order_id,
            state=OrderState.Name(order.state),
            remedy="submit a new order",
        )
    same_home(order, wish.order)
    planned = order.state == OrderState.ORDER_STATE_PLANNED
    if planned or order.state in _BEFORE_PLANNING:
        replans = planned or bool(state.plan)
        revised = submitted(wish.order, order.order_id, order.revision + 1)
        return OrderAmended(order=revised, content_sha256=digest, replans=replans)
    why = _too_late(state, order, wish.order)
    if why:
        kept = submitted(wish.order, order.order_id, order.revision)
        return OrderAmendmentRefused(order=kept, content_sha256=digest, reason=why[:2000])
    return _under_way(order, wish.order, digest)


def _too_late(state: State, order: Order, wanted: Order) -> str:
    """Return why a change cannot be carried out any more, empty where it can."""
    if order.state not in _UNDER_WAY or order.turned_back or state.remainder:
        return _REMEDIES.get(order.state, "it is being ended or billed; claim what is wrong, or submit a new order")
    changed = [name for name in _FIXED if _differs(order, wanted, name)]
    if changed:
        return f"{', '.join(changed)} cannot change on the road; cancel the order and submit a new one"
    known = {line.line_id: line for line in order.lines}
    for line in wanted.lines:
        before = known.get(line.line_id)
        if before is None:
            return f"line {line.line_id} is new; submit a new order for it"
        differing = [name for name in _FIXED_LINE if _differs(before, line, name)]
        if differing:
            return f"{', '.join(differing)} of line {line.line_id} cannot change on the road"
    after = {line.line_id: line for line in wanted.lines}
    for line_id, before in known.items():
        why = _quantity_too_late(before, after.get(line_id))
        if why:
            return why
    return ""


def _quantity_too_late(before: OrderLine, after: OrderLine | None) -> str:
    wanted = decimal_of(after.quantities.ordered) if after is not None else ZERO
    quantities = before.quantities
    now = difference(decimal_of(quantities.ordered), decimal_of(quantities.cancelled))
    if after is not None and after.quantities.ordered.unit_code != quantities.ordered.unit_code:
        return f"line {before.line_id} cannot be counted otherwise on the road"
    if wanted > now:
        return f"line {before.line_id} grows from {now:f} to {wanted:f}; submit a new order for the difference"
    moved = max(decimal_of(quantities.shipped), decimal_of(quantities.delivered))
    if wanted < now and wanted < moved:
        return f"{moved:f} of line {before.line_id} are on board or delivered, more than {wanted:f}; cancel or claim"
    return ""


def _under_way(order: Order, wanted: Order, digest: str) -> OrderAmended:
    """Return the change as the road is told of it: `ordered` stays, what is no longer wanted is cancelled."""
    revised = submitted(order, order.order_id, order.revision + 1)
    for name in ("delivery_window", "instructions", "cost_center"):
        _take_over(revised, wanted, name)
    after = {line.line_id: line for line in wanted.lines}
    cancelled = []
    for line in revised.lines:
        told = after.get(line.line_id)
        if told is not None:
            _take_over(line, told, "unit_price")
        ordered = line.quantities.ordered
        gone = difference(decimal_of(ordered), decimal_of(told.quantities.ordered) if told is not None else ZERO)
        if gone > ZERO:
            cancelled.append(LineQuantity(line_id=line.line_id, quantity=quantity_of(gone, ordered.unit_code)))
    return OrderAmended(order=revised, content_sha256=digest, under_way=True, cancelled=cancelled)


def _differs(one: Order | OrderLine, other: Order | OrderLine, name: str) -> bool:
    was, now = getattr(one, name), getattr(other, name)
    return bool(was != now)


def _take_over(target: Order | OrderLine, source: Order | OrderLine, name: str) -> None:
    to: Message = target
    to.ClearField(name)
    value = getattr(source, name)
    if not isinstance(value, Message):
        setattr(target, name, value)
    elif source.HasField(name):  # type: ignore[arg-type]  # one of the names above
        getattr(target, name).CopyFrom(value)
