"""Offers to carriers: made, answered, decided about, ended (domain reference 2.2 and 3.2).

An answer that comes too late changes nothing, and is recorded: it may be argued about one day. In whatever order
answers come, one carrier has the load at most: the acceptance and the end of all other offers are one event.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from gladhand.enums import short_name
from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    AnswerTender,
    CarrierAnswer,
    Load,
    LoadCommand,
    LoadState,
    LoadTenderAccepted,
    LoadTenderAnswerRefused,
    LoadTenderBid,
    LoadTenderCountered,
    LoadTenderDeclined,
    LoadTendered,
    LoadTenderExpired,
    LoadTenderSent,
    LoadTenderUndelivered,
    LoadTenderWithdrawn,
    OfferLoad,
    TenderOffer,
    TenderState,
)
from logistics.type.v1 import Money
from services.orchestrator.deciders.load.offers import (
    AWAITING,
    OPEN,
    WAITING,
    answer_key,
    refused_key,
)
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated

_OFFERABLE = frozenset(
    {
        LoadState.LOAD_STATE_PLANNED,
        LoadState.LOAD_STATE_TENDERED,
        LoadState.LOAD_STATE_TENDER_DECLINED,
        LoadState.LOAD_STATE_TENDER_EXPIRED,
        LoadState.LOAD_STATE_COUNTERED,
    }
)
_UNDECIDED = frozenset({LoadState.LOAD_STATE_TENDERED, LoadState.LOAD_STATE_COUNTERED})
_MOST_OFFERS = 500
_BY_RULE = "taken as it was answered"


def offer(state: State, command: LoadCommand) -> Message | None:
    """Offer the load to carriers, all at once; offers that are known by their ids are nothing."""
    load, wish = present(state), command.offer
    known = {each.tender_id for each in load.tenders}
    if all(each.tender_id in known for each in wish.offers):
        return None
    if load.state not in _OFFERABLE:
        raise barred(load, "offering it to carriers", "take it back from who has it first")
    _check_offers(load, wish, command.decide_time.ToNanoseconds())
    revision = max((each.tender_revision for each in load.tenders), default=0)
    made = [_made(load, each, revision + position) for position, each in enumerate(wish.offers, 1)]
    first = made[0]
    return LoadTendered(
        carrier_scac=first.carrier_scac,
        respond_by_time=first.respond_by_time,
        tender_revision=first.tender_revision,
        offers=made,
    )


def record_sent(state: State, command: LoadCommand) -> Message | None:
    """Record that an offer went out; one that was answered meanwhile, or ended, is left as it is."""
    wish = command.tender_sent
    found = _offer(present(state), wish.tender_id)
    if found.state != TenderState.TENDER_STATE_DRAFT:
        return None
    return LoadTenderSent(tender_id=wish.tender_id, tender_reference=wish.tender_reference)


def record_undelivered(state: State, command: LoadCommand) -> Message | None:
    """Record that an offer could not be brought to its carrier."""
    wish = command.tender_undelivered
    found = _offer(present(state), wish.tender_id)
    if found.state != TenderState.TENDER_STATE_DRAFT:
        return None
    return LoadTenderUndelivered(tender_id=wish.tender_id, reason=wish.reason)


def answer(state: State, command: LoadCommand) -> Message | None:
    """Record a carrier's answer; the answer that counts already is nothing, one that no longer counts is evidence."""
    load, wish = present(state), command.answer_tender
    found = _offer(load, wish.tender_id, wish.carrier_scac)
    _check_answer(found, wish)
    key = key_of(wish)
    if state.answers.get(found.tender_id) == key or _has_it(found, wish):
        return None
    why = _shut(load, found, wish, command.decide_time.ToNanoseconds())
    if why:
        if refused_key(found.tender_id, key) in state.refused_answers:
            return None
        return _turned_down(found, wish, why)
    match wish.answer:
        case CarrierAnswer.CARRIER_ANSWER_ACCEPTED:
            return _bid(found, wish) if found.best_of else _taken(load, found, wish)
        case CarrierAnswer.CARRIER_ANSWER_DECLINED:
            return LoadTenderDeclined(carrier_scac=found.carrier_scac, reason=wish.reason, tender_id=found.tender_id)
        case _:
            return _countered(found, wish)


def award(state: State, command: LoadCommand) -> Message | None:
    """Give the load to a carrier whose answer waits for a decision."""
    load, wish = present(state), command.award_tender
    found = _offer(load, wish.tender_id)
    if found.state == TenderState.TENDER_STATE_ACCEPTED:
        return None
    if found.state not in WAITING or load.state not in _UNDECIDED:
        raise closed(load, found, "its answer no longer waits for a decision")
    event = LoadTenderAccepted(
        carrier_scac=found.carrier_scac,
        tender_id=found.tender_id,
        carrier_reference=found.carrier_reference,
        vehicle_id=found.vehicle_id,
        driver_ids=found.driver_ids,
        withdrawn_tender_ids=_others(load, found),
        note=wish.note or _BY_RULE,
    )
    agreed = asked_rate(found)
    if agreed is not None:
        event.agreed_rate.CopyFrom(agreed)
    return event


