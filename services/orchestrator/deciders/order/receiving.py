"""From hand-over to release: receiving and validating an order, and stopping it before release."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import Gate
from logistics.order.v1 import (
    CheckResult,
    Order,
    OrderCommand,
    OrderHeld,
    OrderReceived,
    OrderRejected,
    OrderReleased,
    OrderResumed,
    OrderState,
    OrderValidated,
    OrderValidationBegan,
)
from services.orchestrator.deciders.order.rules import barred, present
from services.orchestrator.deciders.order.state import State, held_at
from services.orchestrator.deciders.refusal import refused, violated

_HOLDABLE = frozenset(
    {OrderState.ORDER_STATE_RECEIVED, OrderState.ORDER_STATE_VALIDATING, OrderState.ORDER_STATE_RELEASED}
)
_OPEN = frozenset({OrderState.ORDER_STATE_RECEIVED, OrderState.ORDER_STATE_VALIDATING})
_SET_BY_US = (
    "state", "version", "load_ids", "hold_ids", "invoice_ids", "checks", "charges", "create_time", "update_time",
    "turned_back", "dispositions", "claims", "cancel_request_time", "turn_back_place", "change_revision",
    "cold_chain",
)  # fmt: skip
_DERIVED = ("allocated", "shipped", "delivered", "accepted", "rejected", "returned", "invoiced", "cancelled")


def receive(state: State, command: OrderCommand) -> Message | None:
    """Record an order; a repeat is nothing, the same order with other content a REFERENCE_CONFLICT."""
    wish = command.receive
    order = state.order
    if order is None or order.state == OrderState.ORDER_STATE_DRAFT:
        if order is not None:
            same_home(order, wish.order)
        revision = order.revision if order is not None else 1
        return OrderReceived(
            order=submitted(wish.order, command.order_id, revision), content_sha256=wish.content_sha256
        )
    if wish.content_sha256 in state.contents:
        return None
    raise refused(
        ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
        f"order {order.order_id} was received with other content; amend it instead",
        order_id=order.order_id,
        reference=_reference(order),
    )


def await_validation(state: State, command: OrderCommand) -> Message | None:
    """Record that the ERP has not answered yet."""
    order = present(state)
    if order.state == OrderState.ORDER_STATE_RECEIVED:
        return OrderValidationBegan(reason=command.await_validation.reason)
    if order.state == OrderState.ORDER_STATE_VALIDATING:
        return None
    raise barred(order, "validating", "only an order that was just received is validated")


def record_validation(state: State, command: OrderCommand) -> Message | None:
    """Record what the ERP answered about the present revision."""
    order, wish = present(state), command.record_validation
    if state.checks and tuple(wish.checks) == state.checks:
        return None
    if order.state not in _OPEN:
        raise barred(order, "recording a validation", "an amendment starts validation anew")
    if not wish.checks:
        raise violated("checks", "a validation without checks says nothing; give every check with its result")
    return OrderValidated(checks=wish.checks, references=wish.references)


def conclude_validation(state: State, _command: OrderCommand) -> Message | None:
    """Reject on any failed check, stop on a hold that blocks planning, release otherwise."""
    order = present(state)
    if order.state not in _OPEN:
        return None
    if not state.checks:
        raise barred(order, "concluding the validation", f"record the checks of revision {order.revision} first")
    failed = [check for check in state.checks if check.result == CheckResult.CHECK_RESULT_FAIL]
    if failed:
        return OrderRejected(checks=failed)
    holds = held_at(state, Gate.GATE_PLANNING)
    if holds:
        return OrderHeld(hold_id=holds[0], reason="a hold blocks planning")
    return OrderReleased()


def hold(state: State, command: OrderCommand) -> Message | None:
    """Stop the order before release, or between release and planning."""
    order, wish = present(state), command.hold
    if order.state == OrderState.ORDER_STATE_ON_HOLD and wish.hold_id == state.held_by:
        return None
    if not wish.hold_id:
        raise violated("hold_id", "name the hold that stops the order")
    if order.state not in _HOLDABLE:
        raise barred(order, "stopping it", "apply the hold to the gate that it shall block")
    return OrderHeld(hold_id=wish.hold_id, reason=wish.reason)


def resume(state: State, command: OrderCommand) -> Message | None:
    """Let a stopped order go on; released at once where the ERP has already agreed to this revision."""
    order, wish = present(state), command.resume
    if order.state != OrderState.ORDER_STATE_ON_HOLD:
        return None
    if wish.hold_id != state.held_by:
        raise refused(
            ErrorReason.ERROR_REASON_HOLD_NOT_FOUND,
            f"order {order.order_id} is stopped by hold {state.held_by}, not by {wish.hold_id or 'none'}; release that",
            hold_id=wish.hold_id,
            held_by=state.held_by,
        )
    others = [hold_id for hold_id in held_at(state, Gate.GATE_PLANNING) if hold_id != state.held_by]
    if others:
        raise refused(
            ErrorReason.ERROR_REASON_HOLD_BLOCKS,
            f"order {order.order_id} cannot go on: other holds block planning; release them first",
            gate="planning",
            hold_ids=",".join(others),
        )
    return resumed(state)


def resumed(state: State) -> OrderResumed:
    """Return the event by which a stopped order goes on: from release, where the ERP has agreed to this revision."""
    passed = bool(state.checks) and all(check.result != CheckResult.CHECK_RESULT_FAIL for check in state.checks)
    return OrderResumed(hold_id=state.held_by, validated=passed)


def submitted(told: Order, order_id: str, revision: int) -> Order:
    """Return the order as it stands in the event: what callers may not set is cleared."""
    order = Order()
    order.CopyFrom(told)
    _clear(order, _SET_BY_US)
    for line in order.lines:
        _clear(line.quantities, _DERIVED)
        line.ClearField("credited")
    order.order_id = order_id
    order.revision = revision
    return order


def _clear(message: Message, names: tuple[str, ...]) -> None:
    for name in names:
        message.ClearField(name)


def same_home(order: Order, told: Order) -> None:
    """Check that an order keeps its region and ERP instance. Raises Rejected (CONTRACT_VIOLATION)."""
    for name in ("region", "erp_instance"):
        was, now = getattr(order, name), getattr(told, name)
        if was != now:
            raise violated(f"order.{name}", f"{name} is {was} and cannot become {now}; cancel and submit a new order")


def _reference(order: Order) -> str:
    reference = order.references[0] if order.references else None
    return f"{order.erp_instance}:{reference.value}" if reference is not None else order.erp_instance
