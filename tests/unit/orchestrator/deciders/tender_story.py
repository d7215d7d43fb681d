"""Offers of a load to carriers, and how carriers answer."""

from __future__ import annotations

from google.protobuf.message import Message

from gladhand import ids
from logistics.load.v1 import (
    AnswerTender,
    CarrierAnswer,
    LoadCommand,
    OfferLoad,
    PlanLoad,
    TenderOffer,
    TenderState,
)
from logistics.type.v1 import Money
from tests.unit.orchestrator.deciders.freight import LOAD, ask, at, truck
from tests.unit.orchestrator.deciders.load_story import Past, after, shown

SWFT, MGCT, ODFL = "SWFT", "MGCT", "ODFL"


def usd(units: int) -> Money:
    return Money(currency="USD", units=units)


def id_of(carrier: str, revision: int = 1) -> str:
    return ids.derive(LOAD, carrier, str(revision))


def offer_to(carrier: str, *, rate: int = 900, until: float = 30, best: bool = False, again: int = 1) -> TenderOffer:
    offered = TenderOffer(
        tender_id=id_of(carrier, again), carrier_scac=carrier, respond_by_time=at(until), best_of=best
    )
    if rate:
        offered.offered_rate.CopyFrom(usd(rate))
    return offered


def offer(*carriers: str, best: bool = False, until: float = 30) -> OfferLoad:
    return OfferLoad(offers=[offer_to(carrier, best=best, until=until) for carrier in carriers])


def offered(*carriers: str, best: bool = False) -> Past:
    return after(PlanLoad(load=truck()), offer(*carriers, best=best))


def says(carrier: str, answer: str, *, rate: int = 0, conditions: str = "", again: int = 1) -> AnswerTender:
    told = AnswerTender(
        tender_id=id_of(carrier, again),
        carrier_scac=carrier,
        answer=CarrierAnswer.Value(f"CARRIER_ANSWER_{answer}"),
        conditions=conditions,
    )
    if rate:
        told.counter_rate.CopyFrom(usd(rate))
    return told


def asked_at(minutes: float, wish: Message) -> LoadCommand:
    """A command that comes so many minutes after the start of the day."""
    command = LoadCommand(load_id=LOAD, decide_time=at(minutes))
    ask(command, wish)
    return command


def states(past: Past) -> dict[str, str]:
    """Where the newest offer to each carrier stands."""
    return {o.carrier_scac: TenderState.Name(o.state).removeprefix("TENDER_STATE_") for o in shown(past).tenders}


def tender(past: Past, carrier: str, again: int = 1) -> TenderOffer:
    return next(each for each in shown(past).tenders if each.tender_id == id_of(carrier, again))
