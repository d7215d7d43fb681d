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
from logistics.invoice.v1 import RecordPosting
from logistics.load.v1 import Assignment, DropOrder, Load
from logistics.order.v1 import RecordOrderValidation
from logistics.type.v1 import ExternalReference
from services.orchestrator.billing import delivered_lines, invoice_id_of
from services.orchestrator.deciders import pod
from services.orchestrator.exceptions import open_exception
from services.orchestrator.gateways import ErpGateway, FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.steps import (
    ConfirmDispatch,
    DropFromLoad,
    Outside,
    PostDelivery,
    PostInvoice,
    Report,
    Situation,
    Validate,
)
from services.orchestrator.riding import lines_on


@dataclass(frozen=True, slots=True)
class Done:
    """What an action brought back."""

    references: tuple[ExternalReference, ...] = ()
    recorded: bool = False
    """Whether an aggregate's own event already tells of it, so that the process need not."""


class OutsideActions:
    """Performs outside actions. Raises the GladhandError that the outside system meant."""

    def __init__(self, journal: Journal, erp: ErpGateway, fleet: FleetGateway) -> None:
        self._journal = journal
        self._erp = erp
        self._fleet = fleet

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

    async def _validate(self, step: Validate, s: Situation, cause: Cause) -> Done:
        answer = await self._erp.validate_order(ValidateOrderRequest(order=s.order))
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
        answer = await self._erp.confirm_dispatch(request)
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
            detail=str(step.revision),
            order_id=s.order.order_id,
        )
        return Done()

    async def _drop_from_load(self, step: DropFromLoad, s: Situation, cause: Cause) -> Done:
        wish = DropOrder(order_id=s.order.order_id, reason="the order was cancelled")
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
        answer = await self._erp.post_delivery(request)
        return Done(tuple(answer.references))

    async def _post_invoice(self, step: PostInvoice, s: Situation, cause: Cause) -> Done:
        invoice_id = invoice_id_of(s.order.order_id)
        request = PostInvoiceRequest(
            request_id=_request_id(s, step.key),
            invoice=s.invoice,
            order_references=s.order.references,
            posting_key=posting_key(invoice_id),
        )
        answer = await self._erp.post_invoice(request)
        wish = RecordPosting(erp_invoice=answer.erp_invoice, lines=answer.lines)
        if answer.HasField("post_time"):
            wish.post_time.CopyFrom(answer.post_time)
        if answer.HasField("total"):
            wish.total.CopyFrom(answer.total)
        await self._journal.invoice(invoice_id, wish, cause.step(step.key))
        return Done((answer.erp_invoice,), recorded=True)


def posting_key(invoice_id: str) -> str:
    """Return the key that the ERP's document carries: the same for every attempt, short enough for any ERP."""
    return f"GH-{invoice_id.replace('-', '')[:24].upper()}"


def _dispatch_reference(load: Load) -> str:
    return load.dispatch_reference or load.load_id


def _request_id(s: Situation, key: str) -> str:
    return ids.derive(s.order.order_id, key)
