"""What an ERP is asked when an order ends otherwise: the sale cancelled, goods received that came back."""

from __future__ import annotations

from logistics.erp.v1 import CancelSaleRequest, QuantityByLine, ReceiveReturnRequest
from logistics.load.v1 import ChangeCargo, StopTask
from logistics.order.v1 import DispositionOrigin
from services.orchestrator.billing import posting_key
from services.orchestrator.deciders.order.disposing import find_disposition
from services.orchestrator.phases.delivery import wanted
from services.orchestrator.phases.steps import ReceiveReturn, Report, Situation
from services.orchestrator.quantities import is_zero, quantity_of


def cancel_sale(s: Situation, request_id: str) -> CancelSaleRequest:
    """Return the request that gives free what the ERP still means to ship of an order."""
    return CancelSaleRequest(
        request_id=request_id,
        order_id=s.order.order_id,
        order_references=s.order.references,
        reason="the order was cancelled",
        posting_key=posting_key(request_id),
    )


def receive_return(step: ReceiveReturn, s: Situation, request_id: str) -> ReceiveReturnRequest:
    """Return the request that receives what a decision brought back, or what a return order delivered."""
    request = ReceiveReturnRequest(
        request_id=request_id,
        order_id=s.order.order_id,
        order_references=s.order.references,
        posting_key=posting_key(request_id),
    )
    known = find_disposition(s.order, step.disposition_id)
    if known is None:
        request.reason = "goods came back"
        kept = [line for line in s.order.lines if not is_zero(line.quantities.accepted)]
        request.lines.extend(QuantityByLine(line_id=line.line_id, quantity=line.quantities.accepted) for line in kept)
        request.receive_time.FromDatetime(s.completion_time or s.now)
        return request
    request.reason = DispositionOrigin.Name(known.origin).removeprefix("DISPOSITION_ORIGIN_").replace("_", " ").lower()
    reasons = {line.line_id: line.reason for line in known.lines}
    request.lines.extend(
        QuantityByLine(line_id=line.line_id, quantity=line.quantity, reason=reasons.get(line.line_id, ""))
        for line in known.returned
    )
    request.receive_time.CopyFrom(known.return_time)
    request.pod_id = known.pod_id
    request.never_shipped = not known.shipped_in_erp
    return request


def change_cargo(s: Situation) -> ChangeCargo:
    """Return what loads are told of the newest change on the road."""
    wish = ChangeCargo(order_id=s.order.order_id, instructions=s.order.instructions, revision=s.order.change_revision)
    for line in s.order.lines:
        if not is_zero(line.quantities.cancelled):
            left = quantity_of(wanted(line.quantities), line.quantities.ordered.unit_code)
            wish.tasks.append(StopTask(order_id=s.order.order_id, line_id=line.line_id, expected=left))
    if s.order.HasField("delivery_window"):
        wish.window.CopyFrom(s.order.delivery_window)
    return wish


def detail_of(report: Report) -> str:
    """Return what tells an exception apart from others of its kind about the same order."""
    return f"{report.revision}/{report.about}" if report.about else str(report.revision)
