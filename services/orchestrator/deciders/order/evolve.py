"""What each event makes of an order. Nothing is refused here: the past already happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import cast

from google.protobuf.message import Message

from logistics.exception.v1 import Gate
from logistics.order.v1 import Order, OrderEvent, OrderLine, OrderState
from logistics.type.v1 import ExternalReference
from services.orchestrator.deciders.order import cold_chain, estimates
from services.orchestrator.deciders.order.afterwards import AFTER, MOVES, by_line
from services.orchestrator.deciders.order.charging import replaced, taken_back
from services.orchestrator.deciders.order.state import Delivered, LoadPlan, Review, State, held_at
from services.orchestrator.quantities import ZERO, decimal_of, difference, quantity_of, total


def evolve(state: State, event: OrderEvent) -> State:
    """Return the state after an event; one that this version does not know changes the version alone."""
    order = Order()
    if state.order is not None:
        order.CopyFrom(state.order)
    name = event.WhichOneof("body")
    after = _AFTER[name](state, order, event) if name is not None else state
    target = _TARGETS.get(name or "")
    if target is not None:
        order.state = target
    if name in _MOVES:
        _reckon(after, order)
    order.version = event.version
    order.update_time.CopyFrom(event.record_time)
    return replace(after, order=order)


def _born(order: Order, event: OrderEvent, given: Order) -> None:
    """Take over a whole order, keeping what only this system knows of it."""
    known = Order()
    known.CopyFrom(order)
    order.CopyFrom(given)
    order.order_id = event.order_id or order.order_id
    order.create_time.CopyFrom(known.create_time if known.HasField("create_time") else event.record_time)
    # An amended order runs under the policy with which it came.
    order.policy_version = given.policy_version or known.policy_version
    order.load_ids.extend(known.load_ids)
    order.hold_ids.extend(known.hold_ids)
    order.invoice_ids.extend(known.invoice_ids)
    del order.cold_chain[:]
    order.cold_chain.extend(known.cold_chain)
    order.charges.extend(known.charges)
    order.dispositions.extend(known.dispositions)
    order.claims.extend(known.claims)
    order.turned_back, order.change_revision = known.turned_back, known.change_revision
    if known.HasField("turn_back_place"):
        order.turn_back_place.CopyFrom(known.turn_back_place)
    if known.HasField("cancel_request_time"):
        order.cancel_request_time.CopyFrom(known.cancel_request_time)


def _drafted(state: State, order: Order, event: OrderEvent) -> State:
    _born(order, event, event.drafted.order)
    return state


def _received(state: State, order: Order, event: OrderEvent) -> State:
    _born(order, event, event.received.order)
    return replace(state, contents=(*state.contents, event.received.content_sha256))


def _amended(state: State, order: Order, event: OrderEvent) -> State:
    was = order.state
    _born(order, event, event.amended.order)
    # A draft stays one, and what already rides keeps its place; everything else is validated anew.
    stays = was == OrderState.ORDER_STATE_DRAFT or (was in _RIDING and not event.amended.replans)
    order.state = was if stays else OrderState.ORDER_STATE_RECEIVED
    contents = (*state.contents, event.amended.content_sha256)
    after = replace(state, contents=contents, checks=() if not stays else state.checks, held_by="")
    if event.amended.under_way:
        order.change_revision = order.revision
        return replace(after, reduced=tuple(event.amended.cancelled))
    return replace(after, plan={}, dispatched=frozenset()) if event.amended.replans else after


def _validated(state: State, order: Order, event: OrderEvent) -> State:
    del order.checks[:]
    order.checks.extend(event.validated.checks)
    known = {_key(reference) for reference in order.references}
    for reference in event.validated.references:
        if _key(reference) not in known:
            known.add(_key(reference))
            order.references.append(reference)
    return replace(state, checks=tuple(event.validated.checks))


def _released(state: State, order: Order, _event: OrderEvent) -> State:
    del order.checks[:]
    return state


def _rejected(state: State, order: Order, event: OrderEvent) -> State:
    del order.checks[:]
    order.checks.extend(event.rejected.checks)
    return replace(state, held_by="")


def _held(state: State, order: Order, event: OrderEvent) -> State:
    hold_id = event.held.hold_id
    gates = state.holds.get(hold_id, frozenset()) | {Gate.GATE_PLANNING}
    return _with_holds(replace(state, held_by=hold_id), order, {**state.holds, hold_id: gates})


def _resumed(state: State, order: Order, event: OrderEvent) -> State:
    released = event.resumed.validated
    order.state = OrderState.ORDER_STATE_RELEASED if released else OrderState.ORDER_STATE_RECEIVED
    del order.checks[:]
    left = {hold_id: gates for hold_id, gates in state.holds.items() if hold_id != event.resumed.hold_id}
    return _with_holds(replace(state, held_by="", checks=state.checks if released else ()), order, left)


def _planned(state: State, order: Order, event: OrderEvent) -> State:
    planned = event.planned
    if planned.complete:
        order.state = OrderState.ORDER_STATE_PLANNED
    if planned.load_id not in order.load_ids:
        order.load_ids.append(planned.load_id)
    plan = LoadPlan(tuple(planned.line_ids), tuple(planned.stop_ids))
    return replace(state, plan={**state.plan, planned.load_id: plan})


def _unplanned(state: State, order: Order, event: OrderEvent) -> State:
    gone = event.unplanned.load_id
    dispatched = state.dispatched - {gone}
    order.state = OrderState.ORDER_STATE_DISPATCHED if dispatched else OrderState.ORDER_STATE_RELEASED
    left = {load_id: plan for load_id, plan in state.plan.items() if load_id != gone}
    return replace(state, plan=left, dispatched=dispatched)


def _dispatched(state: State, order: Order, event: OrderEvent) -> State:
    if order.state == OrderState.ORDER_STATE_PLANNED:
        order.state = OrderState.ORDER_STATE_DISPATCHED
    return replace(state, dispatched=state.dispatched | {event.dispatched.load_id})


def _picked_up(state: State, order: Order, event: OrderEvent) -> State:
    if order.state == OrderState.ORDER_STATE_DISPATCHED:
        order.state = OrderState.ORDER_STATE_IN_EXECUTION
    left = event.picked_up
    return replace(state, pickups={**state.pickups, (left.load_id, left.stop_id): tuple(left.lines)})


def _delivered(state: State, order: Order, event: OrderEvent) -> State:
    there = event.delivered
    if order.state in {OrderState.ORDER_STATE_IN_EXECUTION, OrderState.ORDER_STATE_PARTIALLY_DELIVERED}:
        done = there.complete
        order.state = OrderState.ORDER_STATE_DELIVERED if done else OrderState.ORDER_STATE_PARTIALLY_DELIVERED
    told = Delivered(tuple(there.lines), there.pod_id, there.proof_verified)
    return replace(state, deliveries={**state.deliveries, (there.load_id, there.stop_id): told})


def _remainder_cancelled(state: State, _order: Order, event: OrderEvent) -> State:
    # Whoever cancels the rest has decided that what was delivered goes on to billing.
    decided = Review("SHORTAGE", decided=True)
    return replace(state, remainder=tuple(event.remainder_cancelled.lines), review=decided)


def _review_opened(state: State, _order: Order, event: OrderEvent) -> State:
    opened = event.review_opened
    waiting = state.review is not None and not state.review.decided
    since = state.review.opened_time if state.review is not None and waiting else None
    if opened.decided:
        since = None  # nobody is waited for any more; a review that is opened anew counts anew
    elif since is None:
        since = event.record_time.ToDatetime(tzinfo=UTC)
    return replace(state, review=Review(opened.reason, opened.exception_id, opened.decided, since))


def _billing_released(state: State, _order: Order, event: OrderEvent) -> State:
    return replace(state, gate_checks=tuple(event.billing_released.checks))


def _invoiced(state: State, order: Order, event: OrderEvent) -> State:
    posted = event.invoiced
    order.state = OrderState.ORDER_STATE_INVOICED if posted.complete else OrderState.ORDER_STATE_PARTIALLY_INVOICED
    if posted.invoice_id not in order.invoice_ids:
        order.invoice_ids.append(posted.invoice_id)
    return replace(state, invoices={**state.invoices, posted.invoice_id: tuple(posted.lines)})


def _hold_applied(state: State, order: Order, event: OrderEvent) -> State:
    applied = event.hold_applied
    return _with_holds(state, order, {**state.holds, applied.hold_id: frozenset(applied.gates)})


def _hold_lifted(state: State, order: Order, event: OrderEvent) -> State:
    gone = event.hold_lifted.hold_id
    left = {hold_id: gates for hold_id, gates in state.holds.items() if hold_id != gone}
    after = _with_holds(state, order, left)
    if state.held_by != gone:
        return after
    # Another hold that blocks planning now keeps the order stopped.
    return replace(after, held_by=next(iter(held_at(after, Gate.GATE_PLANNING)), ""))


def _charged(state: State, order: Order, event: OrderEvent) -> State:
    replaced(order, event.charged.charge)
    return state


def _charge_waived(state: State, order: Order, event: OrderEvent) -> State:
    taken_back(order, event.charge_waived.charge_id)
    return state


def _gate_check_waived(state: State, _order: Order, event: OrderEvent) -> State:
    check = event.gate_check_waived.check
    return replace(state, waivers={**state.waivers, check.kind: check})


def _pickup_retracted(state: State, order: Order, event: OrderEvent) -> State:
    gone = (event.pickup_retracted.load_id, event.pickup_retracted.stop_id)
    left = {place: lines for place, lines in state.pickups.items() if place != gone}
    if not left:
        order.state = OrderState.ORDER_STATE_DISPATCHED
    return replace(state, pickups=left)


def _delivery_retracted(state: State, order: Order, event: OrderEvent) -> State:
    gone = (event.delivery_retracted.load_id, event.delivery_retracted.stop_id)
    left = {place: there for place, there in state.deliveries.items() if place != gone}
    partly = OrderState.ORDER_STATE_PARTIALLY_DELIVERED
    order.state = partly if left else OrderState.ORDER_STATE_IN_EXECUTION
    # What was decided about a delivery that never was decides nothing about the next one.
    return replace(state, deliveries=left, review=None)


def _same(state: State, _order: Order, _event: OrderEvent) -> State:
    return state


def _with_holds(state: State, order: Order, holds: Mapping[str, frozenset[Gate.ValueType]]) -> State:
    del order.hold_ids[:]
    order.hold_ids.extend(sorted(holds))
    return replace(state, holds=holds)


def _key(reference: ExternalReference) -> tuple[str, int, str]:
    return reference.system, reference.type, reference.value


def _reckon(state: State, order: Order) -> None:
    """Reckon the quantities of every line anew from the facts; what no fact tells of stays unset."""
    shipped = _sums((line.line_id, decimal_of(line.quantity)) for lines in state.pickups.values() for line in lines)
    down = [line for there in state.deliveries.values() for line in there.lines]
    delivered = _sums((line.line_id, decimal_of(line.quantity)) for line in down)
    kept = _sums((line.line_id, decimal_of(line.accepted)) for line in down)
    refused = _sums((line.line_id, decimal_of(line.rejected)) for line in down)
    billed = _sums((line.line_id, decimal_of(line.quantity)) for lines in state.invoices.values() for line in lines)
    memos = by_line(line for lines in state.credits.values() for line in lines)
    late = by_line(line for lines in state.taken_in.values() for line in lines)
    back = by_line(line for known in order.dispositions for line in known.returned)
    for line in order.lines:
        asked_back = total((memos.get(line.line_id, ZERO), late.get(line.line_id, ZERO)))
        _set(line, "shipped", shipped.get(line.line_id))
        _set(line, "delivered", delivered.get(line.line_id))
        _set(line, "accepted", _less(kept.get(line.line_id), asked_back))
        _set(line, "rejected", _more(refused.get(line.line_id), asked_back))
        _set(line, "returned", back.get(line.line_id))
        _set(line, "invoiced", _less(billed.get(line.line_id), memos.get(line.line_id, ZERO)))
        _set(line, "cancelled", _cancelled_of(line, state, order))
        if line.line_id in memos:
            line.credited.CopyFrom(quantity_of(memos[line.line_id], line.quantities.ordered.unit_code))


def _less(number: Decimal | None, gone: Decimal) -> Decimal | None:
    return None if number is None else difference(number, gone)


def _more(number: Decimal | None, come: Decimal) -> Decimal | None:
    return number if not come else total((number or ZERO, come))


def _cancelled_of(line: OrderLine, state: State, order: Order) -> Decimal | None:
    """Return what will never be delivered: all once cancelled, else what was given up less what came after all."""
    wanted = decimal_of(line.quantities.ordered)
    if order.state == OrderState.ORDER_STATE_CANCELLED:
        return wanted
    open_part = max(ZERO, difference(wanted, decimal_of(line.quantities.delivered)))
    if order.turned_back:
        return open_part
    given_up = [decimal_of(part.quantity) for part in state.remainder if part.line_id == line.line_id]
    given_up += [decimal_of(part.quantity) for part in state.reduced if part.line_id == line.line_id]
    return min(max(given_up), open_part) if given_up else None


def _sums(parts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for line_id, number in parts:
        sums[line_id] = total((sums.get(line_id, ZERO), number))
    return sums


def _set(line: OrderLine, name: str, number: Decimal | None) -> None:
    if number is None:
        cast(Message, line.quantities).ClearField(name)
    else:
        getattr(line.quantities, name).CopyFrom(quantity_of(number, line.quantities.ordered.unit_code))


_RIDING = frozenset(
    {
        OrderState.ORDER_STATE_PLANNED,
        OrderState.ORDER_STATE_DISPATCHED,
        OrderState.ORDER_STATE_IN_EXECUTION,
        OrderState.ORDER_STATE_PARTIALLY_DELIVERED,
    }
)
_TARGETS: Mapping[str, OrderState.ValueType] = {
    "drafted": OrderState.ORDER_STATE_DRAFT,
    "received": OrderState.ORDER_STATE_RECEIVED,
    "validation_began": OrderState.ORDER_STATE_VALIDATING,
    "validated": OrderState.ORDER_STATE_VALIDATING,
    "released": OrderState.ORDER_STATE_RELEASED,
    "rejected": OrderState.ORDER_STATE_REJECTED,
    "held": OrderState.ORDER_STATE_ON_HOLD,
    "remainder_cancelled": OrderState.ORDER_STATE_DELIVERY_REVIEW,
    "review_opened": OrderState.ORDER_STATE_DELIVERY_REVIEW,
    "billing_released": OrderState.ORDER_STATE_BILLABLE,
    "closed": OrderState.ORDER_STATE_CLOSED,
    "cancel_requested": OrderState.ORDER_STATE_CANCEL_REQUESTED,
    "cancelled": OrderState.ORDER_STATE_CANCELLED,
}
"""Where events lead that lead to one state only."""
_MOVES = (
    frozenset(
        {
            "amended", "picked_up", "delivered", "remainder_cancelled", "invoiced", "cancelled", "pickup_retracted",
            "delivery_retracted",
        }
    )
    | MOVES
)  # fmt: skip
"""Events after which quantities differ."""
_AFTER: Mapping[str, Callable[[State, Order, OrderEvent], State]] = {
    "drafted": _drafted,
    "received": _received,
    "validation_began": _same,
    "validated": _validated,
    "released": _released,
    "rejected": _rejected,
    "held": _held,
    "resumed": _resumed,
    "planned": _planned,
    "unplanned": _unplanned,
    "dispatched": _dispatched,
    "picked_up": _picked_up,
    "delivered": _delivered,
    "remainder_cancelled": _remainder_cancelled,
    "review_opened": _review_opened,
    "billing_released": _billing_released,
    "invoiced": _invoiced,
    "closed": _same,
    "amended": _amended,
    "cancelled": _same,
    "hold_applied": _hold_applied,
    "hold_lifted": _hold_lifted,
    "eta_changed": estimates.changed,
    "cold_chain_recorded": cold_chain.recorded,
    "excursion_decided": cold_chain.decided,
    "charged": _charged,
    "charge_waived": _charge_waived,
    **AFTER,
    "gate_check_waived": _gate_check_waived,
    "pickup_retracted": _pickup_retracted,
    "delivery_retracted": _delivery_retracted,
}
