"""What changes of vehicle, driver and proposed plan make of a load, and what the facts of each assignment do (pure).

A fact counts for the assignment that was in force when it happened. One of an assignment that was replaced never moves
the load; it fills in the stop that its own vehicle served, and otherwise stays with its assignment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, cast

from google.protobuf.timestamp_pb2 import Timestamp

from logistics.load.v1 import (
    Assignment,
    EpochFact,
    HoursCheck,
    Load,
    LoadEvent,
    LoadState,
    Stop,
    StopState,
    StopTime,
)
from logistics.type.v1 import Classifier
from services.orchestrator.deciders.load.refolding import epoch_of, with_word
from services.orchestrator.deciders.load.road import ENDED, ON_THE_ROAD, better, derive
from services.orchestrator.deciders.load.state import State

_BEGUN = frozenset({StopState.STOP_STATE_EN_ROUTE, StopState.STOP_STATE_ARRIVED, StopState.STOP_STATE_SERVICING})
_SERVED = frozenset({StopState.STOP_STATE_COMPLETED, StopState.STOP_STATE_DEPARTED})
_Time = Literal["arrival", "service_start", "departure"]
_TIMES = frozenset({"arrival", "service_start", "departure"})
_TOLD_BY = {
    "approach": "stop_approached",
    "arrival": "stop_arrived",
    "service_start": "stop_service_began",
    "departure": "stop_departed",
}
"""The event that tells a fact in time, by the name under which an assignment keeps it."""
_SLOTS: tuple[Literal["arrival", "service_start"], ...] = ("arrival", "service_start")


def moves(load: Load, event: LoadEvent) -> bool:
    """Return whether a fact is of the assignment in force, so that it tells where the load is."""
    epoch = epoch_of(event)
    return not epoch or not load.assignments or epoch == load.assignments[-1].epoch


def stays(load: Load) -> LoadState.ValueType:
    """Return the state of a load after a fact of a replaced assignment: it may end the load, and moves it nowhere."""
    done = bool(load.stops) and all(stop.state in ENDED for stop in load.stops)
    return LoadState.LOAD_STATE_COMPLETED if done and load.state in ON_THE_ROAD else load.state


def note(load: Load, stop: Stop, event: LoadEvent, derived: frozenset[str]) -> frozenset[str]:
    """Note who served a stop, and give it what that assignment's vehicle had told of it; return what is inferred."""
    name, epoch = event.WhichOneof("body") or "", epoch_of(event)
    if name not in {"stop_completed", "stop_departed"} or not epoch:
        return derived
    if stop.state not in _SERVED:
        return derived
    served = epoch if name == "stop_completed" or not stop.served_epoch else stop.served_epoch
    derived = settle(load, stop, served, derived)
    return derived - {f"{stop.stop_id}/departure"} if name == "stop_departed" else derived


def settle(load: Load, stop: Stop, served: int, derived: frozenset[str]) -> frozenset[str]:
    """Let a stop be served by an assignment, with what its vehicle had told; return what is inferred."""
    stop.served_epoch = served if stop.state in _SERVED else 0
    if not stop.served_epoch:
        return derived
    derived = _reclaim(load, stop, derived)
    handed = load.custody and load.custody[-1].to_epoch > stop.served_epoch
    if handed and stop.state == StopState.STOP_STATE_COMPLETED:
        derived = _left(load, stop, derived)
    return derived


def forget(load: Load, stop_id: str, evidence_ids: Iterable[str]) -> None:
    """Take facts about a stop that were taken back from the assignments that kept them."""
    gone = set(evidence_ids)
    for assignment in load.assignments:
        kept = [
            EpochFact.FromString(fact.SerializeToString())
            for fact in assignment.facts
            if fact.stop_id != stop_id or fact.time.evidence_id not in gone
        ]
        del assignment.facts[:]
        assignment.facts.extend(kept)


