"""On the road: which loads carry the order, what left, what was set down, kept and refused."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import Gate
from logistics.order.v1 import (
    LineMovement,
    Order,
    OrderCancelReversed,
    OrderCommand,
    OrderDelivered,
    OrderDispatched,
    OrderPickedUp,
    OrderPlanned,
    OrderState,
    OrderUnplanned,
    RecordOrderDelivery,
)
from services.orchestrator.deciders.order.crediting import CLAIMABLE, claim_of_delivery
from services.orchestrator.deciders.order.disposing import aboard, check_settled, reshipped
from services.orchestrator.deciders.order.rules import (
    amount,
    barred,
    check_ceiling,
    check_lines,
    line_of,
    ordered,
    present,
)
from services.orchestrator.deciders.order.state import Delivered, LoadPlan, State, held_at, rides_whole
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO, decimal_of, total

_PLANNABLE = frozenset({OrderState.ORDER_STATE_RELEASED, OrderState.ORDER_STATE_PLANNED})
_UNPLANNABLE = _PLANNABLE | {OrderState.ORDER_STATE_DISPATCHED}
_ENDING = frozenset({OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED})
_DISPATCHABLE = frozenset(
    {
        OrderState.ORDER_STATE_PLANNED,
        OrderState.ORDER_STATE_DISPATCHED,
        OrderState.ORDER_STATE_IN_EXECUTION,
        OrderState.ORDER_STATE_PARTIALLY_DELIVERED,
    }
)
_PICKABLE = _DISPATCHABLE - {OrderState.ORDER_STATE_PLANNED}
_DELIVERABLE = frozenset(
    {
        OrderState.ORDER_STATE_IN_EXECUTION,
        OrderState.ORDER_STATE_PARTIALLY_DELIVERED,
        OrderState.ORDER_STATE_DELIVERED,
        OrderState.ORDER_STATE_DELIVERY_REVIEW,
    }
)


def plan(state: State, command: OrderCommand) -> Message | None:
    """Record that lines ride on a load; the same load again replaces what it carried."""
    order, wish = present(state), command.plan
    planned = LoadPlan(tuple(wish.line_ids), tuple(wish.stop_ids))
    if state.plan.get(wish.load_id) == planned:
        return None
    if order.state not in _PLANNABLE:
        raise barred(order, "planning", "only a released order that nobody drives yet can be planned")
    holds = held_at(state, Gate.GATE_PLANNING)
    if holds:
        raise refused(
            ErrorReason.ERROR_REASON_HOLD_BLOCKS,
            f"order {order.order_id} may not be planned: a hold blocks it; release the hold first",
            gate="planning",
            hold_ids=",".join(holds),
        )
    if not planned.line_ids or not planned.stop_ids:
        raise violated("line_ids", "a plan needs at least one line and the stop at which it is delivered")
    for line_id in planned.line_ids:
        line_of(order, line_id)
    elsewhere = {
        line_id for load_id, other in state.plan.items() if load_id != wish.load_id for line_id in other.line_ids
    }
    twice = sorted(elsewhere & set(planned.line_ids))
    if twice:
        # Two waves may have asked for the same order, e.g. while the planner was away: the goods ride once.
        hint = f"lines {', '.join(twice)} ride on another load already; take them off that one first"
        raise barred(order, f"planning on load {wish.load_id}", hint)
    complete = elsewhere | set(planned.line_ids) >= {line.line_id for line in order.lines}
    if not complete and order.state == OrderState.ORDER_STATE_PLANNED:
        raise barred(order, "planning fewer lines", "take the order off the load first, then plan anew")
    return OrderPlanned(load_id=wish.load_id, line_ids=wish.line_ids, stop_ids=wish.stop_ids, complete=complete)


def unplan(state: State, command: OrderCommand) -> Message | None:
    """Record that a load no longer carries the order."""
    order, wish = present(state), command.unplan
    planned = state.plan.get(wish.load_id)
    if planned is None or order.state in _ENDING:
        return None
    if order.state not in _UNPLANNABLE:
        raise barred(order, "taking it off a load", "goods are on board; return or reconsign them")
    return OrderUnplanned(
        load_id=wish.load_id, line_ids=planned.line_ids, reason=wish.reason, none_left=len(state.plan) == 1
    )


def record_dispatch(state: State, command: OrderCommand) -> Message | None:
    """Record that a load with lines of the order was dispatched."""
    order, wish = present(state), command.record_dispatch
    if wish.load_id in state.dispatched:
        return None
    _riding(state, wish.load_id)
    if order.state not in _DISPATCHABLE:
        raise barred(order, "recording a dispatch", "plan every line of the order before its loads are dispatched")
    return OrderDispatched(load_id=wish.load_id, vehicle_id=wish.vehicle_id, dispatch_reference=wish.dispatch_reference)


def record_pickup(state: State, command: OrderCommand) -> Message | None:
    """Record what left a pickup; a later word about the same pickup replaces the earlier one.

    While cancelling is asked for, goods on board decide: the cancelling is reversed, and the pickup must be told again.
    """
    order, wish = present(state), command.record_pickup
    place = (wish.load_id, wish.stop_id)
    if state.pickups.get(place) == tuple(wish.lines):
        return None
    _riding(state, wish.load_id)
    check_lines(order, wish.lines)
    others = (line for at, lines in state.pickups.items() if at != place for line in lines)
    check_ceiling(order, ordered(order), others, wish.lines, "shipped")
    if order.state == OrderState.ORDER_STATE_CANCEL_REQUESTED:
        return _reversed(f"goods had left pickup {wish.stop_id}", turns_back=True)
    if order.state not in _PICKABLE:
        raise barred(order, "recording a pickup", "record the dispatch first; after delivery a pickup never changes")
    return OrderPickedUp(load_id=wish.load_id, stop_id=wish.stop_id, lines=wish.lines)


def record_delivery(state: State, command: OrderCommand) -> Message | None:
    """Record what was set down, kept and refused at a stop, as totals of the stop.

    The newest proof of a stop replaces the one before; one that is not verified never displaces one that is.
    """
    order, wish = present(state), command.record_delivery
    place = (wish.load_id, wish.stop_id)
    known = state.deliveries.get(place)
    told = Delivered(tuple(wish.lines), wish.pod_id, wish.proof_verified)
    if known is not None and (told == known or _weaker(told, known)):
        return None
    if wish.stop_id not in _riding(state, wish.load_id).stop_ids:
        raise refused(
            ErrorReason.ERROR_REASON_STOP_NOT_FOUND,
            f"order {order.order_id} is not delivered at stop {wish.stop_id}; name a stop of its plan",
            stop_id=wish.stop_id,
            load_id=wish.load_id,
        )
    check_lines(order, wish.lines)
    _check_sums(order, wish)
    _check_room(state, order, place, wish)
    if order.state == OrderState.ORDER_STATE_CANCEL_REQUESTED:
        return _reversed(f"goods were set down at stop {wish.stop_id}", turns_back=False)
    if order.state in CLAIMABLE:
        return claim_of_delivery(state, order, place, wish.lines, wish.pod_id)
    if order.state not in _DELIVERABLE:
        early = order.state in _DISPATCHABLE
        remedy = "record the pickup first, inferred if need be" if early else "correct it by a claim or a credit memo"
        raise barred(order, "recording a delivery", remedy)
    check_settled(order, place, wish.lines)
    return OrderDelivered(
        load_id=wish.load_id,
        stop_id=wish.stop_id,
        pod_id=wish.pod_id,
        lines=wish.lines,
        complete=_complete(state, order, place, told),
        proof_verified=wish.proof_verified,
    )


def open_stops(state: State, done: tuple[str, str] | None = None) -> list[str]:
    """Return the planned delivery stops that are not done; `done` counts as done."""
    return [
        stop_id
        for load_id, planned in state.plan.items()
        for stop_id in planned.stop_ids
        if (load_id, stop_id) not in state.deliveries and (load_id, stop_id) != done
    ]


def _check_room(state: State, order: Order, place: tuple[str, str], wish: RecordOrderDelivery) -> None:
    """Check that no more is set down than was ordered, and than is delivered once more."""
    others = (line for at, there in state.deliveries.items() if at != place for line in there.lines)
    again = reshipped(order)
    ceiling = {line_id: total((number, again.get(line_id, ZERO))) for line_id, number in ordered(order).items()}
    check_ceiling(order, ceiling, others, wish.lines, "delivered")


def _complete(state: State, order: Order, place: tuple[str, str], told: Delivered) -> bool:
    """Return whether every delivery stop is done; of an order that was turned back, whether nothing is aboard."""
    if order.turned_back:
        after = replace(state, deliveries={**state.deliveries, place: told})
        return not any(aboard(after, order, load_id) for load_id in {load_id for load_id, _ in state.pickups})
    return rides_whole(state, order) and not open_stops(state, place)


def _weaker(told: Delivered, known: Delivered) -> bool:
    return known.proof_verified and not told.proof_verified


def _riding(state: State, load_id: str) -> LoadPlan:
    planned = state.plan.get(load_id)
    if planned is None:
        raise refused(
            ErrorReason.ERROR_REASON_LOAD_NOT_FOUND,
            f"no line of the order rides on load {load_id}; plan it first",
            load_id=load_id,
        )
    return planned


def _check_sums(order: Order, wish: RecordOrderDelivery) -> None:
    for moved in wish.lines:
        _check_sum(order, moved)


def _check_sum(order: Order, moved: LineMovement) -> None:
    line = line_of(order, moved.line_id)
    kept = amount(line, moved.accepted, "accepted")
    back = amount(line, moved.rejected, "rejected")
    if total((kept, back)) != decimal_of(moved.quantity):
        raise refused(
            ErrorReason.ERROR_REASON_POD_LINES_DO_NOT_ADD_UP,
            f"line {moved.line_id}: {moved.quantity.value} set down is not {kept:f} accepted and {back:f} rejected",
            line_id=moved.line_id,
            expected=moved.quantity.value,
            found=f"{total((kept, back)):f}",
        )


def _reversed(reason: str, *, turns_back: bool) -> OrderCancelReversed:
    return OrderCancelReversed(reason=reason, state=OrderState.ORDER_STATE_IN_EXECUTION, turns_back=turns_back)
