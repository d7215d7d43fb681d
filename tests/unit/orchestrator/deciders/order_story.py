"""An order at every point of its life, told by what was asked of it."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.exception.v1 import Gate
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.order.v1 import (
    ApplyOrderHold,
    ConcludeOrderValidation,
    EndOrder,
    OpenOrderReview,
    OrderCommand,
    OrderEvent,
    OrderState,
    PlanOrder,
    ReceiveOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderInvoice,
    RecordOrderPickup,
    RecordOrderValidation,
    ReleaseOrderBilling,
    ReviseOrder,
)
from services.orchestrator.deciders import order
from services.orchestrator.deciders.order import State
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    INVOICE,
    LOAD,
    PICKUP,
    POD,
    SECOND,
    ask_order,
    moved,
    passed,
    sale,
    set_down,
)

Past = Given[State, OrderCommand, OrderEvent]
GATE = GateCheckKind
OTHER_HOLD = HOLD.replace("aa", "bb")


def after(*wishes: Message, past: Past | None = None) -> Past:
    """The order after these wishes, each of which must have made something new true."""
    story = past or given(order.DECIDER)
    for wish in wishes:
        decided = order.DECIDER.decide(story.state, ask_order(wish))
        assert decided is not None, f"{wish.DESCRIPTOR.name} changed nothing"
        story = story.and_given(decided)
    return story


def state_of(past: Past) -> str:
    assert past.state.order is not None
    return OrderState.Name(past.state.order.state).removeprefix("ORDER_STATE_")


def quantity(past: Past, line_id: str, name: str) -> str:
    assert past.state.order is not None
    line = next(line for line in past.state.order.lines if line.line_id == line_id)
    value: str = getattr(line.quantities, name).value
    return value


RECEIVE = ReceiveOrder(order=sale(), content_sha256="one")
AMEND = ReviseOrder(order=sale(a=12), content_sha256="two")
CHECKED = RecordOrderValidation(checks=[passed()])
CONCLUDE = ConcludeOrderValidation()
PLAN = PlanOrder(load_id=LOAD, line_ids=["a", "b"], stop_ids=[FIRST, SECOND])
DISPATCH = RecordOrderDispatch(load_id=LOAD, vehicle_id="truck-1", dispatch_reference="D-1")
PICK = RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=[moved("a", 10), moved("b", 4)])
CANCEL = EndOrder(reason="the customer changed their mind")
RELEASE = ReleaseOrderBilling(policy_version="default@1")
REVIEW = OpenOrderReview(reason="PARTIAL_REJECTION", exception_id="e")


def deliver(
    stop_id: str, line_id: str, accepted: int, rejected: int = 0, pod_id: str = POD, verified: bool = True
) -> RecordOrderDelivery:
    return RecordOrderDelivery(
        load_id=LOAD,
        stop_id=stop_id,
        pod_id=pod_id,
        lines=[set_down(line_id, accepted, rejected)],
        proof_verified=verified,
    )


def invoice(*lines: Any, invoice_id: str = INVOICE) -> RecordOrderInvoice:
    return RecordOrderInvoice(invoice_id=invoice_id, lines=lines)


def hold(*gates: Gate.ValueType, hold_id: str = HOLD) -> ApplyOrderHold:
    return ApplyOrderHold(hold_id=hold_id, gates=gates)


RECEIVED = after(RECEIVE)
RELEASED = after(CHECKED, CONCLUDE, past=RECEIVED)
PLANNED = after(PLAN, past=RELEASED)
DISPATCHED = after(DISPATCH, past=PLANNED)
ON_BOARD = after(PICK, past=DISPATCHED)
HALF = after(deliver(FIRST, "a", 10), past=ON_BOARD)
DELIVERED = after(deliver(SECOND, "b", 4), past=HALF)
BILLABLE = after(RELEASE, past=DELIVERED)
INVOICED = after(invoice(moved("a", 10), moved("b", 4)), past=BILLABLE)
SHORT = after(deliver(SECOND, "b", 3, 1), past=HALF)


def waived(kind: GateCheckKind.ValueType, by: str = "anna") -> GateCheck:
    return GateCheck(kind=kind, result=GateResult.GATE_RESULT_WAIVED, waived_by=by)
