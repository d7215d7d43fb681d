"""Lives of orders."""

from __future__ import annotations

from logistics.exception.v1 import Gate
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.order.v1 import (
    ApplyOrderHold,
    AwaitOrderValidation,
    CheckResult,
    CloseOrder,
    ConcludeOrderValidation,
    ConfirmOrderCancel,
    EndOrder,
    LiftOrderHold,
    LineMovement,
    OpenOrderReview,
    PlanOrder,
    ReceiveOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderInvoice,
    RecordOrderPickup,
    RecordOrderValidation,
    ReleaseOrderBilling,
    ResumeOrder,
    ReviseOrder,
    UnplanOrder,
    ValidationCheck,
    ValidationKind,
)
from tools.corpus.stories.freight import (
    EXCEPTION,
    FIRST,
    HOLD,
    INVOICE,
    LOAD,
    ORDER,
    OTHER_POD,
    PICKUP,
    POD,
    SECOND,
    moved,
    sale,
    set_down,
)
from tools.corpus.telling import Story

_RECEIVE = ReceiveOrder(order=sale(), content_sha256="1" * 64)
_PASSED = RecordOrderValidation(
    checks=[
        ValidationCheck(kind=kind, result=CheckResult.CHECK_RESULT_PASS)
        for kind in (ValidationKind.VALIDATION_KIND_CUSTOMER, ValidationKind.VALIDATION_KIND_STOCK)
    ]
)
_SHORT_OF_STOCK = RecordOrderValidation(
    checks=[
        ValidationCheck(
            kind=ValidationKind.VALIDATION_KIND_STOCK,
            result=CheckResult.CHECK_RESULT_FAIL,
            reason="STOCK_SHORT",
            message="0 of 10 in stock; order less",
            line_id="a",
        )
    ]
)
_CONCLUDE = ConcludeOrderValidation()
_PLAN = PlanOrder(load_id=LOAD, line_ids=["a", "b"], stop_ids=[FIRST, SECOND])
_DISPATCH = RecordOrderDispatch(load_id=LOAD, vehicle_id="truck-1", dispatch_reference="D-1")
_PICK = RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=[moved("a", 10), moved("b", 4)])
_CANCEL = EndOrder(reason="the customer changed their mind")
_RELEASE = ReleaseOrderBilling(policy_version="default@1")
_RELEASED = (_RECEIVE, _PASSED, _CONCLUDE)
_ON_THE_ROAD = (*_RELEASED, _PLAN, _DISPATCH, _PICK)


def _deliver(
    stop_id: str, line_id: str, accepted: int, rejected: int = 0, pod_id: str = POD, *, verified: bool = True
) -> RecordOrderDelivery:
    return RecordOrderDelivery(
        load_id=LOAD,
        stop_id=stop_id,
        pod_id=pod_id,
        lines=[set_down(line_id, accepted, rejected)],
        proof_verified=verified,
    )


def _invoice(*lines: LineMovement, invoice_id: str = INVOICE) -> RecordOrderInvoice:
    return RecordOrderInvoice(invoice_id=invoice_id, lines=lines)


def _hold(*gates: Gate.ValueType) -> ApplyOrderHold:
    return ApplyOrderHold(hold_id=HOLD, gates=gates)


_BOTH = (_deliver(FIRST, "a", 10), _deliver(SECOND, "b", 4, pod_id=OTHER_POD))
_COLD = (ReceiveOrder(order=sale(cold=True), content_sha256="2" * 64), *_ON_THE_ROAD[1:], *_BOTH)
_COLD_CHAIN_KEPT = GateCheck(
    kind=GateCheckKind.GATE_CHECK_KIND_COLD_CHAIN, result=GateResult.GATE_RESULT_PASS, message="the curve was seen"
)
_PROOF_WAIVED = GateCheck(
    kind=GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED, result=GateResult.GATE_RESULT_WAIVED, waived_by="anna"
)


def _story(name: str, told: str, *wishes: object, future: bool = False) -> Story:
    return Story("order", name, told, ORDER, wishes, ends_with_the_unknown=future)


