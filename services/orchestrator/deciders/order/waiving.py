"""Letting a check of the billing gate pass that fails: recorded with who did it, and never after the gate (3.5)."""

from __future__ import annotations

from google.protobuf.message import Message

from gladhand.enums import short_name
from logistics.error.v1 import ErrorReason
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.order.v1 import OrderCommand, OrderGateCheckWaived, OrderState
from services.orchestrator.deciders.order.billing import WAIVABLE
from services.orchestrator.deciders.order.rules import barred, present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused, violated

_PAST = frozenset(
    {
        OrderState.ORDER_STATE_REJECTED,
        OrderState.ORDER_STATE_BILLABLE,
        OrderState.ORDER_STATE_PARTIALLY_INVOICED,
        OrderState.ORDER_STATE_INVOICED,
        OrderState.ORDER_STATE_CLOSED,
        OrderState.ORDER_STATE_CANCELLED,
    }
)


def waive(state: State, command: OrderCommand) -> Message | None:
    """Record a waiver. The same check waived again, by whomever, is nothing new."""
    order, told = present(state), command.waive_check.check
    if told.kind not in WAIVABLE:
        name = short_name(GateCheckKind, told.kind)
        raise refused(
            ErrorReason.ERROR_REASON_NOT_PERMITTED,
            f"{name} cannot be waived by anybody: put right what fails",
            check=name,
        )
    if not told.waived_by:
        raise violated("check.waived_by", "a waiver names who gives it")
    if not told.message:
        raise violated("check.message", "a waiver says why it is given")
    if told.kind in state.waivers:
        return None
    if order.state in _PAST:
        raise barred(order, "waiving a check of its billing gate", "the gate is behind it: correct it by a credit memo")
    waived = GateCheck(
        kind=told.kind,
        result=GateResult.GATE_RESULT_WAIVED,
        message=told.message,
        waived_by=told.waived_by,
        evidence_ids=told.evidence_ids,
    )
    return OrderGateCheckWaived(check=waived)
