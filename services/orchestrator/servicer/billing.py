"""The billing gate and the review of drafted invoices: what people decide there."""

from __future__ import annotations

import grpc
from google.protobuf.message import Message

from gladhand.errors import FailedPrecondition, InvalidArgument, NotFound
from logistics.invoice.v1 import ApproveInvoice, DraftInvoice, Invoice, InvoiceState
from logistics.orchestrator.v1 import (
    ApproveInvoiceRequest,
    ApproveInvoiceResponse,
    ReviseInvoiceRequest,
    ReviseInvoiceResponse,
    WaiveGateCheckRequest,
    WaiveGateCheckResponse,
)
from services.orchestrator.billing import revised
from services.orchestrator.deciders import invoice
from services.orchestrator.exceptions import settle_exception
from services.orchestrator.journal import Cause
from services.orchestrator.processes.inside import variance_id
from services.orchestrator.processes.waivers import waiver_scope
from services.orchestrator.servicer.desk import Methods, cause_of, check_scope, who


class BillingMethods(Methods):
    """The part of the service that concerns the gate before billing and the drafts behind it."""

    async def WaiveGateCheck(
        self,
        request: WaiveGateCheckRequest,
        context: grpc.aio.ServicerContext[WaiveGateCheckRequest, WaiveGateCheckResponse],
    ) -> WaiveGateCheckResponse:
        """Let a check of an order's billing gate pass, where the policy lets the caller."""
        policy = await self._desk.waivers.policy_of(request.order_id)
        check_scope(waiver_scope(policy, request.check), "waive that check")
        check, version = await self._desk.waivers.waive(
            request.order_id, request.check, request.reason, who(), cause_of(request.request_id)
        )
        return WaiveGateCheckResponse(check=check, version=version)

    async def ApproveInvoice(
        self,
        request: ApproveInvoiceRequest,
        context: grpc.aio.ServicerContext[ApproveInvoiceRequest, ApproveInvoiceResponse],
    ) -> ApproveInvoiceResponse:
        """Approve a draft that is in review."""
        found = await self._in_review(request.invoice_id)
        wish = ApproveInvoice(reason=request.reason, approved_by=who())
        decided, version = await self._decide(found, wish, "APPROVED", request.reason, cause_of(request.request_id))
        return ApproveInvoiceResponse(invoice=decided, version=version)

    async def ReviseInvoice(
        self,
        request: ReviseInvoiceRequest,
        context: grpc.aio.ServicerContext[ReviseInvoiceRequest, ReviseInvoiceResponse],
    ) -> ReviseInvoiceResponse:
        """Lay the prices of a draft that is in review down anew; it is judged again."""
        found = await self._in_review(request.invoice_id)
        try:
            draft = revised(found, {line.line_no: line.unit_price for line in request.lines})
        except KeyError as error:
            raise InvalidArgument(
                f"the invoice has no line {error.args[0]}", field="lines.line_no", remedy="name one of its lines"
            ) from error
        wish, note = DraftInvoice(invoice=draft), "its prices were laid down anew"
        decided, version = await self._decide(found, wish, "REVISED", note, cause_of(request.request_id))
        return ReviseInvoiceResponse(invoice=decided, version=version)

    async def _in_review(self, invoice_id: str) -> Invoice:
        found = (await self._desk.journal.find(invoice.DECIDER, invoice_id)).state.invoice
        if found is None:
            raise NotFound("invoice", invoice_id, reason="INVOICE_NOT_FOUND")
        if found.state != InvoiceState.INVOICE_STATE_IN_REVIEW:
            raise FailedPrecondition(
                f"invoice {invoice_id} is {InvoiceState.Name(found.state)}; only one in review is decided about",
                reason="TRANSITION_NOT_ALLOWED",
                metadata={"state": InvoiceState.Name(found.state)},
            )
        return found

    async def _decide(
        self, found: Invoice, wish: Message, code: str, note: str, cause: Cause
    ) -> tuple[Invoice | None, int]:
        """Command an invoice, settle what told of its review, and let its order go on."""
        outcome = await self._desk.journal.invoice(found.invoice_id, wish, cause)
        told = variance_id(found.invoice_id, found.version - 1)
        await settle_exception(self._desk.journal, told, code, note, cause.step("settle"))
        await self._desk.fulfilment.drive(found.order_id)
        return outcome.state.invoice, outcome.version
