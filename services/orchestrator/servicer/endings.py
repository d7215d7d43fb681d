"""Orders that end otherwise than invoiced: what becomes of goods, claims, and credit memos."""

from __future__ import annotations

import grpc

from gladhand import ids
from gladhand.errors import NotFound
from gladhand.execute import Outcome
from logistics.orchestrator.v1 import (
    ApproveCreditRequest,
    ApproveCreditResponse,
    CancelConsequence,
    ClaimGoodsRequest,
    ClaimGoodsResponse,
    DecideDispositionRequest,
    DecideDispositionResponse,
)
from logistics.order.v1 import (
    ClaimOrder,
    ClaimState,
    DecideOrderClaim,
    DisposeGoods,
    GoodsDisposition,
    Order,
    OrderClaim,
    OrderEvent,
    OrderState,
)
from services.orchestrator.deciders import order
from services.orchestrator.deciders.order.disposing import find_disposition
from services.orchestrator.servicer.desk import Methods, cause_of

_CONSEQUENCES = {
    CancelConsequence.CANCEL_CONSEQUENCE_CANCELLED: "It is cancelled, and the ERP is told.",
    CancelConsequence.CANCEL_CONSEQUENCE_ROAD_ASKED: (
        "The vehicle is called back; it is cancelled once that is acknowledged, with a charge where the policy has one."
    ),
    CancelConsequence.CANCEL_CONSEQUENCE_RETURN: "Goods are on board: they travel back, and nothing is invoiced.",
    CancelConsequence.CANCEL_CONSEQUENCE_REMAINDER_CANCELLED: (
        "What is not delivered yet will not be; what was delivered is billed."
    ),
    CancelConsequence.CANCEL_CONSEQUENCE_CREDIT_PROPOSED: (
        "It is invoiced: a credit memo is proposed and waits for approval."
    ),
}


class EndingMethods(Methods):
    """The part of the service that concerns how orders end."""

    async def DecideDisposition(
        self,
        request: DecideDispositionRequest,
        context: grpc.aio.ServicerContext[DecideDispositionRequest, DecideDispositionResponse],
    ) -> DecideDispositionResponse:
        """Let a person's decision about goods stand in place of the policy's."""
        shown = await self._shown(request.order_id)
        known = find_disposition(shown, request.disposition_id)
        if known is None:
            raise NotFound("disposition", request.disposition_id, reason="DISPOSITION_NOT_FOUND")
        cause = cause_of(request.request_id)
        decided = GoodsDisposition()
        decided.CopyFrom(known)
        decided.disposition = request.disposition
        decided.decided_by = cause.actor.id
        decided.ClearField("place")
        if request.HasField("place"):
            decided.place.CopyFrom(request.place)
        outcome = await self._desk.journal.order(request.order_id, DisposeGoods(disposition=decided), cause)
        return DecideDispositionResponse(order=outcome.state.order, version=outcome.version)

    async def ClaimGoods(
        self, request: ClaimGoodsRequest, context: grpc.aio.ServicerContext[ClaimGoodsRequest, ClaimGoodsResponse]
    ) -> ClaimGoodsResponse:
        """Ask accepted goods back after the billing gate had opened."""
        await self._shown(request.order_id)
        cause = cause_of(request.request_id)
        claim = OrderClaim(
            claim_id=ids.derive(request.order_id, "claim", request.request_id),
            lines=request.lines,
            disposition=request.disposition,
            reason=request.reason,
            raised_by=cause.actor.id,
        )
        outcome = await self._desk.journal.order(request.order_id, ClaimOrder(claim=claim), cause)
        return ClaimGoodsResponse(order=outcome.state.order, version=outcome.version, claim_id=claim.claim_id)

    async def ApproveCredit(
        self,
        request: ApproveCreditRequest,
        context: grpc.aio.ServicerContext[ApproveCreditRequest, ApproveCreditResponse],
    ) -> ApproveCreditResponse:
        """Approve or decline the credit memo that a claim proposes."""
        await self._shown(request.order_id)
        cause = cause_of(request.request_id)
        wish = DecideOrderClaim(
            claim_id=request.claim_id,
            state=ClaimState.CLAIM_STATE_DECLINED if request.decline else ClaimState.CLAIM_STATE_APPROVED,
            decided_by=cause.actor.id,
            note=request.note,
        )
        outcome = await self._desk.journal.order(request.order_id, wish, cause)
        return ApproveCreditResponse(order=outcome.state.order, version=outcome.version)

    async def _shown(self, order_id: str) -> Order:
        found = (await self._desk.journal.find(order.DECIDER, order_id)).state.order
        if found is None:
            raise NotFound("order", order_id, reason="ORDER_NOT_FOUND")
        return found


def consequence_of(outcome: Outcome[order.State, OrderEvent]) -> tuple[CancelConsequence.ValueType, str]:
    """Return what a cancelling did, or had done before, and the same in a sentence."""
    shown = outcome.state.order
    consequence = CancelConsequence.CANCEL_CONSEQUENCE_CANCELLED
    if shown is None or shown.state == OrderState.ORDER_STATE_CANCELLED:
        pass
    elif shown.state == OrderState.ORDER_STATE_CANCEL_REQUESTED:
        consequence = CancelConsequence.CANCEL_CONSEQUENCE_ROAD_ASKED
    elif shown.turned_back:
        consequence = CancelConsequence.CANCEL_CONSEQUENCE_RETURN
    elif outcome.state.remainder:
        consequence = CancelConsequence.CANCEL_CONSEQUENCE_REMAINDER_CANCELLED
    elif shown.claims:
        consequence = CancelConsequence.CANCEL_CONSEQUENCE_CREDIT_PROPOSED
    return consequence, _CONSEQUENCES[consequence]