ORDERS = (
    _story(
        "invoiced_and_closed",
        "An order is delivered whole, invoiced and closed.",
        *_ON_THE_ROAD, *_BOTH, _RELEASE, _invoice(moved("a", 10), moved("b", 4)), CloseOrder(reason="paid"),
    ),
    _story(
        "partly_rejected",
        "One of four pieces is refused; after the review the rest is invoiced in two parts.",
        *_ON_THE_ROAD, _BOTH[0], _deliver(SECOND, "b", 3, 1, OTHER_POD),
        OpenOrderReview(reason="PARTIAL_REJECTION", exception_id=EXCEPTION),
        OpenOrderReview(reason="PARTIAL_REJECTION", exception_id=EXCEPTION, decided=True), _RELEASE,
        _invoice(moved("a", 10)), _invoice(moved("b", 3), invoice_id=EXCEPTION),
    ),
    _story(
        "all_refused",
        "Everything is refused, so that nothing is billed.",
        *_ON_THE_ROAD, _deliver(FIRST, "a", 0, 10), _deliver(SECOND, "b", 0, 4, OTHER_POD),
        OpenOrderReview(reason="REFUSAL", decided=True), CloseOrder(reason="nothing to bill"),
    ),
    _story("rejected", "The ERP does not have the goods.", _RECEIVE, _SHORT_OF_STOCK, _CONCLUDE),
    _story(
        "rejected_then_amended",
        "After a rejection the customer orders less and the ERP takes a while to answer.",
        _RECEIVE, _SHORT_OF_STOCK, _CONCLUDE, ReviseOrder(order=sale(ordered=6), content_sha256="3" * 64),
        AwaitOrderValidation(reason="the ERP is busy"), _PASSED, _CONCLUDE,
    ),
    _story("cancelled_before_planning", "Cancelled while it waits for a wave.", *_RELEASED, _CANCEL),
    _story(
        "cancelled_after_dispatch",
        "Cancelled on the way to the pickup; the road agrees.",
        *_ON_THE_ROAD[:-1], _CANCEL, ConfirmOrderCancel(reason="the driver turned round"),
    ),
    _story(
        "cancel_reversed",
        "Goods on board reverse a requested cancelling.",
        *_ON_THE_ROAD[:-1], _CANCEL, _PICK, _PICK, *_BOTH,
    ),
    _story(
        "rest_cancelled",
        "The rest of a begun delivery is cancelled, and what was accepted is billed.",
        *_ON_THE_ROAD, _BOTH[0], _CANCEL, _RELEASE, _invoice(moved("a", 10)),
    ),
    _story(
        "held_and_resumed",
        "A hold on planning keeps it from release until it is lifted.",
        _RECEIVE, _hold(Gate.GATE_PLANNING), _PASSED, _CONCLUDE, ResumeOrder(hold_id=HOLD), _PLAN,
        UnplanOrder(load_id=LOAD, reason="the truck broke down"),
    ),
    _story(
        "billing_hold",
        "A billing hold shuts the gate until it is lifted; the cold chain needs somebody's word.",
        *_COLD, _hold(Gate.GATE_BILLING), LiftOrderHold(hold_id=HOLD), ReleaseOrderBilling(checks=[_COLD_CHAIN_KEPT]),
    ),
    _story(
        "proof_waived",
        "A proof is missing; a named person lets it pass.",
        *_ON_THE_ROAD, _BOTH[0], _deliver(SECOND, "b", 4, pod_id="", verified=False),
        ReleaseOrderBilling(checks=[_PROOF_WAIVED]),
    ),
    _story(
        "proof_replaced",
        "A newer proof of the same stop counts.",
        *_ON_THE_ROAD, _BOTH[0], _deliver(FIRST, "a", 8, 2, pod_id=OTHER_POD),
    ),
    _story("newer_writer", "A newer writer adds an event that may be ignored.", *_RELEASED, future=True),
)  # fmt: skip
"""Every life of an order in the corpus."""
