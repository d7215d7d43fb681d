"""The actions of fulfilment that ask an outside system: each once by its request id, each answer written down."""

from __future__ import annotations

from dataclasses import dataclass

from gladhand import ids
from gladhand.errors import GladhandError
from logistics.dispatch.v1 import GetDriverRequest, GetVehicleRequest
from logistics.erp.v1 import (
    ConfirmDispatchRequest,
    PostDeliveryRequest,
    PostInvoiceRequest,
    ValidateOrderRequest,
)
from logistics.invoice.v1 import Invoice, InvoiceKind, RecordPosting
from logistics.load.v1 import Assignment, DropOrder, Load
from logistics.order.v1 import OrderState, RecordOrderValidation
from logistics.type.v1 import ExternalReference
from services.orchestrator.billing import delivered_lines, invoice_id_of, posting_key
from services.orchestrator.deciders import pod
from services.orchestrator.deciders.order.crediting import find_claim
from services.orchestrator.erps import ErpGateways
from services.orchestrator.exceptions import exception_id_of, open_exception, settle_exception
from services.orchestrator.gateways import ErpGateway, FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.steps import (
    CancelSale,
    ChangeLoad,
    ConfirmDispatch,
    DropFromLoad,
    LayGoods,
    Outside,
    PostCredit,
    PostDelivery,
    PostInvoice,
    ReceiveReturn,
    Report,
    Settle,
    Situation,
    Validate,
)
from services.orchestrator.processes import receipts
from services.orchestrator.processes.crediting import post_memo
from services.orchestrator.processes.returning import GoodsOnLoads
from services.orchestrator.riding import lines_on


@dataclass(frozen=True, slots=True)
class Done:
    """What an action brought back."""

    references: tuple[ExternalReference, ...] = ()
    recorded: bool = False
    """Whether an aggregate's own event already tells of it, so that the process need not."""


