"""What an order needs next, from its own state alone (pure).

`phase` is the whole process of an order in one function: what it answers can be shown to a person, and a process that
crashed goes on by asking it again. Each stretch of the way has a module of its own beside this one.
"""

from __future__ import annotations

from gladhand.enums import short_name
from logistics.exception.v1 import ExceptionKind
from logistics.order.v1 import OrderState
from services.orchestrator.phases.billing import billing_step
from services.orchestrator.phases.cancelling import cancelling_step
from services.orchestrator.phases.delivery import after_delivery, dispatch_confirmations, under_review
from services.orchestrator.phases.steps import (
    Begin,
    ConcludeValidation,
    Finish,
    GoOn,
    Outside,
    Report,
    Situation,
    Step,
    Validate,
    Wait,
    once,
)

_ON_THE_ROAD = frozenset(
    {OrderState.ORDER_STATE_DISPATCHED, OrderState.ORDER_STATE_IN_EXECUTION, OrderState.ORDER_STATE_PARTIALLY_DELIVERED}
)


def phase(s: Situation) -> Step:
    """Return what the order needs next. A failed outside action is held back until its time has come."""
    if s.finished:
        return Wait("finished")
    if s.parked:
        return _while_parked(s)
    if not s.begun:
        return Begin()
    step = _next(s)
    if isinstance(step, Outside):
        until = s.retry_times.get(step.key)
        if until is not None and until > s.now:
            return Wait(f"{step.key} is tried again", until)
    return step


def _while_parked(s: Situation) -> GoOn | Wait:
    """A cancelled order has its loads to leave, an amended one is validated anew, whatever went wrong before."""
    if s.order.state in {OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED}:
        return Wait(s.parked) if s.parked_action.startswith("drop_from_load/") else GoOn("the order is cancelled")
    if s.order.state == OrderState.ORDER_STATE_RECEIVED and s.parked_action != Validate(s.order.revision).key:
        return GoOn("the order was amended")
    return Wait(s.parked)


def _next(s: Situation) -> Step:
    state = s.order.state
    if state in {OrderState.ORDER_STATE_RECEIVED, OrderState.ORDER_STATE_VALIDATING}:
        return _validation(s)
    if state == OrderState.ORDER_STATE_REJECTED:
        return once(s, _rejection(s)) or Wait("rejected; an amendment in the ERP starts it anew")
    if state in _ON_THE_ROAD:
        return dispatch_confirmations(s) or Wait("on the road")
    if state == OrderState.ORDER_STATE_DELIVERED:
        return after_delivery(s)
    if state == OrderState.ORDER_STATE_DELIVERY_REVIEW:
        return under_review(s)
    if state in {OrderState.ORDER_STATE_BILLABLE, OrderState.ORDER_STATE_PARTIALLY_INVOICED}:
        return billing_step(s)
    if state in {OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED}:
        return cancelling_step(s)
    if state == OrderState.ORDER_STATE_INVOICED:
        return Finish("invoiced")
    if state == OrderState.ORDER_STATE_CLOSED:
        return Finish("closed")
    return Wait(short_name(OrderState, state).lower())


def _validation(s: Situation) -> Step:
    validate = Validate(s.order.revision)
    if s.order.state == OrderState.ORDER_STATE_VALIDATING and s.order.checks:
        return ConcludeValidation()
    return validate


def _rejection(s: Situation) -> Report:
    failed = "; ".join(c.message or c.reason for c in s.order.checks if c.reason)
    return Report(ExceptionKind.EXCEPTION_KIND_ORDER_REJECTED, f"The order was refused: {failed}", s.order.revision)
