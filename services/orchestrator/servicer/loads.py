"""Loads, proofs of delivery, planning waves and invoices."""

from __future__ import annotations

import grpc

from gladhand.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from logistics.orchestrator.v1 import (
    GetInvoiceRequest,
    GetInvoiceResponse,
    GetLoadRequest,
    GetLoadResponse,
    GetProofOfDeliveryRequest,
    GetProofOfDeliveryResponse,
    ListInvoicesRequest,
    ListInvoicesResponse,
    ListLoadsRequest,
    ListLoadsResponse,
    RecordProofOfDeliveryRequest,
    RecordProofOfDeliveryResponse,
    StartPlanningWaveRequest,
    StartPlanningWaveResponse,
)
from logistics.pod.v1 import PodState, ProofOfDelivery
from services.orchestrator.parties import shown_to
from services.orchestrator.processes.proofs import failed_checks, reason_of
from services.orchestrator.servicer.desk import Methods, cause_of, whose


class LoadMethods(Methods):
    """The part of the service that concerns loads and what comes of them."""

    async def GetLoad(
        self, request: GetLoadRequest, context: grpc.aio.ServicerContext[GetLoadRequest, GetLoadResponse]
    ) -> GetLoadResponse:
        """Read one load."""
        found = await self._desk.read_model.load(request.load_id, request.at_least_version, party=whose())
        if found is None:
            raise NotFound("load", request.load_id, reason="LOAD_NOT_FOUND")
        return GetLoadResponse(load=shown_to(found, whose()))

    async def ListLoads(
        self, request: ListLoadsRequest, context: grpc.aio.ServicerContext[ListLoadsRequest, ListLoadsResponse]
    ) -> ListLoadsResponse:
        """List loads, newest first."""
        page = await self._desk.read_model.loads(
            page_size=request.page_size,
            page_token=request.page_token,
            states=request.states,
            order_id=request.order_id,
            vehicle_id=request.vehicle_id,
            party=whose(),
        )
        shown = [shown_to(each, whose()) for each in page.items]
        return ListLoadsResponse(loads=shown, next_page_token=page.next_token)

    async def GetInvoice(
        self, request: GetInvoiceRequest, context: grpc.aio.ServicerContext[GetInvoiceRequest, GetInvoiceResponse]
    ) -> GetInvoiceResponse:
        """Read one invoice."""
        found = await self._desk.read_model.invoice(request.invoice_id, request.at_least_version)
        if found is None:
            raise NotFound("invoice", request.invoice_id, reason="INVOICE_NOT_FOUND")
        return GetInvoiceResponse(invoice=found)

    async def ListInvoices(
        self, request: ListInvoicesRequest, context: grpc.aio.ServicerContext[ListInvoicesRequest, ListInvoicesResponse]
    ) -> ListInvoicesResponse:
        """List invoices, newest first."""
        page = await self._desk.read_model.invoices(
            page_size=request.page_size,
            page_token=request.page_token,
            states=request.states,
            order_id=request.order_id,
        )
        return ListInvoicesResponse(invoices=page.items, next_page_token=page.next_token)

    async def StartPlanningWave(
        self,
        request: StartPlanningWaveRequest,
        context: grpc.aio.ServicerContext[StartPlanningWaveRequest, StartPlanningWaveResponse],
    ) -> StartPlanningWaveResponse:
        """Plan the released orders of a region now."""
        wave = await self._desk.planning.run(request.region, request.request_id, "command")
        if wave is None:
            return StartPlanningWaveResponse()
        return StartPlanningWaveResponse(
            wave_id=wave.wave_id,
            load_ids=[load.load_id for load in wave.state.loads],
            unplanned_order_ids=[unplanned.order_id for unplanned in wave.state.unplanned],
        )

    async def RecordProofOfDelivery(
        self,
        request: RecordProofOfDeliveryRequest,
        context: grpc.aio.ServicerContext[RecordProofOfDeliveryRequest, RecordProofOfDeliveryResponse],
    ) -> RecordProofOfDeliveryResponse:
        """Record a proof and check it against its stop; a refused one is kept and told of by an exception."""
        state, version = await self._desk.proofs.record(request.pod, cause_of(request.request_id), whose())
        proof = state.pod
        if proof is None:
            raise NotFound("pod", request.pod.pod_id, reason="POD_NOT_FOUND")
        if proof.state == PodState.POD_STATE_REJECTED:
            raise _refusal(proof)
        return RecordProofOfDeliveryResponse(pod=proof, version=version)

    async def GetProofOfDelivery(
        self,
        request: GetProofOfDeliveryRequest,
        context: grpc.aio.ServicerContext[GetProofOfDeliveryRequest, GetProofOfDeliveryResponse],
    ) -> GetProofOfDeliveryResponse:
        """Read one proof."""
        found = await self._desk.read_model.pod(request.pod_id, 0)
        if found is None:
            raise NotFound("pod", request.pod_id, reason="POD_NOT_FOUND")
        return GetProofOfDeliveryResponse(pod=found)


def _refusal(proof: ProofOfDelivery) -> FailedPrecondition | InvalidArgument:
    """Return the error that tells of the checks a proof failed; wrong sums are the sender's mistake."""
    failed = failed_checks(proof)
    message = "; ".join(check.message for check in failed)
    metadata = {"pod_id": proof.pod_id, "stop_id": proof.stop_id}
    reason = reason_of(failed[0]) if failed else "POD_INVALID"
    if reason == "POD_LINES_DO_NOT_ADD_UP":
        return InvalidArgument(
            message,
            field="pod.lines",
            remedy="send every expected line once; delivered is accepted plus rejected, at most what was expected",
            reason=reason,
            violations=[Violation("pod.lines", check.message) for check in failed],
        )
    return FailedPrecondition(message, reason=reason, metadata=metadata)