class OutsideActions:
    """Performs outside actions. Raises the GladhandError that the outside system meant."""

    def __init__(self, journal: Journal, erps: ErpGateways, fleet: FleetGateway) -> None:
        self._journal = journal
        self._erps = erps
        self._fleet = fleet
        self._goods = GoodsOnLoads(journal, fleet)

    async def perform(self, step: Outside, s: Situation, cause: Cause, pod_ids: tuple[str, ...]) -> Done:
        """Perform one action on the order of a situation."""
        match step:
            case Validate():
                return await self._validate(step, s, cause)
            case ConfirmDispatch():
                return await self._confirm_dispatch(step, s)
            case Report():
                return await self._report(step, s, cause)
            case DropFromLoad():
                return await self._drop_from_load(step, s, cause)
            case PostDelivery():
                return await self._post_delivery(step, s, pod_ids)
            case PostInvoice():
                return await self._post_invoice(step, s, cause)
            case LayGoods():
                await self._goods.lay(step, s, cause)
                return Done()
            case ChangeLoad():
                await self._journal.load(step.load_id, receipts.change_cargo(s), cause.step(step.key))
                return Done()
            case CancelSale() | ReceiveReturn() | PostCredit() | Settle():
                return await self._end(step, s, cause)

    def _erp(self, s: Situation) -> ErpGateway:
        """Return the gateway of the ERP that an order came from: no other knows it."""
        return self._erps.of(s.order.erp_instance)

    async def _validate(self, step: Validate, s: Situation, cause: Cause) -> Done:
        answer = await self._erp(s).validate_order(ValidateOrderRequest(order=s.order))
        wish = RecordOrderValidation(checks=answer.checks, references=answer.references)
        await self._journal.order(s.order.order_id, wish, cause.step(step.key))
        return Done(recorded=True)

    async def _confirm_dispatch(self, step: ConfirmDispatch, s: Situation) -> Done:
        load = next(load for load in s.loads if load.load_id == step.load_id)
        assignment = load.assignments[-1]
        vehicle, driver = await self._names(assignment)
        request = ConfirmDispatchRequest(
            request_id=_request_id(s, step.key),
            order_id=s.order.order_id,
            order_references=s.order.references,
            load_id=load.load_id,
            dispatch_reference=_dispatch_reference(load),
            vehicle_name=vehicle,
            driver_name=driver,
            line_ids=lines_on(load, s.order.order_id),
            dispatch_time=assignment.start_time,
        )
        answer = await self._erp(s).confirm_dispatch(request)
        return Done(tuple(answer.references))

    async def _names(self, assignment: Assignment) -> tuple[str, str]:
        """Return what people call vehicle and driver; a fleet that does not answer costs the names, nothing else."""
        try:
            vehicle = (await self._fleet.get_vehicle(GetVehicleRequest(vehicle_id=assignment.vehicle_id))).vehicle
            if not assignment.driver_ids:
                return vehicle.display_name, ""
            driver = (await self._fleet.get_driver(GetDriverRequest(driver_id=assignment.driver_ids[0]))).driver
        except GladhandError:
            return assignment.vehicle_id, ""
        return vehicle.display_name, driver.display_name

    async def _report(self, step: Report, s: Situation, cause: Cause) -> Done:
        await open_exception(
            self._journal,
            step.kind,
            step.message,
            cause,
            subject_id=s.order.order_id,
            detail=receipts.detail_of(step),
            order_id=s.order.order_id,
        )
        return Done()

    async def _drop_from_load(self, step: DropFromLoad, s: Situation, cause: Cause) -> Done:
        changed = s.order.state in {OrderState.ORDER_STATE_RECEIVED, OrderState.ORDER_STATE_VALIDATING}
        reason = "the order was changed and is planned anew" if changed else "the order was cancelled"
        wish = DropOrder(order_id=s.order.order_id, reason=reason)
        await self._journal.load(step.load_id, wish, cause.step(step.key))
        return Done()

    async def _post_delivery(self, step: PostDelivery, s: Situation, pod_ids: tuple[str, ...]) -> Done:
        proofs = [(await self._journal.find(pod.DECIDER, pod_id)).state.pod for pod_id in pod_ids]
        request = PostDeliveryRequest(
            request_id=_request_id(s, step.key),
            order_id=s.order.order_id,
            order_references=s.order.references,
            lines=delivered_lines(s.order),
            proofs=[proof for proof in proofs if proof is not None],
        )
        request.delivery_time.FromDatetime(s.completion_time or s.now)
        answer = await self._erp(s).post_delivery(request)
        return Done(tuple(answer.references))

    async def _post_invoice(self, step: PostInvoice, s: Situation, cause: Cause) -> Done:
        invoice_id = invoice_id_of(s.order.order_id)
        if s.invoice is not None and s.invoice.kind == InvoiceKind.INVOICE_KIND_CREDIT_MEMO:
            # A RETURN order: what came back is credited, against no invoice of this order.
            return await self._post_memo(s.invoice, "goods came back", step, s, cause)
        request = PostInvoiceRequest(
            request_id=_request_id(s, step.key),
            invoice=s.invoice,
            order_references=s.order.references,
            posting_key=posting_key(invoice_id),
        )
        answer = await self._erp(s).post_invoice(request)
        wish = RecordPosting(erp_invoice=answer.erp_invoice, lines=answer.lines)
        if answer.HasField("post_time"):
            wish.post_time.CopyFrom(answer.post_time)
        if answer.HasField("total"):
            wish.total.CopyFrom(answer.total)
        await self._journal.invoice(invoice_id, wish, cause.step(step.key))
        return Done((answer.erp_invoice,), recorded=True)

    async def _end(self, step: CancelSale | ReceiveReturn | PostCredit | Settle, s: Situation, cause: Cause) -> Done:
        """Perform what an order needs outside that ends otherwise than invoiced."""
        request_id = _request_id(s, step.key)
        match step:
            case CancelSale():
                return Done(tuple((await self._erp(s).cancel_sale(receipts.cancel_sale(s, request_id))).references))
            case ReceiveReturn():
                answer = await self._erp(s).receive_return(receipts.receive_return(step, s, request_id))
                return Done(tuple(answer.references))
            case PostCredit():
                claim, memo = find_claim(s.order, step.claim_id), s.credits.get(step.claim_id)
                if claim is None or memo is None:
                    return Done(recorded=True)
                return await self._post_memo(memo, claim.reason, step, s, cause)
            case Settle():
                about = exception_id_of(step.report.kind, s.order.order_id, receipts.detail_of(step.report))
                await settle_exception(self._journal, about, step.code, step.note, cause)
                return Done()

    async def _post_memo(
        self, memo: Invoice, reason: str, step: PostInvoice | PostCredit, s: Situation, cause: Cause
    ) -> Done:
        why = cause.step(step.key)
        number = await post_memo(memo, s, reason, _request_id(s, step.key), self._erp(s), self._journal, why)
        return Done((number,), recorded=True)


def _dispatch_reference(load: Load) -> str:
    return load.dispatch_reference or load.load_id


def _request_id(s: Situation, key: str) -> str:
    return ids.derive(s.order.order_id, key)
