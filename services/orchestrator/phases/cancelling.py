"""The stretch of an order that ends before its time, and what it costs (pure; domain reference 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta

from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import Load, LoadState, StopState
from logistics.order.v1 import OrderState
from logistics.type.v1 import Money
from services.orchestrator.phases.steps import (
    AddCharge,
    CancelSale,
    ConfirmCancel,
    DropFromLoad,
    Finish,
    Report,
    Settle,
    Situation,
    Step,
    Wait,
    once,
)
from services.orchestrator.riding import first_way

_ENDED_LOADS = frozenset({LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED})
_OPEN_STOPS = frozenset(
    {
        StopState.STOP_STATE_PLANNED,
        StopState.STOP_STATE_EN_ROUTE,
        StopState.STOP_STATE_ARRIVED,
        StopState.STOP_STATE_SERVICING,
    }
)
_ACKNOWLEDGE_WITHIN = timedelta(minutes=15)
UNANSWERED = Report(
    ExceptionKind.EXCEPTION_KIND_CANCEL_UNANSWERED,
    "The road has not acknowledged that it turns round empty: call the driver or the carrier.",
)


def cancelling_step(s: Situation) -> Step:
    """Return what a cancelled order needs next."""
    dropped = drop_from_loads(s)
    if dropped is not None:
        return dropped
    if s.order.state == OrderState.ORDER_STATE_CANCEL_REQUESTED:
        return _road_asked(s)
    answered = Settle(UNANSWERED, "ACKNOWLEDGED", "the road has answered")
    if UNANSWERED.key in s.done and answered.key not in s.done:
        return answered
    return once(s, CancelSale()) or Finish("cancelled")


def drop_from_loads(s: Situation) -> DropFromLoad | None:
    """Return the next load that still has stops of an ended order and none of its goods, None where there is none."""
    for load in s.loads:
        drop = DropFromLoad(load.load_id)
        if rides(s, load) and load.state not in _ENDED_LOADS and drop.key not in s.done:
            return drop
    return None


def rides(s: Situation, load: Load) -> bool:
    """Return whether a load is still to serve a stop of the order's first way."""
    return any(
        task.order_id == s.order.order_id
        for stop in first_way(load)
        if stop.state in _OPEN_STOPS
        for task in stop.tasks
    )


def ending_charges(s: Situation) -> Iterator[AddCharge]:
    """Yield what cancelling costs and is not charged yet."""
    charged = {charge.charge_code for charge in s.order.charges}
    costs = s.policy.cancellation
    unused = s.order.state == OrderState.ORDER_STATE_CANCELLED and s.order.HasField("cancel_request_time")
    if unused and "VOR" not in charged and _costs(s, costs.vehicle_not_used_charge):
        yield AddCharge("VOR", costs.vehicle_not_used_charge, "vehicle ordered and not used")
    if s.order.turned_back and "RCL" not in charged and _costs(s, costs.return_charge):
        yield AddCharge("RCL", costs.return_charge, "way back after a cancelling that came too late")


def _costs(s: Situation, charge: Money) -> bool:
    """Return whether a charge is more than nothing, and in the order's own currency."""
    return charge.currency == s.order.currency and (charge.units > 0 or charge.nanos > 0)


def _road_asked(s: Situation) -> Step:
    """Return what a cancelling needs that the road must answer: it has once no load carries the order any more."""
    waiting = any(rides(s, load) and load.state not in _ENDED_LOADS for load in s.loads)
    if not waiting:
        return ConfirmCancel()
    within = s.policy.cancellation.acknowledge_within
    span = timedelta(seconds=within.seconds) if within.seconds else _ACKNOWLEDGE_WITHIN
    until = s.order.cancel_request_time.ToDatetime(tzinfo=UTC) + span
    if until > s.now:
        return Wait("the road must acknowledge the cancelling", until)
    return once(s, UNANSWERED) or Wait("the road has not acknowledged the cancelling")
