"""Who is asked to carry a load next, from its offers and the policy alone (pure; domain reference 3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration

from gladhand import ids
from logistics.load.v1 import Load, LoadState, TenderOffer, TenderState
from logistics.process.v1 import CarrierTerms, TenderMode, TenderPolicy
from logistics.type.v1 import Money
from services.orchestrator.deciders.load.offers import AWAITING, BEFORE_ACCEPTANCE, WAITING

_RESPOND_WITHIN = timedelta(minutes=30)
_NANOS = 1_000_000_000
_CARRIERS = frozenset(
    {TenderMode.TENDER_MODE_WATERFALL, TenderMode.TENDER_MODE_BROADCAST_FIRST, TenderMode.TENDER_MODE_BROADCAST_BEST}
)


@dataclass(frozen=True, slots=True)
class Offer:
    """Write offers down; they are sent next."""

    offers: tuple[TenderOffer, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Bring an offer to its carrier."""

    offer: TenderOffer


@dataclass(frozen=True, slots=True)
class Expire:
    """End the offers whose time is up."""


@dataclass(frozen=True, slots=True)
class Award:
    """Give the load to a carrier whose answer needs no person."""

    tender_id: str
    note: str


@dataclass(frozen=True, slots=True)
class UseOwnFleet:
    """Let the own fleet drive."""

    reason: str


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for carriers, or for a person's word about their answers; `until` is when the next offer ends."""

    until: datetime | None


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Nobody is left to ask: a person must find somebody."""


TenderStep: TypeAlias = Offer | Send | Expire | Award | UseOwnFleet | Await | AskPerson


def asks_carriers(load: Load, policy: TenderPolicy) -> bool:
    """Return whether carriers come before anybody of the own fleet is named."""
    if load.state in BEFORE_ACCEPTANCE:
        return True
    return load.state == LoadState.LOAD_STATE_PLANNED and policy.mode in _CARRIERS and not load.own_fleet_chosen


def tender_step(load: Load, policy: TenderPolicy, now: datetime) -> TenderStep:
    """Return what a load that waits for a carrier needs next."""
    awaited = [each for each in load.tenders if each.state in AWAITING]
    if any(_ends(each) <= now for each in awaited):
        return Expire()
    for each in awaited:
        if each.state == TenderState.TENDER_STATE_DRAFT:
            return Send(each)
    waiting = [each for each in load.tenders if each.state in WAITING]
    best = _best(waiting, anybody_awaited=bool(awaited))
    if best is not None:
        return Award(best.tender_id, "the best answer" if best.best_of else "the counter-offer is within the tolerance")
    if awaited or waiting:
        return Await(min((_ends(each) for each in awaited), default=None))
    return _next(load, policy, now)


def takeable(offer: TenderOffer) -> bool:
    """Return whether an answer that waits may be taken without a person.

    A bid may. A counter-offer may within the tolerance, and where the best of several is wanted also below what was
    offered. Conditions are for people to judge.
    """
    if offer.state == TenderState.TENDER_STATE_BID:
        return True
    if offer.state != TenderState.TENDER_STATE_COUNTERED or offer.conditions or not offer.HasField("offered_rate"):
        return False
    asked, offered = offer.counter_rate, offer.offered_rate
    if asked.currency != offered.currency:
        return False
    if offer.best_of and _nanos(asked) <= _nanos(offered):
        return True
    tolerance = offer.counter_tolerance_permille
    return tolerance > 0 and _nanos(asked) * 1000 <= _nanos(offered) * (1000 + tolerance)


def _best(waiting: Iterable[TenderOffer], *, anybody_awaited: bool) -> TenderOffer | None:
    """Return the cheapest answer that may be taken now, of equal ones the first that was offered."""
    ready = [each for each in waiting if takeable(each) and not (each.best_of and anybody_awaited)]
    return min(ready, key=lambda each: (_nanos(_wanted(each)), each.tender_revision), default=None)


def _next(load: Load, policy: TenderPolicy, now: datetime) -> TenderStep:
    # Offers of a plan that no longer holds were never really answered: their carriers are asked again.
    asked = {each.carrier_scac for each in load.tenders if each.state != TenderState.TENDER_STATE_SUPERSEDED}
    left = [terms for terms in policy.carriers if terms.carrier_scac not in asked]
    if policy.mode not in _CARRIERS or not left:
        if policy.mode in _CARRIERS and policy.fall_back_to_own_fleet:
            return UseOwnFleet("every carrier of the policy was asked, and none took it")
        return AskPerson()
    if policy.mode == TenderMode.TENDER_MODE_WATERFALL:
        left = left[:1]
    count = len(load.tenders)
    return Offer(tuple(offer_of(load, terms, policy, now, count + n) for n, terms in enumerate(left, 1)))


def offer_of(load: Load, terms: CarrierTerms, policy: TenderPolicy, now: datetime, number: int) -> TenderOffer:
    """Return an offer to a carrier under some terms; `number` is its place among all offers of the load, from 1."""
    offer = TenderOffer(
        tender_id=ids.derive(load.load_id, "tender", terms.carrier_scac, str(number)),
        carrier_scac=terms.carrier_scac,
        best_of=policy.mode == TenderMode.TENDER_MODE_BROADCAST_BEST,
        counter_tolerance_permille=policy.counter_tolerance_permille,
    )
    own = terms.respond_within if terms.HasField("respond_within") else policy.respond_within
    offer.respond_by_time.FromDatetime(now + _span(own))
    if terms.HasField("rate"):
        offer.offered_rate.CopyFrom(terms.rate)
    if terms.HasField("vehicle_not_used_charge"):
        offer.vehicle_not_used_charge.CopyFrom(terms.vehicle_not_used_charge)
    return offer


def _span(within: Duration) -> timedelta:
    span = within.ToTimedelta()
    return span if span > timedelta(0) else _RESPOND_WITHIN


def _ends(offer: TenderOffer) -> datetime:
    return offer.respond_by_time.ToDatetime(tzinfo=UTC)


def _wanted(offer: TenderOffer) -> Money:
    return offer.counter_rate if offer.state == TenderState.TENDER_STATE_COUNTERED else offer.offered_rate


def _nanos(rate: Money) -> int:
    return rate.units * _NANOS + rate.nanos
