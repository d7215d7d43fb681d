"""What is charged beside the goods: detention, a vehicle that was not used (domain reference 2.9)."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.invoice.v1 import Charge
from logistics.order.v1 import Order, OrderCharged, OrderChargeWaived, OrderCommand, OrderState
from services.orchestrator.deciders.invoice.amounts import nanos_of
from services.orchestrator.deciders.order.rules import present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused, violated

_SHUT = frozenset(
    {
        OrderState.ORDER_STATE_BILLABLE,
        OrderState.ORDER_STATE_PARTIALLY_INVOICED,
        OrderState.ORDER_STATE_INVOICED,
        OrderState.ORDER_STATE_CLOSED,
    }
)
"""States in which the invoice is being laid down or stands: what is charged then needs a memo of its own."""


def charge(state: State, command: OrderCommand) -> Message | None:
    """Charge something; the same charge again is nothing, the same id with another amount replaces it."""
    order, told = present(state), command.charge.charge
    known = standing(order, told.charge_id)
    if known is not None and known == told:
        return None
    if told.amount.currency != order.currency or told.rate.currency != order.currency:
        raise violated("charge.amount", f"charges of order {order.order_id} are in {order.currency}, its own currency")
    if nanos_of(told.amount) <= 0:
        raise violated("charge.amount", "a charge is more than nothing; waive one that no longer has a cause")
    if not told.evidence_ids:
        raise violated("charge.evidence_ids", "name the events that prove the charge; what nothing proves is not paid")
    _open(order, told.charge_id)
    return OrderCharged(charge=told)


def waive(state: State, command: OrderCommand) -> Message | None:
    """Take a charge back; one that does not stand is nothing."""
    order, wish = present(state), command.waive_charge
    if standing(order, wish.charge_id) is None:
        return None
    _open(order, wish.charge_id)
    return OrderChargeWaived(charge_id=wish.charge_id, reason=wish.reason, waived_by=wish.waived_by)


def standing(order: Order, charge_id: str) -> Charge | None:
    """Return a charge that stands on an order, None where there is none."""
    return next((known for known in order.charges if known.charge_id == charge_id), None)


def replaced(order: Order, told: Charge) -> None:
    """Let a charge stand on an order, in the place of one with its id."""
    known = standing(order, told.charge_id)
    if known is not None:
        known.CopyFrom(told)
    else:
        order.charges.append(told)


def taken_back(order: Order, charge_id: str) -> None:
    """Let a charge no longer stand."""
    left = [known for known in order.charges if known.charge_id != charge_id]
    del order.charges[:]
    order.charges.extend(left)


def _open(order: Order, charge_id: str) -> None:
    if order.state in _SHUT:
        raise refused(
            ErrorReason.ERROR_REASON_CHARGE_TOO_LATE,
            f"order {order.order_id} is past the billing gate; bill or credit charge {charge_id} by a memo of its own",
            order_id=order.order_id,
            charge_id=charge_id,
            state=OrderState.Name(order.state),
        )