def expire(state: State, command: LoadCommand) -> Message | None:
    """End every offer whose time is up; who comes too early ends nothing."""
    load, now = present(state), command.decide_time.ToNanoseconds()
    due = [each for each in load.tenders if each.state in AWAITING and each.respond_by_time.ToNanoseconds() <= now]
    if not due:
        return None
    return LoadTenderExpired(carrier_scac=due[0].carrier_scac, tender_ids=[each.tender_id for each in due])


def withdraw(state: State, command: LoadCommand) -> Message | None:
    """Take offers back, or the load from the carrier that had taken it; what has ended already is left as it is."""
    load, wish = present(state), command.withdraw_tenders
    if wish.own_fleet and wish.tender_ids:
        raise violated("tender_ids", "the own fleet drives the whole load; leave tender_ids empty")
    named = [_offer(load, tender_id) for tender_id in wish.tender_ids] if wish.tender_ids else list(load.tenders)
    gone = [each for each in named if each.state in OPEN or each.state == TenderState.TENDER_STATE_ACCEPTED]
    if wish.own_fleet and load.own_fleet_chosen:
        return None
    if not gone and not wish.own_fleet:
        return None
    if load.state not in _OFFERABLE and load.state != LoadState.LOAD_STATE_ACCEPTED:
        raise barred(load, "taking offers back", "take the assignment back first, or cancel the load")
    return LoadTenderWithdrawn(
        reason=wish.reason, tender_ids=[each.tender_id for each in gone], own_fleet=wish.own_fleet
    )


def counted(state: State, wish: AnswerTender) -> bool:
    """Return whether an answer that was told is the one that counts."""
    load = present(state)
    return state.answers.get(wish.tender_id) == key_of(wish) or any(
        each.tender_id == wish.tender_id and _has_it(each, wish) for each in load.tenders
    )


def key_of(wish: AnswerTender) -> str:
    """Return what tells an answer from another; remarks on a plain yes or no do not."""
    open_ended = wish.answer in {CarrierAnswer.CARRIER_ANSWER_CONDITIONAL, CarrierAnswer.CARRIER_ANSWER_COUNTERED}
    return answer_key(wish.answer, wish.counter_rate, wish.conditions if open_ended else "")


def asked_rate(found: TenderOffer) -> Money | None:
    """Return what a carrier wants for the load, by its answer or by the offer; None where nobody named a rate."""
    if found.HasField("counter_rate"):
        return found.counter_rate
    return found.offered_rate if found.HasField("offered_rate") else None


def closed(load: Load, found: TenderOffer, why: str) -> Exception:
    """Return the refusal of what comes too late for an offer."""
    return refused(
        ErrorReason.ERROR_REASON_TENDER_CLOSED,
        f"offer {found.tender_revision} of load {load.load_id} to {found.carrier_scac} is closed: {why}",
        load_id=load.load_id,
        tender_id=found.tender_id,
        state=TenderState.Name(found.state),
    )


def _offer(load: Load, tender_id: str, carrier_scac: str = "") -> TenderOffer:
    """Return an offer; one of another carrier is as unknown as one that never was."""
    for found in load.tenders:
        if found.tender_id == tender_id and carrier_scac in {"", found.carrier_scac}:
            return found
    raise refused(
        ErrorReason.ERROR_REASON_TENDER_NOT_FOUND,
        f"load {load.load_id} has no such offer; read the load's offers again",
        load_id=load.load_id,
        tender_id=tender_id,
    )


def _check_offers(load: Load, wish: OfferLoad, now_ns: int) -> None:
    carriers = [each.carrier_scac for each in wish.offers]
    if len(set(carriers)) != len(carriers):
        raise violated("offers.carrier_scac", "a carrier gets one offer at a time; name each carrier once")
    if len(load.tenders) + len(carriers) > _MOST_OFFERS:
        raise violated("offers", f"a load is offered {_MOST_OFFERS} times at most; let the own fleet drive")
    asked = {each.carrier_scac for each in load.tenders if each.state in OPEN}
    for each in wish.offers:
        if each.carrier_scac in asked:
            raise violated("offers.carrier_scac", f"an offer to {each.carrier_scac} is open; take it back first")
        if each.respond_by_time.ToNanoseconds() <= now_ns:
            raise violated("offers.respond_by_time", f"the offer to {each.carrier_scac} would end before it begins")


def _made(load: Load, wish: TenderOffer, revision: int) -> TenderOffer:
    """Return an offer as it is recorded: what only answers may set is left out."""
    made = TenderOffer(
        tender_id=wish.tender_id,
        carrier_scac=wish.carrier_scac,
        tender_revision=revision,
        respond_by_time=wish.respond_by_time,
        state=TenderState.TENDER_STATE_DRAFT,
        plan_version=load.plan_version,
        best_of=wish.best_of,
        counter_tolerance_permille=wish.counter_tolerance_permille,
    )
    if wish.HasField("offered_rate"):
        made.offered_rate.CopyFrom(wish.offered_rate)
    if wish.HasField("vehicle_not_used_charge"):
        made.vehicle_not_used_charge.CopyFrom(wish.vehicle_not_used_charge)
    return made


