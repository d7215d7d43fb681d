"""What an event makes of a load's offers to carriers, and where the load stands by them (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from google.protobuf.timestamp_pb2 import Timestamp

from logistics.load.v1 import CarrierAnswer, Load, LoadEvent, LoadState, TenderOffer, TenderState
from logistics.type.v1 import Money
from services.orchestrator.deciders.load.state import State

AWAITING = frozenset({TenderState.TENDER_STATE_DRAFT, TenderState.TENDER_STATE_SENT})
"""States of offers that the carrier may still answer."""

WAITING = frozenset(
    {
        TenderState.TENDER_STATE_COUNTERED,
        TenderState.TENDER_STATE_CONDITIONALLY_ACCEPTED,
        TenderState.TENDER_STATE_BID,
    }
)
"""States of offers whose answer waits for a decision of ours."""

OPEN = AWAITING | WAITING
"""States of offers that may still lead to the carrier having the load."""

BEFORE_ACCEPTANCE = frozenset(
    {
        LoadState.LOAD_STATE_TENDERED,
        LoadState.LOAD_STATE_TENDER_DECLINED,
        LoadState.LOAD_STATE_TENDER_EXPIRED,
        LoadState.LOAD_STATE_COUNTERED,
    }
)
"""States of loads that were offered and that nobody has."""


def accepted_offer(load: Load) -> TenderOffer | None:
    """Return the offer by which a carrier has the load, None where none has."""
    return next((each for each in load.tenders if each.state == TenderState.TENDER_STATE_ACCEPTED), None)


def answer_key(answer: CarrierAnswer.ValueType, rate: Money, conditions: str) -> str:
    """Return what tells one answer to an offer from another."""
    return f"{CarrierAnswer.Name(answer)}/{rate.currency}/{rate.units}/{rate.nanos}/{conditions}"


def refused_key(tender_id: str, key: str) -> str:
    """Return what tells an answer that did not count from another."""
    return f"{tender_id}/{key}"


def tendered(state: State, load: Load, event: LoadEvent) -> State:
    """Add the offers."""
    body = event.tendered
    load.tenders.extend(body.offers)
    load.own_fleet_chosen = False
    _settle(load, LoadState.LOAD_STATE_TENDERED)
    if not body.offers:  # recorded before offers were kept
        load.carrier_scac = body.carrier_scac
    return state


def sent(state: State, load: Load, event: LoadEvent) -> State:
    """Let the carrier have the offer."""
    for found in _named(load, [event.tender_sent.tender_id]):
        found.state = TenderState.TENDER_STATE_SENT
        found.send_time.CopyFrom(event.occur_time)
        found.carrier_reference = event.tender_sent.tender_reference or found.carrier_reference
    return state


def undelivered(state: State, load: Load, event: LoadEvent) -> State:
    """End an offer that never reached its carrier."""
    body = event.tender_undelivered
    _end(load, [body.tender_id], TenderState.TENDER_STATE_DELIVERY_FAILED, body.reason)
    _settle(load, LoadState.LOAD_STATE_TENDER_EXPIRED)
    return state


def bid(state: State, load: Load, event: LoadEvent) -> State:
    """Let an acceptance stand until the others have answered."""
    body = event.tender_bid
    for found in _named(load, [body.tender_id]):
        _answered(found, TenderState.TENDER_STATE_BID, event.occur_time)
        found.ClearField("counter_rate")
        found.ClearField("conditions")
        _crew(found, body.carrier_reference, body.vehicle_id, body.driver_ids)
    _settle(load, LoadState.LOAD_STATE_COUNTERED)
    return _with_answer(state, body.tender_id, answer_key(CarrierAnswer.CARRIER_ANSWER_ACCEPTED, Money(), ""))


def countered(state: State, load: Load, event: LoadEvent) -> State:
    """Let an answer wait for a decision."""
    body = event.tender_countered
    conditional = TenderState.TENDER_STATE_CONDITIONALLY_ACCEPTED
    for found in _named(load, [body.tender_id]):
        _answered(found, conditional if body.conditional else TenderState.TENDER_STATE_COUNTERED, event.occur_time)
        found.ClearField("counter_rate")
        if body.HasField("counter_rate"):
            found.counter_rate.CopyFrom(body.counter_rate)
        found.conditions = body.terms
        _crew(found, body.carrier_reference, body.vehicle_id, body.driver_ids)
    _settle(load, LoadState.LOAD_STATE_COUNTERED)
    kind = CarrierAnswer.CARRIER_ANSWER_CONDITIONAL if body.conditional else CarrierAnswer.CARRIER_ANSWER_COUNTERED
    return _with_answer(state, body.tender_id, answer_key(kind, body.counter_rate, body.terms))


def declined(state: State, load: Load, event: LoadEvent) -> State:
    """End an offer by the carrier's no, or by its giving the load back."""
    body = event.tender_declined
    for found in _named(load, [body.tender_id]):
        _answered(found, TenderState.TENDER_STATE_DECLINED, event.occur_time)
        found.reason = body.reason
    _settle(load, LoadState.LOAD_STATE_TENDER_DECLINED)
    # A decline is told from another by nothing: its reason may be worded differently each time.
    return _with_answer(state, body.tender_id, answer_key(CarrierAnswer.CARRIER_ANSWER_DECLINED, Money(), ""))