def take_over(load: Load, assignment: Assignment) -> None:
    """Put an assignment in force; the one before ends when it begins."""
    if load.assignments and not load.assignments[-1].HasField("end_time"):
        load.assignments[-1].end_time.CopyFrom(assignment.start_time)
    load.assignments.append(assignment)


def requested(state: State, load: Load, event: LoadEvent) -> State:
    """Another vehicle is to take over."""
    load.reassignment.CopyFrom(event.reassignment_requested.reassignment)
    return state


def reassigned(state: State, load: Load, event: LoadEvent) -> State:
    """Another assignment is in force: stops that the old vehicle had begun wait for the new one."""
    new = event.reassigned.assignment
    if load.assignments and load.assignments[-1].epoch == new.epoch:
        return state
    old = load.assignments[-1] if load.assignments else None
    take_over(load, new)
    load.ClearField("dispatch_reference")
    derived = state.derived
    for stop in load.stops:
        if stop.state not in _BEGUN:
            continue
        for slot in _SLOTS:
            if old is not None and stop.HasField(slot):
                _keep(old, stop.stop_id, slot, getattr(stop, slot))
                derived -= {f"{stop.stop_id}/{slot}"}
            stop.ClearField(slot)
        stop.ClearField("estimated_arrival_time")
        stop.ClearField("estimate_time")
        stop.state = StopState.STOP_STATE_PLANNED
    gone = {f"{stop.stop_id}/{slot}" for stop in load.stops for slot in _SLOTS if not stop.HasField(slot)}
    known = {slot: event_id for slot, event_id in state.fact_event_ids.items() if slot not in gone}
    return replace(state, derived=derived, fact_event_ids=known)


def redispatched(state: State, load: Load, event: LoadEvent) -> State:
    """The vehicle that takes over is on its way."""
    sent = event.redispatched
    load.dispatch_reference = sent.dispatch_reference
    load.assignments[-1].dispatch_reference = sent.dispatch_reference
    return replace(state, dispatched_epoch=sent.epoch)


def failed(state: State, load: Load, _event: LoadEvent) -> State:
    """The vehicle that was to take over does not."""
    load.ClearField("reassignment")
    return replace(state, interrupted_by=state.interrupted_by or "")


def handed_over(state: State, load: Load, event: LoadEvent) -> State:
    """Custody passed: what the old vehicle served it has left, and the load goes on."""
    handed = event.handed_over
    in_force = load.assignments[-1].epoch if load.assignments else 0
    load.ClearField("reassignment")
    if not handed.HasField("transfer"):
        load.state = LoadState.LOAD_STATE_IN_TRANSIT if handed.loaded else LoadState.LOAD_STATE_DISPATCHED
        return replace(state, custodian=in_force, interrupted_by=None)
    load.custody.append(handed.transfer)
    derived = state.derived
    for stop in load.stops:
        served_before = stop.served_epoch and stop.served_epoch < handed.transfer.to_epoch
        if served_before and stop.state == StopState.STOP_STATE_COMPLETED:
            derived = _left(load, stop, derived)
    load.state = derive(load)
    return replace(state, custodian=handed.transfer.to_epoch, interrupted_by=None, derived=derived)


def late(state: State, load: Load, event: LoadEvent) -> State:
    """A fact of a stop that another assignment's vehicle serves stays with its own assignment."""
    told = event.late_fact_recorded
    for assignment in load.assignments:
        if assignment.epoch == told.epoch:
            _keep(assignment, told.fact.stop_id, told.fact.name, told.fact.time)
    word = _word(event)
    if word is None:
        return state
    return replace(state, heard=with_word(state.heard, f"{told.fact.stop_id}/{told.fact.name}", word))


