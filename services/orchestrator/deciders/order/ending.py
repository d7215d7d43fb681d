"""Holds of an order."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.exception.v1 import Gate
from logistics.order.v1 import OrderCommand, OrderHoldApplied, OrderHoldLifted, OrderState
from services.orchestrator.deciders.order.receiving import resumed
from services.orchestrator.deciders.order.rules import present
from services.orchestrator.deciders.order.state import State, held_at
from services.orchestrator.deciders.refusal import violated


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