def expired(state: State, load: Load, event: LoadEvent) -> State:
    """End offers whose time is up."""
    _end(load, event.tender_expired.tender_ids, TenderState.TENDER_STATE_EXPIRED, "no answer came in time")
    _settle(load, LoadState.LOAD_STATE_TENDER_EXPIRED)
    return state


def accepted(state: State, load: Load, event: LoadEvent) -> State:
    """Give the load to a carrier; every other offer that was open ends in the same moment."""
    body = event.tender_accepted
    for found in _named(load, [body.tender_id]):
        by_carrier = found.state in AWAITING or not body.note
        found.state = TenderState.TENDER_STATE_ACCEPTED
        if by_carrier:
            found.answer_time.CopyFrom(event.occur_time)
        if body.HasField("agreed_rate"):
            found.agreed_rate.CopyFrom(body.agreed_rate)
        _crew(found, body.carrier_reference, body.vehicle_id, body.driver_ids)
    _end(load, body.withdrawn_tender_ids, TenderState.TENDER_STATE_WITHDRAWN, "another carrier has the load")
    load.state = LoadState.LOAD_STATE_ACCEPTED
    load.carrier_scac = body.carrier_scac or load.carrier_scac
    if body.note:
        return state
    return _with_answer(state, body.tender_id, answer_key(CarrierAnswer.CARRIER_ANSWER_ACCEPTED, Money(), ""))


def withdrawn(state: State, load: Load, event: LoadEvent) -> State:
    """End offers that were taken back."""
    body = event.tender_withdrawn
    _end(load, body.tender_ids, TenderState.TENDER_STATE_WITHDRAWN, body.reason)
    if body.own_fleet:
        load.own_fleet_chosen = True
    load.ClearField("carrier_scac")
    _settle(load, LoadState.LOAD_STATE_PLANNED)
    return state


def answer_refused(state: State, _load: Load, event: LoadEvent) -> State:
    """Remember an answer that came too late."""
    body = event.tender_answer_refused
    key = answer_key(body.answer, body.counter_rate, body.conditions)
    return replace(state, refused_answers=state.refused_answers | {refused_key(body.tender_id, key)})


def superseded(load: Load) -> None:
    """End the open offers of a plan that no longer holds; the load waits to be offered anew."""
    if load.state in BEFORE_ACCEPTANCE:
        _end(load, _open_ids(load), TenderState.TENDER_STATE_SUPERSEDED, "the load has a new plan")
        load.ClearField("carrier_scac")
        load.state = LoadState.LOAD_STATE_PLANNED


def given_up(load: Load) -> None:
    """Take back every open offer of a load that ends."""
    _end(load, _open_ids(load), TenderState.TENDER_STATE_WITHDRAWN, "the load is cancelled")


def _settle(load: Load, ended: LoadState.ValueType) -> None:
    """Let the offers say where the load stands; `ended` is where it stands when none of them is open."""
    states = {each.state for each in load.tenders}
    if TenderState.TENDER_STATE_ACCEPTED in states:
        load.state = LoadState.LOAD_STATE_ACCEPTED
    elif states & AWAITING:
        load.state = LoadState.LOAD_STATE_TENDERED
    elif states & WAITING:
        load.state = LoadState.LOAD_STATE_COUNTERED
    else:
        load.state = ended
    if load.tenders:
        carriers = {each.carrier_scac for each in load.tenders if each.state in OPEN}
        winner = accepted_offer(load)
        alone = next(iter(carriers)) if len(carriers) == 1 else ""
        load.carrier_scac = winner.carrier_scac if winner is not None else alone


def _end(load: Load, tender_ids: Collection[str], state: TenderState.ValueType, reason: str) -> None:
    for found in _named(load, tender_ids):
        found.state = state
        found.reason = reason


def _named(load: Load, tender_ids: Collection[str]) -> list[TenderOffer]:
    return [each for each in load.tenders if each.tender_id in tender_ids]


def _open_ids(load: Load) -> list[str]:
    return [each.tender_id for each in load.tenders if each.state in OPEN]


def _answered(found: TenderOffer, state: TenderState.ValueType, at: Timestamp) -> None:
    found.state = state
    found.answer_time.CopyFrom(at)


def _crew(found: TenderOffer, reference: str, vehicle_id: str, driver_ids: Collection[str]) -> None:
    """Take over what the answer names; what it leaves out stays as it was told before."""
    found.carrier_reference = reference or found.carrier_reference
    found.vehicle_id = vehicle_id or found.vehicle_id
    if driver_ids:
        del found.driver_ids[:]
        found.driver_ids.extend(driver_ids)


def _with_answer(state: State, tender_id: str, key: str) -> State:
    answers: Mapping[str, str] = {**state.answers, tender_id: key}
    return replace(state, answers=answers) if tender_id else state
