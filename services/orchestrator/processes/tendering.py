"""From a planned load to a carrier that has it: offers, their sending, their deadlines, and what people are told.

Everything follows from where the load's offers stand, so that it may be done again at any time, by anybody: after an
event, by a timer, by the watchdog.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from gladhand import ids
from gladhand.bus.port import Bus
from gladhand.clock import Clock
from gladhand.decider import Rejected
from gladhand.errors import FailedPrecondition, InvalidArgument, NotFound
from logistics.dispatch.v1 import TenderAnswer, TenderLoadRequest, TenderLoadResponse
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import (
    AnswerTender,
    AwardTender,
    CarrierAnswer,
    ExpireTenders,
    Load,
    LoadState,
    OfferLoad,
    RecordTenderSent,
    RecordTenderUndelivered,
    TenderOffer,
    TenderState,
    WithdrawTenders,
)
from logistics.process.v1 import CarrierTerms, TenderPolicy
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.deciders import exception, order
from services.orchestrator.deciders.load.offers import WAITING
from services.orchestrator.exceptions import exception_id_of, open_exception, reopen_exception, settle_exception
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.tendering import (
    AskPerson,
    Await,
    Award,
    Expire,
    Offer,
    Send,
    UseOwnFleet,
    asks_carriers,
    offer_of,
    takeable,
    tender_step,
)
from services.orchestrator.policies import Policies

log = logging.getLogger(__name__)

TIMER = "tender"
"""Kind of the durable timers that tell when an offer ends; the key is the load's id."""

_EXHAUSTED = ExceptionKind.EXCEPTION_KIND_TENDERS_EXHAUSTED
_COUNTERED = ExceptionKind.EXCEPTION_KIND_TENDER_COUNTERED
_ASKED = "ASKED"
"""The resolution of an exhausted load for which somebody else was asked."""
_TOLD = {
    TenderState.TENDER_STATE_DECLINED: ExceptionKind.EXCEPTION_KIND_TENDER_DECLINED,
    TenderState.TENDER_STATE_EXPIRED: ExceptionKind.EXCEPTION_KIND_TENDER_EXPIRED,
    TenderState.TENDER_STATE_DELIVERY_FAILED: ExceptionKind.EXCEPTION_KIND_TENDER_EXPIRED,
}


