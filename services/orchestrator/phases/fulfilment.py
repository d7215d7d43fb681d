"""What an order needs next, from its own state alone (pure).

`phase` is the whole process of an order in one function: what it answers can be shown to a person, and a process that
crashed goes on by asking it again. Each stretch of the way has a module of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator

from gladhand.enums import short_name
from logistics.exception.v1 import ExceptionKind
from logistics.order.v1 import OrderState
from services.orchestrator.phases.billing import billing_step
from services.orchestrator.phases.cancelling import cancelling_step, drop_from_loads, ending_charges
from services.orchestrator.phases.crediting import crediting
from services.orchestrator.phases.delivery import after_delivery, on_the_road, under_review
from services.orchestrator.phases.returning import returning
from services.orchestrator.phases.steps import (
    Begin,
    CancelSale,
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
        left = [step for step in beside(s) if not isinstance(step, Wait)]
        return GoOn("something is left to do after all") if left else _soonest([Wait("finished"), *_waits(s)])
    if s.parked:
        return _while_parked(s)
    if not s.begun:
        return Begin()
    waits = []
    for step in beside(s):
        ready = _held_back(s, step)
        if not isinstance(ready, Wait):
            return ready
        waits.append(ready)
    main = _held_back(s, _next(s))
    if isinstance(main, Wait):
        return _soonest([main, *waits])
    return waits[0] if waits and isinstance(main, Finish) else main


def beside(s: Situation) -> Iterator[Step]:
    """Yield what an order needs beside its way: refused changes told, charges, goods that come back, credits."""
    for digest, reason in s.known.refused_contents.items():
        kind = ExceptionKind.EXCEPTION_KIND_AMENDMENT_REFUSED
        refused = Report(kind, f"A change came too late: {reason}", about=digest)
        if refused.key not in s.done:
            yield refused
    yield from ending_charges(s)
    yield from returning(s)
    yield from crediting(s)


def _waits(s: Situation) -> list[Wait]:
    return [step for step in beside(s) if isinstance(step, Wait)]


def _held_back(s: Situation, step: Step) -> Step:
    """Return a step, or until when to wait where it failed and its time has not come."""
    if isinstance(step, Outside):
        until = s.retry_times.get(step.key)
        if until is not None and until > s.now:
            return Wait(f"{step.key} is tried again", until)
    return step


def _soonest(waits: list[Wait]) -> Wait:
    """Return the first thing to wait for, until the soonest of all times."""
    times = [wait.until for wait in waits if wait.until is not None]
    return Wait(waits[0].reason, min(times)) if times else waits[0]


def _while_parked(s: Situation) -> GoOn | Wait:
    """A cancelled order has its loads to leave, an amended one is validated anew, whatever went wrong before."""
    ending = s.parked_action.startswith("drop_from_load/")
    if s.order.state in {OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED}:
        return Wait(s.parked) if ending or s.parked_action == CancelSale.key else GoOn("the order is cancelled")
    if s.order.state == OrderState.ORDER_STATE_RECEIVED and not ending:
        if s.parked_action == Validate(s.order.revision).key:
            return Wait(s.parked)
        return GoOn("the order was amended")
    return Wait(s.parked)


def _next(s: Situation) -> Step:
    state = s.order.state
    if state in {OrderState.ORDER_STATE_RECEIVED, OrderState.ORDER_STATE_VALIDATING}:
        # A change of a planned order takes it off its loads before it is validated anew.
        return drop_from_loads(s) or _validation(s)
    if state == OrderState.ORDER_STATE_REJECTED:
        return once(s, _rejection(s)) or Wait("rejected; an amendment in the ERP starts it anew")
    if state in _ON_THE_ROAD:
        return on_the_road(s)
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