def _check_answer(found: TenderOffer, wish: AnswerTender) -> None:
    if not wish.answer:
        raise violated("answer", "say whether the carrier takes the load, with conditions, for another rate, or not")
    countered = wish.answer == CarrierAnswer.CARRIER_ANSWER_COUNTERED
    if wish.HasField("counter_rate") != countered:
        raise violated("counter_rate", "a rate goes with a counter-offer, and a counter-offer with a rate")
    rate = wish.counter_rate
    if countered and (rate.units, rate.nanos) <= (0, 0):
        raise violated("counter_rate", "a rate is more than nothing")
    if countered and found.HasField("offered_rate") and rate.currency != found.offered_rate.currency:
        raise violated("counter_rate.currency", f"the load is offered in {found.offered_rate.currency}; answer in it")
    if wish.answer == CarrierAnswer.CARRIER_ANSWER_CONDITIONAL and not wish.conditions:
        raise violated("conditions", "say under which conditions")
    if wish.answer == CarrierAnswer.CARRIER_ANSWER_ACCEPTED and not found.HasField("offered_rate"):
        raise violated("answer", "no rate was offered; make a counter-offer with the rate that you want")


def _shut(load: Load, found: TenderOffer, wish: AnswerTender, now_ns: int) -> str:
    """Return why an offer can no longer be answered so, empty where it can."""
    declined = wish.answer == CarrierAnswer.CARRIER_ANSWER_DECLINED
    if wish.tender_revision and wish.tender_revision != found.tender_revision:
        return f"revision {found.tender_revision} is offered, not {wish.tender_revision}"
    if found.state == TenderState.TENDER_STATE_ACCEPTED:
        given_back = declined and load.state == LoadState.LOAD_STATE_ACCEPTED
        return "" if given_back else "the carrier has the load; call the dispatcher to change that"
    if found.state not in OPEN or load.state not in _UNDECIDED:
        return f"it is {short_name(TenderState, found.state).lower()}; {found.reason or 'somebody else was asked'}"
    if found.respond_by_time.ToNanoseconds() <= now_ns and not (declined and found.state in WAITING):
        return "its time is up"
    return ""


def _has_it(found: TenderOffer, wish: AnswerTender) -> bool:
    """Whether a carrier takes what it has."""
    accepts = wish.answer == CarrierAnswer.CARRIER_ANSWER_ACCEPTED
    return accepts and found.state == TenderState.TENDER_STATE_ACCEPTED


def _turned_down(found: TenderOffer, wish: AnswerTender, why: str) -> LoadTenderAnswerRefused:
    event = LoadTenderAnswerRefused(
        tender_id=found.tender_id,
        carrier_scac=found.carrier_scac,
        answer=wish.answer,
        state=found.state,
        reason=why,
        conditions=wish.conditions if wish.answer != CarrierAnswer.CARRIER_ANSWER_DECLINED else "",
    )
    if wish.HasField("counter_rate"):
        event.counter_rate.CopyFrom(wish.counter_rate)
    return event


def _bid(found: TenderOffer, wish: AnswerTender) -> LoadTenderBid:
    return LoadTenderBid(
        tender_id=found.tender_id,
        carrier_scac=found.carrier_scac,
        carrier_reference=wish.carrier_reference,
        vehicle_id=wish.vehicle_id,
        driver_ids=wish.driver_ids,
    )


def _taken(load: Load, found: TenderOffer, wish: AnswerTender) -> LoadTenderAccepted:
    return LoadTenderAccepted(
        carrier_scac=found.carrier_scac,
        tender_id=found.tender_id,
        agreed_rate=found.offered_rate,
        carrier_reference=wish.carrier_reference or found.carrier_reference,
        vehicle_id=wish.vehicle_id,
        driver_ids=wish.driver_ids,
        withdrawn_tender_ids=_others(load, found),
    )


def _countered(found: TenderOffer, wish: AnswerTender) -> LoadTenderCountered:
    event = LoadTenderCountered(
        carrier_scac=found.carrier_scac,
        terms=wish.conditions,
        tender_id=found.tender_id,
        conditional=wish.answer == CarrierAnswer.CARRIER_ANSWER_CONDITIONAL,
        carrier_reference=wish.carrier_reference,
        vehicle_id=wish.vehicle_id,
        driver_ids=wish.driver_ids,
    )
    if wish.HasField("counter_rate"):
        event.counter_rate.CopyFrom(wish.counter_rate)
    return event


def _others(load: Load, winner: TenderOffer) -> Iterable[str]:
    return [each.tender_id for each in load.tenders if each.state in OPEN and each.tender_id != winner.tender_id]
