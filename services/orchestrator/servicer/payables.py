"""Carriers' invoices, their disputes, and appointments at docks."""

from __future__ import annotations

import grpc
from google.protobuf.message import Message

from gladhand.errors import NotFound
from gladhand.security.principal import CARRIER_SYSTEM
from logistics.invoice.v1 import AnswerDispute as AnswerDisputeWish
from logistics.invoice.v1 import ApprovePayable as ApprovePayableWish
from logistics.invoice.v1 import DisputeCharge as DisputeChargeWish
from logistics.invoice.v1 import Payable
from logistics.invoice.v1 import RejectPayable as RejectPayableWish
from logistics.invoice.v1 import SettleDispute as SettleDisputeWish
from logistics.load.v1 import SetAppointment as SetAppointmentWish
from logistics.orchestrator.v1 import (
    AnswerDisputeRequest,
    AnswerDisputeResponse,
    ApprovePayableRequest,
    ApprovePayableResponse,
    DisputeChargeRequest,
    DisputeChargeResponse,
    GetPayableRequest,
    GetPayableResponse,
    ListPayablesRequest,
    ListPayablesResponse,
    RecordCarrierInvoiceRequest,
    RecordCarrierInvoiceResponse,
    RejectPayableRequest,
    RejectPayableResponse,
    SetAppointmentRequest,
    SetAppointmentResponse,
    SettleDisputeRequest,
    SettleDisputeResponse,
)
from services.orchestrator.deciders import load, payable
from services.orchestrator.servicer.desk import Methods, cause_of, whose


class PayableMethods(Methods):
    """The part of the service that concerns what carriers are paid, and what docks say."""

    async def RecordCarrierInvoice(
        self,
        request: RecordCarrierInvoiceRequest,
        context: grpc.aio.ServicerContext[RecordCarrierInvoiceRequest, RecordCarrierInvoiceResponse],
    ) -> RecordCarrierInvoiceResponse:
        """Record a carrier's invoice and audit it; a carrier hands in its own alone."""
        party = whose()
        scac = request.payable.carrier_scac
        if party is not None and (party.system != CARRIER_SYSTEM or party.value != scac):
            raise NotFound("carrier", scac, message=f"you do not bill for carrier {scac!r}; use your own SCAC")
        found = await self._desk.payables.record(request.payable, cause_of(request.request_id))
        return RecordCarrierInvoiceResponse(payable=found.state.payable, version=found.version)

    async def GetPayable(
        self, request: GetPayableRequest, context: grpc.aio.ServicerContext[GetPayableRequest, GetPayableResponse]
    ) -> GetPayableResponse:
        """Read one carrier's invoice."""
        found = await self._desk.read_model.payable(request.payable_id, request.at_least_version, party=whose())
        if found is None:
            raise _unknown(request.payable_id)
        return GetPayableResponse(payable=found)

    async def ListPayables(
        self, request: ListPayablesRequest, context: grpc.aio.ServicerContext[ListPayablesRequest, ListPayablesResponse]
    ) -> ListPayablesResponse:
        """List carriers' invoices, newest first."""
        page = await self._desk.read_model.payables(
            page_size=request.page_size,
            page_token=request.page_token,
            states=request.states,
            load_id=request.load_id,
            party=whose(),
        )
        return ListPayablesResponse(payables=page.items, next_page_token=page.next_token)

    async def DisputeCharge(
        self,
        request: DisputeChargeRequest,
        context: grpc.aio.ServicerContext[DisputeChargeRequest, DisputeChargeResponse],
    ) -> DisputeChargeResponse:
        """Dispute a charge."""
        wish = DisputeChargeWish(charge_no=request.charge_no, reason=request.reason, disputed_by=_caller())
        if request.HasField("offered_amount"):
            wish.offered_amount.CopyFrom(request.offered_amount)
        after, version = await self._do(request.payable_id, wish, request.request_id)
        return DisputeChargeResponse(payable=after, version=version)

    async def AnswerDispute(
        self,
        request: AnswerDisputeRequest,
        context: grpc.aio.ServicerContext[AnswerDisputeRequest, AnswerDisputeResponse],
    ) -> AnswerDisputeResponse:
        """Record what the carrier answers."""
        wish = AnswerDisputeWish(charge_no=request.charge_no, answer=request.answer, answered_by=_caller())
        if request.HasField("offered_amount"):
            wish.offered_amount.CopyFrom(request.offered_amount)
        after, version = await self._do(request.payable_id, wish, request.request_id)
        return AnswerDisputeResponse(payable=after, version=version)

    async def SettleDispute(
        self,
        request: SettleDisputeRequest,
        context: grpc.aio.ServicerContext[SettleDisputeRequest, SettleDisputeResponse],
    ) -> SettleDisputeResponse:
        """Record what was agreed; the last settled charge lets the invoice be posted."""
        wish = SettleDisputeWish(
            charge_no=request.charge_no,
            agreed_amount=request.agreed_amount,
            note=request.note,
            settled_by=_caller(),
        )
        after, version = await self._do(request.payable_id, wish, request.request_id)
        return SettleDisputeResponse(payable=after, version=version)

    async def ApprovePayable(
        self,
        request: ApprovePayableRequest,
        context: grpc.aio.ServicerContext[ApprovePayableRequest, ApprovePayableResponse],
    ) -> ApprovePayableResponse:
        """Let it be posted although the audit found a variance."""
        wish = ApprovePayableWish(reason=request.reason, approved_by=_caller())
        after, version = await self._do(request.payable_id, wish, request.request_id)
        return ApprovePayableResponse(payable=after, version=version)

    async def RejectPayable(
        self,
        request: RejectPayableRequest,
        context: grpc.aio.ServicerContext[RejectPayableRequest, RejectPayableResponse],
    ) -> RejectPayableResponse:
        """Refuse to pay it."""
        wish = RejectPayableWish(reason=request.reason, rejected_by=_caller())
        after, version = await self._do(request.payable_id, wish, request.request_id)
        return RejectPayableResponse(payable=after, version=version)

    async def SetAppointment(
        self,
        request: SetAppointmentRequest,
        context: grpc.aio.ServicerContext[SetAppointmentRequest, SetAppointmentResponse],
    ) -> SetAppointmentResponse:
        """Record what a dock says."""
        if not (await self._desk.journal.find(load.DECIDER, request.load_id)).version:
            raise NotFound("load", request.load_id, reason="LOAD_NOT_FOUND")
        wish = SetAppointmentWish(stop_id=request.stop_id, appointment=request.appointment)
        outcome = await self._desk.journal.load(request.load_id, wish, cause_of(request.request_id))
        return SetAppointmentResponse(load=outcome.state.load, version=outcome.version)

    async def _do(self, payable_id: str, wish: Message, request_id: str) -> tuple[Payable, int]:
        """Command an invoice that the caller may see; what follows from it is done by the time this returns."""
        known = (await self._desk.journal.find(payable.DECIDER, payable_id)).state.payable
        party = whose()
        foreign = party is not None and (
            known is None or party.system != CARRIER_SYSTEM or party.value != known.carrier_scac
        )
        if known is None or foreign:
            raise _unknown(payable_id)
        await self._desk.journal.payable(payable_id, wish, cause_of(request_id))
        await self._desk.payables.drive(payable_id)
        found = await self._desk.journal.find(payable.DECIDER, payable_id)
        return found.state.payable or known, found.version


def _unknown(payable_id: str) -> NotFound:
    return NotFound("payable", payable_id, reason="PAYABLE_NOT_FOUND")


def _caller() -> str:
    """Return who calls, for people."""
    return cause_of("").actor.id
