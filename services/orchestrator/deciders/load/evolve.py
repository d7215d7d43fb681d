"""What each event makes of a load. Nothing is refused here: the past already happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from logistics.exception.v1 import Gate
from logistics.load.v1 import (
    Load,
    LoadEvent,
    LoadState,
    Stop,
    StopKind,
    StopOutcome,
    StopState,
    StopTime,
)
from logistics.type.v1 import Classifier
from services.orchestrator.deciders.load import epochs, offers
from services.orchestrator.deciders.load.refolding import fact_in, refolded, served_by, standing, time_of, with_word
from services.orchestrator.deciders.load.road import ENDED, ON_THE_ROAD, after_fact, derive
from services.orchestrator.deciders.load.state import State

_COMING = frozenset({StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_EN_ROUTE})
_CLOSED = frozenset(
    {LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED, LoadState.LOAD_STATE_CANCEL_REQUESTED}
)
_UNDONE = _COMING | {StopState.STOP_STATE_ARRIVED, StopState.STOP_STATE_SERVICING}


def evolve(state: State, event: LoadEvent) -> State:
    """Return the state after an event; one that this version does not know changes the version alone."""
    load = Load()
    if state.load is not None:
        load.CopyFrom(state.load)
    name = event.WhichOneof("body") or ""
    after = _fact(state, load, event) if name in _STOP_FACTS else _AFTER.get(name, _same)(state, load, event)
    target = _TARGETS.get(name)
    if target is not None:
        load.state = target
    if load.state in _CLOSED:
        load.ClearField("proposal")
        load.ClearField("reassignment")
    load.version = event.version
    load.update_time.CopyFrom(event.record_time)
    return replace(after, load=load)


def _fact(state: State, load: Load, event: LoadEvent) -> State:
    name = event.WhichOneof("body") or ""
    stop_id: str = getattr(event, name).stop_id
    stop = next((stop for stop in load.stops if stop.stop_id == stop_id), None)
    if stop is None:
        return state
    slot, apply = _STOP_FACTS[name]
    derived = apply(state.derived, stop, event)
    after = _heard(replace(state, derived=derived), load, stop, slot or _UNTIMED.get(name, ""), event)
    known = {**state.fact_event_ids, f"{stop_id}/{slot}": event.event_id} if slot else state.fact_event_ids
    derived = epochs.note(load, stop, event, after.derived)
    load.state = after_fact(load, name) if epochs.moves(load, event) else epochs.stays(load)
    return replace(after, derived=derived, fact_event_ids=known)


def _heard(state: State, load: Load, stop: Stop, slot: str, fact: LoadEvent) -> State:
    """Keep a word about a stop; where it puts another one right, that one no longer counts."""
    if not slot:
        return state
    after = replace(state, heard=with_word(state.heard, f"{stop.stop_id}/{slot}", fact))
    corrected = time_of(fact).corrects_evidence_id
    return _voided(after, load, stop, [corrected]) if corrected else after


def _voided(state: State, load: Load, stop: Stop, evidence_ids: Iterable[str]) -> State:
    """Let words about a stop no longer count, and fold it over those that remain."""
    voided = state.voided | {f"{stop.stop_id}/{evidence_id}" for evidence_id in evidence_ids}
    served = served_by(stop, state.heard, voided)
    counted = served or (load.assignments[-1].epoch if load.assignments else 0)
    derived = refolded(stop, state.heard, voided, state.derived, _STOP_FACTS, counted)
    derived = epochs.settle(load, stop, served, derived)
    return replace(state, voided=voided, derived=derived, fact_event_ids=_telling(state, stop, voided))


def _telling(state: State, stop: Stop, voided: frozenset[str]) -> dict[str, str]:
    """Return the event behind each time, with those of a stop that was folded anew."""
    known = {name: event_id for name, event_id in state.fact_event_ids.items() if not name.startswith(stop.stop_id)}
    for slot in ("arrival", "service_start", "completion", "departure"):
        words = standing(state.heard.get(f"{stop.stop_id}/{slot}", ()), voided, stop.stop_id)
        if words:
            known[f"{stop.stop_id}/{slot}"] = words[-1].event_id
    return known


def _noted(state: State, load: Load, event: LoadEvent) -> State:
    fact = fact_in(event)
    stop = next((stop for stop in load.stops if stop.stop_id == event.stop_fact_noted.stop_id), None)
    name = fact.WhichOneof("body")
    return state if stop is None or name is None else _heard(state, load, stop, _STOP_FACTS[name][0], fact)


def _retracted(state: State, load: Load, event: LoadEvent) -> State:
    gone = event.stop_fact_retracted
    stop = next((stop for stop in load.stops if stop.stop_id == gone.stop_id), None)
    if stop is None:
        return state
    epochs.forget(load, stop.stop_id, gone.evidence_ids)
    after = _voided(state, load, stop, gone.evidence_ids)
    if load.state in ON_THE_ROAD:
        load.state = derive(load)
    return after


def _approached(derived: frozenset[str], stop: Stop, _event: LoadEvent) -> frozenset[str]:
    if stop.state == StopState.STOP_STATE_PLANNED:
        stop.state = StopState.STOP_STATE_EN_ROUTE
    return derived


def _arrived(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    stop.arrival.CopyFrom(event.stop_arrived.time)
    if stop.state in _COMING:
        stop.state = StopState.STOP_STATE_ARRIVED
    return derived - {f"{stop.stop_id}/arrival"}


def _service_began(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    stop.service_start.CopyFrom(event.stop_service_began.time)
    if stop.state in _UNDONE:
        stop.state = StopState.STOP_STATE_SERVICING
    return derived


def _completed(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    done = event.stop_completed
    stop.completion.CopyFrom(done.time)
    stop.outcome = done.outcome
    stop.reason = done.reason[:100]
    del stop.tasks[:]
    stop.tasks.extend(done.tasks)
    if done.pod_id:
        others = [pod_id for pod_id in stop.pod_ids if pod_id != done.pod_id]
        del stop.pod_ids[:]
        stop.pod_ids.extend([*others, done.pod_id])
    if stop.state in _UNDONE:
        stop.state = StopState.STOP_STATE_COMPLETED
    return derived - {f"{stop.stop_id}/completion"}


def _departed(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    """Set the departure, and infer from it what nobody told: the arrival, and that a pickup went as expected."""
    time = event.stop_departed.time
    stop.departure.CopyFrom(time)
    arrival, completion = f"{stop.stop_id}/arrival", f"{stop.stop_id}/completion"
    if not stop.HasField("arrival") or arrival in derived:
        stop.arrival.CopyFrom(_inferred(time))
        derived |= {arrival}
    worked = stop.state not in ENDED or stop.state == StopState.STOP_STATE_DEPARTED
    if worked and (not stop.HasField("completion") or completion in derived):
        stop.completion.CopyFrom(_inferred(time))
        derived |= {completion}
        if stop.kind == StopKind.STOP_KIND_PICKUP:
            stop.outcome = StopOutcome.STOP_OUTCOME_SUCCEEDED
            for task in stop.tasks:
                task.actual.CopyFrom(task.expected)
    if stop.state not in ENDED:
        stop.state = StopState.STOP_STATE_DEPARTED
    return derived


def _inferred(evidence: StopTime) -> StopTime:
    return StopTime(
        time=evidence.time,
        classifier=Classifier.CLASSIFIER_INFERRED,
        source="inferred",
        evidence_id=evidence.evidence_id,
    )


def _failed(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    stop.state = StopState.STOP_STATE_FAILED
    stop.outcome = StopOutcome.STOP_OUTCOME_FAILED
    stop.reason = event.stop_failed.reason[:100]
    return derived


def _skipped(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    stop.state = StopState.STOP_STATE_SKIPPED
    stop.outcome = StopOutcome.STOP_OUTCOME_SKIPPED
    stop.reason = event.stop_skipped.reason[:100]
    return derived


def _taken_out(derived: frozenset[str], stop: Stop, event: LoadEvent) -> frozenset[str]:
    stop.state = StopState.STOP_STATE_CANCELLED
    stop.outcome = StopOutcome.STOP_OUTCOME_CANCELLED
    stop.reason = event.stop_cancelled.reason[:100]
    return derived


def _drafted(state: State, load: Load, event: LoadEvent) -> State:
    load.CopyFrom(event.drafted.load)
    load.load_id = event.load_id or load.load_id
    load.create_time.CopyFrom(event.record_time)
    return state


def _planned(state: State, load: Load, event: LoadEvent) -> State:
    load.CopyFrom(event.planned.load)
    load.load_id = event.load_id or load.load_id
    load.create_time.CopyFrom(event.record_time)
    return replace(state, planned=event.planned.load)


def _replanned(state: State, load: Load, event: LoadEvent) -> State:
    new = event.replanned
    load.plan_version = new.plan_version
    load.ClearField("proposal")
    del load.stops[:]
    load.stops.extend(new.stops)
    if new.HasField("figures"):
        load.figures.CopyFrom(new.figures)
    offers.superseded(load)
    # Orders that rode stay named: the tasks tell which ride now.
    known = set(load.order_ids)
    load.order_ids.extend(
        dict.fromkeys(task.order_id for stop in new.stops for task in stop.tasks if task.order_id not in known)
    )
    return state


def _assigned(state: State, load: Load, event: LoadEvent) -> State:
    epochs.take_over(load, event.assigned.assignment)
    return state


def _unassigned(state: State, load: Load, event: LoadEvent) -> State:
    if load.assignments and not load.assignments[-1].HasField("end_time"):
        load.assignments[-1].end_time.CopyFrom(event.occur_time)
    # A carrier that has the load keeps it: it sends another vehicle.
    carried = offers.accepted_offer(load) is not None
    load.state = LoadState.LOAD_STATE_ACCEPTED if carried else LoadState.LOAD_STATE_PLANNED
    return state


def _dispatched(state: State, load: Load, event: LoadEvent) -> State:
    sent = event.dispatched
    load.dispatch_reference = sent.dispatch_reference
    for assignment in load.assignments:
        if assignment.epoch == sent.epoch:
            assignment.dispatch_reference = sent.dispatch_reference
    return replace(state, dispatched_epoch=sent.epoch, custodian=sent.epoch)


def _resumed(state: State, load: Load, event: LoadEvent) -> State:
    load.state = event.resumed.state
    return replace(state, interrupted_by=None)


def _interrupted(state: State, _load: Load, event: LoadEvent) -> State:
    exception_id = event.interrupted.exception_id
    told = dict.fromkeys([*state.interruptions, exception_id] if exception_id else state.interruptions)
    return replace(state, interrupted_by=exception_id, interruptions=tuple(told))


def _cancelled(state: State, load: Load, _event: LoadEvent) -> State:
    for stop in load.stops:
        if stop.state in _UNDONE:
            stop.state = StopState.STOP_STATE_CANCELLED
            stop.outcome = StopOutcome.STOP_OUTCOME_CANCELLED
    offers.given_up(load)
    return state


def _cancel_reversed(state: State, load: Load, event: LoadEvent) -> State:
    load.state = event.cancel_reversed.state
    return state


def _eta_changed(state: State, load: Load, event: LoadEvent) -> State:
    for stop in load.stops:
        if stop.stop_id == event.eta_changed.stop_id:
            stop.estimated_arrival_time.CopyFrom(event.eta_changed.estimated_arrival_time)
            made = event.eta_changed
            stop.estimate_time.CopyFrom(made.estimate_time if made.HasField("estimate_time") else event.record_time)
    return state


def _hold_applied(state: State, load: Load, event: LoadEvent) -> State:
    applied = event.hold_applied
    return _with_holds(state, load, {**state.holds, applied.hold_id: frozenset(applied.gates)})


def _hold_lifted(state: State, load: Load, event: LoadEvent) -> State:
    gone = event.hold_lifted.hold_id
    return _with_holds(state, load, {hold_id: gates for hold_id, gates in state.holds.items() if hold_id != gone})


def _with_holds(state: State, load: Load, holds: Mapping[str, frozenset[Gate.ValueType]]) -> State:
    del load.hold_ids[:]
    load.hold_ids.extend(sorted(holds))
    return replace(state, holds=holds)


def _appointment_set(state: State, load: Load, event: LoadEvent) -> State:
    told = event.appointment_set
    for stop in load.stops:
        if stop.stop_id == told.stop_id:
            stop.appointment.CopyFrom(told.appointment)
    return state


def _same(state: State, _load: Load, _event: LoadEvent) -> State:
    return state


_STOP_FACTS: Mapping[str, tuple[str, Callable[[frozenset[str], Stop, LoadEvent], frozenset[str]]]] = {
    "stop_approached": ("", _approached),
    "stop_arrived": ("arrival", _arrived),
    "stop_service_began": ("service_start", _service_began),
    "stop_completed": ("completion", _completed),
    "stop_departed": ("departure", _departed),
    "stop_failed": ("", _failed),
    "stop_skipped": ("", _skipped),
    "stop_cancelled": ("", _taken_out),
}
"""Facts about a stop, each with the time that it tells."""
_UNTIMED = {"stop_approached": "approach", "stop_failed": "failure"}
"""Facts that tell no time of the stop and are kept all the same, by what they tell."""
_TARGETS: Mapping[str, LoadState.ValueType] = {
    "drafted": LoadState.LOAD_STATE_DRAFT,
    "planned": LoadState.LOAD_STATE_PLANNED,
    "assigned": LoadState.LOAD_STATE_ASSIGNED,
    "dispatched": LoadState.LOAD_STATE_DISPATCHED,
    "interrupted": LoadState.LOAD_STATE_INTERRUPTED,
    "reassigned": LoadState.LOAD_STATE_REASSIGNING,
    "reassignment_failed": LoadState.LOAD_STATE_INTERRUPTED,
    "cancel_requested": LoadState.LOAD_STATE_CANCEL_REQUESTED,
    "cancelled": LoadState.LOAD_STATE_CANCELLED,
}
"""Where events lead that lead to one state only."""
_AFTER: Mapping[str, Callable[[State, Load, LoadEvent], State]] = {
    "drafted": _drafted,
    "planned": _planned,
    "replanned": _replanned,
    "tendered": offers.tendered,
    "tender_sent": offers.sent,
    "tender_undelivered": offers.undelivered,
    "tender_bid": offers.bid,
    "tender_accepted": offers.accepted,
    "tender_countered": offers.countered,
    "tender_declined": offers.declined,
    "tender_expired": offers.expired,
    "tender_withdrawn": offers.withdrawn,
    "tender_answer_refused": offers.answer_refused,
    "assigned": _assigned,
    "interrupted": _interrupted,
    "reassignment_requested": epochs.requested,
    "reassigned": epochs.reassigned,
    "redispatched": epochs.redispatched,
    "reassignment_failed": epochs.failed,
    "handed_over": epochs.handed_over,
    "late_fact_recorded": epochs.late,
    "hours_checked": epochs.hours_checked,
    "hours_overridden": epochs.hours_overridden,
    "plan_proposed": epochs.proposed,
    "plan_withdrawn": epochs.withdrawn,
    "unassigned": _unassigned,
    "dispatched": _dispatched,
    "resumed": _resumed,
    "cancelled": _cancelled,
    "cancel_reversed": _cancel_reversed,
    "eta_changed": _eta_changed,
    "hold_applied": _hold_applied,
    "hold_lifted": _hold_lifted,
    "appointment_set": _appointment_set,
    "stop_fact_noted": _noted,
    "stop_fact_retracted": _retracted,
}