class Tendering:
    """Finds a carrier for loads."""

    def __init__(self, journal: Journal, fleet: FleetGateway, bus: Bus, clock: Clock, policies: Policies) -> None:
        self._journal = journal
        self._fleet = fleet
        self._bus = bus
        self._clock = clock
        self._policies = policies

    async def policy_of(self, found: Load) -> TenderPolicy:
        """Return how a load finds who drives it: as its orders' policies say, or the region's where they differ."""
        said: list[TenderPolicy] = []
        for order_id in found.order_ids:
            sold = (await self._journal.find(order.DECIDER, order_id)).state.order
            if sold is not None:
                said.append(self._policies.of(sold).tender)
        if said and all(each == said[0] for each in said):
            return said[0]
        return self._policies.in_region(found.region).tender

    async def asks_carriers(self, found: Load) -> bool:
        """Whether a load must find a carrier before anybody of the own fleet is named."""
        if found.state == LoadState.LOAD_STATE_PLANNED:
            return asks_carriers(found, await self.policy_of(found))
        return asks_carriers(found, TenderPolicy())

    async def step(self, found: Load, cause: Cause) -> bool:
        """Take one step towards a carrier; return whether it was the last one for now."""
        policy = await self.policy_of(found)
        step = tender_step(found, policy, self._clock.now())
        await self._tell(found, cause, exhausted=isinstance(step, AskPerson))
        match step:
            case Offer(offers):
                await self._journal.load(found.load_id, OfferLoad(offers=offers), cause)
            case Send(offer):
                await self._send(found, offer, cause)
            case Expire():
                await self._journal.load(found.load_id, ExpireTenders(), cause)
            case Award(tender_id, note):
                await self._award(found, AwardTender(tender_id=tender_id, note=note), cause)
            case UseOwnFleet(reason):
                await self._journal.load(found.load_id, WithdrawTenders(reason=reason, own_fleet=True), cause)
            case Await(until):
                if until is not None:
                    await self._bus.timers.set(TIMER, found.load_id, until)
                return True
            case AskPerson():
                return True
        return False

    async def over(self, found: Load, cause: Cause) -> None:
        """Let what people were told of the offers rest, once somebody has the load or nobody needs it."""
        if not found.tenders:
            return
        code = "CANCELLED" if found.state == LoadState.LOAD_STATE_CANCELLED else "TAKEN"
        for offer in found.tenders:
            kinds = (_COUNTERED, _TOLD.get(offer.state))
            for kind in kinds:
                if kind is not None:
                    await self._settle(found, kind, offer.tender_id, code, cause)
        await self._settle(found, _EXHAUSTED, "", code, cause)

    async def offer_by_hand(self, found: Load, terms: CarrierTerms, cause: Cause) -> Load:
        """Offer a load to a carrier of a person's choice; return it after. Raises Rejected where it may not be."""
        policy = await self.policy_of(found)
        by_hand = TenderPolicy()
        by_hand.CopyFrom(policy)
        by_hand.ClearField("mode")
        number = len(found.tenders) + 1
        offer = offer_of(found, terms, by_hand, self._clock.now(), number)
        outcome = await self._journal.load(found.load_id, OfferLoad(offers=[offer]), cause)
        return outcome.state.load or found

    async def _send(self, found: Load, offer: TenderOffer, cause: Cause) -> None:
        """Bring an offer to its carrier, and take an answer that comes at once."""
        request = TenderLoadRequest(
            request_id=ids.derive(offer.tender_id, "send"),
            load_id=found.load_id,
            carrier_scac=offer.carrier_scac,
            respond_by_time=offer.respond_by_time,
            tender_id=offer.tender_id,
            tender_revision=offer.tender_revision,
        )
        if offer.HasField("offered_rate"):
            request.offered_rate.CopyFrom(offer.offered_rate)
        try:
            answer = await self._fleet.tender_load(request)
        except (FailedPrecondition, InvalidArgument, NotFound) as refusal:
            if refusal.reason != "NOT_SUPPORTED":
                wish = RecordTenderUndelivered(tender_id=offer.tender_id, reason=refusal.message[:2000])
                await self._journal.load(found.load_id, wish, cause.step("undelivered", offer.tender_id))
                return
            # No system of the carrier is connected: it sees the offer in its portal, and answers there.
            answer = TenderLoadResponse(answer=TenderAnswer.TENDER_ANSWER_PENDING)
        sent = RecordTenderSent(tender_id=offer.tender_id, tender_reference=answer.tender_reference)
        await self._journal.load(found.load_id, sent, cause.step("sent", offer.tender_id))
        await self._answered_at_once(found, offer, answer.answer, cause)

    async def _answered_at_once(
        self, found: Load, offer: TenderOffer, answer: TenderAnswer.ValueType, cause: Cause
    ) -> None:
        meant = {
            TenderAnswer.TENDER_ANSWER_ACCEPTED: CarrierAnswer.CARRIER_ANSWER_ACCEPTED,
            TenderAnswer.TENDER_ANSWER_DECLINED: CarrierAnswer.CARRIER_ANSWER_DECLINED,
        }.get(answer)
        if meant is None:
            return
        wish = AnswerTender(tender_id=offer.tender_id, carrier_scac=offer.carrier_scac, answer=meant)
        carrier = Actor(kind=ActorKind.ACTOR_KIND_PARTNER, id=offer.carrier_scac)
        step = replace(cause.step("answer", offer.tender_id), actor=carrier)
        try:
            await self._journal.load(found.load_id, wish, step)
        except Rejected as refusal:
            # A yes without a rate agrees to nothing: the offer stays open, and a person hears when its time is up.
            log.warning("load %s: the answer of %s counts for nothing: %s", found.load_id, offer.carrier_scac, refusal)

    async def _award(self, found: Load, wish: AwardTender, cause: Cause) -> None:
        try:
            await self._journal.load(found.load_id, wish, cause)
        except Rejected as refusal:
            if refusal.reason != "TENDER_CLOSED":
                raise
            log.info("load %s: %s", found.load_id, refusal.message)  # the carrier took its answer back meanwhile

    async def _tell(self, found: Load, cause: Cause, *, exhausted: bool) -> None:
        """Tell people of what was answered, and what waits for them; let rest what no longer does."""
        for offer in found.tenders:
            kind = _TOLD.get(offer.state)
            if kind is not None:
                await self._open(found, kind, _sentence(offer), offer.tender_id, cause)
            if offer.state in WAITING and not takeable(offer):
                await self._open(found, _COUNTERED, _sentence(offer), offer.tender_id, cause)
            elif offer.state not in WAITING:
                await self._settle(found, _COUNTERED, offer.tender_id, "ANSWERED", cause)
        if exhausted:
            message = "Every carrier said no or nothing: offer the load to somebody else, or let the own fleet drive."
            await self._open(found, _EXHAUSTED, message, "", cause)
            await self._once_more(found, cause)
        else:
            await self._settle(found, _EXHAUSTED, "", _ASKED, cause)

    async def _once_more(self, found: Load, cause: Cause) -> None:
        """Tell again that nobody is left, where somebody else was asked meanwhile; not where a person closed it."""
        known = exception_id_of(_EXHAUSTED, found.load_id)
        told = (await self._journal.find(exception.DECIDER, known)).state.exception
        if told is not None and told.resolution_code == _ASKED:
            await reopen_exception(self._journal, known, "nobody took it this time either", cause)

    async def _open(self, found: Load, kind: ExceptionKind.ValueType, message: str, detail: str, cause: Cause) -> None:
        await open_exception(
            self._journal, kind, message, cause, subject_id=found.load_id, detail=detail, load_id=found.load_id
        )

    async def _settle(self, found: Load, kind: ExceptionKind.ValueType, detail: str, code: str, cause: Cause) -> None:
        known = exception_id_of(kind, found.load_id, detail)
        await settle_exception(self._journal, known, code, "the offers of the load have moved on", cause)


def _sentence(offer: TenderOffer) -> str:
    who, said = offer.carrier_scac, offer.conditions or offer.reason
    match offer.state:
        case TenderState.TENDER_STATE_DECLINED:
            return f"{who} does not take the load: {said or 'it gave no reason'}"
        case TenderState.TENDER_STATE_COUNTERED:
            rate = offer.counter_rate
            asked = f"{rate.units}.{rate.nanos // 10_000_000:02d} {rate.currency}"
            return f"{who} wants {asked}; take it, or take the offer back"
        case TenderState.TENDER_STATE_CONDITIONALLY_ACCEPTED:
            return f"{who} takes the load under conditions: {said}; take it so, or take the offer back"
        case _:
            return f"{who} did not answer: {said or 'its time is up'}"
