"""Offers of loads to carriers: how carriers answer, and what people decide about it."""

from __future__ import annotations

import grpc

from gladhand.calls import current_call
from gladhand.errors import InvalidArgument, NotFound
from gladhand.security.principal import CARRIER_SYSTEM, Proof
from logistics.load.v1 import AnswerTender, AwardTender, Load, TenderOffer, WithdrawTenders
from logistics.orchestrator.v1 import (
    DecideTenderRequest,
    DecideTenderResponse,
    RespondToTenderRequest,
    RespondToTenderResponse,
)
from logistics.process.v1 import CarrierTerms
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load.tendering import closed, counted
from services.orchestrator.journal import Cause
from services.orchestrator.servicer.desk import Methods, cause_of, whose


class TenderMethods(Methods):
    """The part of the service that concerns who carries a load."""

    async def RespondToTender(
        self,
        request: RespondToTenderRequest,
        context: grpc.aio.ServicerContext[RespondToTenderRequest, RespondToTenderResponse],
    ) -> RespondToTenderResponse:
        """Record a carrier's answer to an offer of its own; one that comes too late is recorded and refused."""
        carrier = _carrier(request)
        found = (await self._desk.journal.find(load.DECIDER, request.load_id)).state.load
        offer = _offer_to(carrier, found, request.tender_id) if found is not None else None
        if found is None or offer is None:
            raise NotFound(
                "tender",
                request.tender_id,
                message=f"load {request.load_id} has no such offer to {carrier}; list the loads that are offered",
                reason="TENDER_NOT_FOUND",
                metadata={"load_id": request.load_id, "tender_id": request.tender_id},
            )
        wish = _answer(request, offer.tender_id, carrier)
        outcome = await self._desk.journal.load(
            request.load_id, wish, cause_of(request.request_id, region=found.region)
        )
        after = outcome.state.load or found
        offer = _offer_to(carrier, after, offer.tender_id) or offer
        if not counted(outcome.state, wish):
            told = outcome.event.tender_answer_refused.reason if outcome.event is not None else ""
            raise closed(after, offer, told or offer.reason or "the answer came too late")
        return RespondToTenderResponse(tender=offer, load_state=after.state, version=outcome.version)

    async def DecideTender(
        self, request: DecideTenderRequest, context: grpc.aio.ServicerContext[DecideTenderRequest, DecideTenderResponse]
    ) -> DecideTenderResponse:
        """Decide who drives a load that waits for carriers."""
        found = (await self._desk.journal.find(load.DECIDER, request.load_id)).state.load
        if found is None:
            raise NotFound("load", request.load_id, reason="LOAD_NOT_FOUND")
        person = _person(request)
        await self._decide_tender(
            found, request, person, cause_of(request.request_id, region=found.region, person=person)
        )
        after = await self._desk.journal.find(load.DECIDER, request.load_id)
        return DecideTenderResponse(load=after.state.load or found, version=after.version)

    async def _decide_tender(self, found: Load, request: DecideTenderRequest, person: str, cause: Cause) -> None:
        journal, load_id = self._desk.journal, found.load_id
        match request.WhichOneof("decision"):
            case "take_answer":
                taken = request.take_answer
                wish = AwardTender(tender_id=taken.tender_id, note=taken.note or f"taken by {person}")
                await journal.load(load_id, wish, cause)
            case "take_back":
                back = request.take_back
                await journal.load(load_id, WithdrawTenders(tender_ids=back.tender_ids, reason=back.reason), cause)
            case "own_fleet":
                reason = request.own_fleet.reason
                await journal.load(load_id, WithdrawTenders(reason=reason, own_fleet=True), cause)
            case _:
                wanted = request.offer
                terms = CarrierTerms(carrier_scac=wanted.carrier_scac)
                if wanted.HasField("rate"):
                    terms.rate.CopyFrom(wanted.rate)
                if wanted.HasField("respond_within"):
                    terms.respond_within.CopyFrom(wanted.respond_within)
                await self._desk.tendering.offer_by_hand(found, terms, cause)


def _carrier(request: RespondToTenderRequest) -> str:
    """Return who answers: the caller's own party, or the carrier that somebody of the mesh answers for."""
    party = whose()
    if party is None:
        if not request.carrier_scac:
            raise InvalidArgument(
                "somebody must answer", field="carrier_scac", remedy="name the carrier that you answer for"
            )
        return request.carrier_scac
    own = party.value if party.system == CARRIER_SYSTEM else ""
    if not own or request.carrier_scac not in {"", own}:
        # Offers to others are not there for it, whoever they were made to.
        raise NotFound(
            "tender",
            request.tender_id,
            message=f"load {request.load_id} has no such offer to you; answer your own offers",
            reason="TENDER_NOT_FOUND",
            metadata={"load_id": request.load_id, "tender_id": request.tender_id},
        )
    return own


def _person(request: DecideTenderRequest) -> str:
    caller = current_call().caller
    if caller is not None and caller.proof is Proof.TOKEN:
        return caller.name
    if not request.decided_by:
        raise InvalidArgument(
            "somebody must decide by name",
            field="decided_by",
            remedy="name the person who decides, or call with a token",
        )
    return request.decided_by


def _offer_to(carrier: str, found: Load, tender_id: str) -> TenderOffer | None:
    """Return an offer to a carrier, by its id or the newest; None where there is none."""
    own = [each for each in found.tenders if each.carrier_scac == carrier and tender_id in {"", each.tender_id}]
    return max(own, key=lambda each: each.tender_revision, default=None)


def _answer(request: RespondToTenderRequest, tender_id: str, carrier: str) -> AnswerTender:
    wish = AnswerTender(
        tender_id=tender_id,
        tender_revision=request.tender_revision,
        carrier_scac=carrier,
        answer=request.answer,
        conditions=request.conditions,
        reason=request.reason,
        carrier_reference=request.carrier_reference,
        vehicle_id=request.vehicle_id,
        driver_ids=request.driver_ids,
    )
    if request.HasField("counter_rate"):
        wish.counter_rate.CopyFrom(request.counter_rate)
    return wish