def hours_checked(state: State, load: Load, event: LoadEvent) -> State:
    """A driver's hours were judged; who answers for the same driver goes on doing so."""
    told = event.hours_checked
    for assignment in load.assignments:
        if assignment.epoch == told.epoch:
            known = HoursCheck()
            known.CopyFrom(assignment.hours)
            assignment.hours.CopyFrom(told.check)
            if known.overridden_by and known.driver_id == told.check.driver_id:
                assignment.hours.overridden_by = known.overridden_by
                assignment.hours.override_scope = known.override_scope
                assignment.hours.override_reason = known.override_reason
    return state


def hours_overridden(state: State, load: Load, event: LoadEvent) -> State:
    """Somebody answers for a driver."""
    told = event.hours_overridden
    for assignment in load.assignments:
        if assignment.epoch == told.epoch:
            assignment.hours.overridden_by = told.overridden_by
            assignment.hours.override_scope = told.scope
            assignment.hours.override_reason = told.reason
    return state


def proposed(state: State, load: Load, event: LoadEvent) -> State:
    """A new plan waits to be acknowledged; the old one stays in force."""
    load.proposal.CopyFrom(event.plan_proposed.proposal)
    return state


def withdrawn(state: State, load: Load, _event: LoadEvent) -> State:
    """The proposed plan came to nothing."""
    load.ClearField("proposal")
    return state


def _word(event: LoadEvent) -> LoadEvent | None:
    """Return a late fact as the event that would have told it in time; None where it is none that stops keep."""
    told = event.late_fact_recorded
    if told.fact.name not in _TOLD_BY:
        return None
    word = LoadEvent(event_id=event.event_id, occur_time=event.occur_time)
    body = getattr(word, _TOLD_BY[told.fact.name])
    body.stop_id, body.epoch = told.fact.stop_id, told.epoch
    body.time.CopyFrom(told.fact.time)
    return word


def _reclaim(load: Load, stop: Stop, derived: frozenset[str]) -> frozenset[str]:
    """Give a stop the times that the vehicle which served it had told, and take them from its assignment."""
    for assignment in load.assignments:
        if assignment.epoch != stop.served_epoch:
            continue
        kept = []
        for fact in assignment.facts:
            slot = f"{stop.stop_id}/{fact.name}"
            if fact.stop_id != stop.stop_id or fact.name not in _TIMES:
                kept.append(fact)
                continue
            name = cast("_Time", fact.name)
            if not stop.HasField(name) or slot in derived or better(fact.time, getattr(stop, name)):
                getattr(stop, name).CopyFrom(fact.time)
                derived -= {slot}
                if name == "departure":
                    stop.state = StopState.STOP_STATE_DEPARTED
        copies = [EpochFact.FromString(fact.SerializeToString()) for fact in kept]
        del assignment.facts[:]
        assignment.facts.extend(copies)
    return derived


def _left(load: Load, stop: Stop, derived: frozenset[str]) -> frozenset[str]:
    """Let a replaced vehicle have left a stop that it served, at the latest when its assignment ended."""
    ended = next((a.end_time for a in load.assignments if a.epoch == stop.served_epoch), Timestamp())
    stop.departure.CopyFrom(
        StopTime(
            time=max(ended, stop.completion.time, key=Timestamp.ToNanoseconds),
            classifier=Classifier.CLASSIFIER_INFERRED,
            source="inferred",
            evidence_id=stop.completion.evidence_id,
        )
    )
    stop.state = StopState.STOP_STATE_DEPARTED
    return derived | {f"{stop.stop_id}/departure"}


def _keep(assignment: Assignment, stop_id: str, name: str, time: StopTime) -> None:
    """Keep a fact with an assignment, in an order that does not depend on when it came."""
    facts = {(fact.stop_id, fact.name): fact.time for fact in assignment.facts}
    known = facts.get((stop_id, name))
    if known is None or better(time, known):
        facts[stop_id, name] = time
    told = [EpochFact(stop_id=key[0], name=key[1], time=facts[key]) for key in sorted(facts)]
    del assignment.facts[:]
    assignment.facts.extend(told)
