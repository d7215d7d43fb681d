"""When the goods of an order are expected, as the road tells it (pure)."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.message import Message

from logistics.order.v1 import Order, OrderCommand, OrderEtaChanged, OrderEvent
from services.orchestrator.deciders.order.rules import present
from services.orchestrator.deciders.order.state import State


def record(state: State, command: OrderCommand) -> Message | None:
    """Tell a new expected arrival; one that was estimated before the one told last, or is the same, is nothing."""
    present(state)
    wish = command.record_eta
    arrives, made = wish.estimated_arrival_time.ToNanoseconds(), wish.estimate_time.ToNanoseconds()
    known = state.expected.get(wish.stop_id)
    if wish.load_id not in state.plan or (known is not None and (made <= known[1] or arrives == known[0])):
        return None
    return OrderEtaChanged(
        stop_id=wish.stop_id, estimated_arrival_time=wish.estimated_arrival_time, estimate_time=wish.estimate_time
    )


def changed(state: State, _order: Order, event: OrderEvent) -> State:
    """Remember what was told."""
    told = event.eta_changed
    made = told.estimate_time if told.HasField("estimate_time") else event.record_time
    known = (told.estimated_arrival_time.ToNanoseconds(), made.ToNanoseconds())
    return replace(state, expected={**state.expected, told.stop_id: known})
