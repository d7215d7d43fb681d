"""The stretch of an order that ends before its time (pure; domain reference 3.1)."""

from __future__ import annotations

from logistics.load.v1 import LoadState
from logistics.order.v1 import OrderState
from services.orchestrator.phases.steps import ConfirmCancel, DropFromLoad, Finish, Situation, Step

_ENDED_LOADS = frozenset({LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED})


def cancelling_step(s: Situation) -> Step:
    """Return what a cancelled order needs next."""
    for load in s.loads:
        rides = any(task.order_id == s.order.order_id for stop in load.stops for task in stop.tasks)
        drop = DropFromLoad(load.load_id)
        if rides and load.state not in _ENDED_LOADS and drop.key not in s.done:
            return drop
    if s.order.state == OrderState.ORDER_STATE_CANCEL_REQUESTED:
        return ConfirmCancel()
    return Finish("cancelled")
