"""Facts from the road, matched by stop and by the assignment in force when they happened (domain reference 3.7).

They may come late, twice and in any order. A late fact fills a gap or corrects a time; it never moves a stop back.
"""

from __future__ import annotations

from typing import Literal, Protocol

from google.protobuf.message import Message

from gladhand.decider import Rejected
from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    EpochFact,
    Load,
    LoadCancelReversed,
    LoadCommand,
    LoadEvent,
    LoadLateFactRecorded,
    LoadState,
    Stop,
    StopApproached,
    StopArrived,
    StopDeparted,
    StopFactNoted,
    StopFailed,
    StopKind,
    StopServiceBegan,
    StopSkipped,
    StopState,
    StopTime,
)
from logistics.type.v1 import Classifier
from services.orchestrator.deciders.load.refolding import standing, time_of
from services.orchestrator.deciders.load.retracting import taken_back
from services.orchestrator.deciders.load.road import ENDED, ON_THE_ROAD, better, derive, epoch_at
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import no_way, refused, violated

Slot = Literal["arrival", "service_start", "completion", "departure"]

_TELLING = ON_THE_ROAD | {
    LoadState.LOAD_STATE_INTERRUPTED,
    LoadState.LOAD_STATE_REASSIGNING,
    LoadState.LOAD_STATE_COMPLETED,
    LoadState.LOAD_STATE_CANCEL_REQUESTED,
}
_TRUE = frozenset({Classifier.CLASSIFIER_UNSPECIFIED, Classifier.CLASSIFIER_ACTUAL, Classifier.CLASSIFIER_INFERRED})
_UNDONE = frozenset(
    {
        StopState.STOP_STATE_PLANNED,
        StopState.STOP_STATE_EN_ROUTE,
        StopState.STOP_STATE_ARRIVED,
        StopState.STOP_STATE_SERVICING,
    }
)
_SKIPPABLE = _UNDONE - {StopState.STOP_STATE_SERVICING}
_REVERSIBLE = frozenset(
    {LoadState.LOAD_STATE_DISPATCHED, LoadState.LOAD_STATE_AT_PICKUP, LoadState.LOAD_STATE_IN_TRANSIT}
)


class Told(Protocol):
    """What every command about a stop says."""

    @property
    def stop_id(self) -> str:
        """The stop."""
        ...

    @property
    def time(self) -> StopTime:
        """When, and how it is known."""
        ...


def approach(state: State, command: LoadCommand) -> Message | None:
    """Record that the vehicle set out for a stop; told late, it is nothing new."""
    wish = command.approach_stop
    load, stop, epoch = matched(state, wish, wish.epoch)
    if stop.state != StopState.STOP_STATE_PLANNED or void(state, stop, wish.time):
        return None
    if of_another_epoch(load, stop, epoch):
        return late_fact(state, stop, "approach", wish.time, epoch)
    if load.state not in ON_THE_ROAD and load.state != LoadState.LOAD_STATE_CANCEL_REQUESTED:
        raise barred(load, "setting out for a stop", "let the load go on first")
    return fact(wish.time, stop_approached=StopApproached(stop_id=stop.stop_id, time=wish.time, epoch=epoch))


def arrive(state: State, command: LoadCommand) -> Message | None:
    """Record an arrival, or correct its time."""
    wish = command.arrive_stop
    load, stop, epoch = matched(state, wish, wish.epoch)
    if of_another_epoch(load, stop, epoch):
        return late_fact(state, stop, "arrival", wish.time, epoch)
    body = StopArrived(stop_id=stop.stop_id, time=wish.time, epoch=epoch)
    if not news(state, stop, "arrival", wish.time):
        return noted(state, stop, "arrival", wish.time, StopFactNoted(arrived=body))
    return fact(wish.time, corrects=known_by(state, stop, "arrival"), stop_arrived=body)


def begin_service(state: State, command: LoadCommand) -> Message | None:
    """Record that loading or unloading began, or correct its time."""
    wish = command.begin_service
    load, stop, epoch = matched(state, wish, wish.epoch)
    if of_another_epoch(load, stop, epoch):
        return late_fact(state, stop, "service_start", wish.time, epoch)
    body = StopServiceBegan(stop_id=stop.stop_id, time=wish.time, epoch=epoch)
    if not news(state, stop, "service_start", wish.time):
        return noted(state, stop, "service_start", wish.time, StopFactNoted(service_began=body))
    return fact(wish.time, corrects=known_by(state, stop, "service_start"), stop_service_began=body)


def depart(state: State, command: LoadCommand) -> Message | None:
    """Record a departure, or correct its time; what nobody told before it is inferred from it."""
    wish = command.depart_stop
    load, stop, epoch = matched(state, wish, wish.epoch)
    # Whoever leaves a pickup has loaded; whoever leaves a delivery without a proof may have brought the goods along.
    loaded = stop.kind == StopKind.STOP_KIND_PICKUP and not stop.served_epoch
    if of_another_epoch(load, stop, epoch) and not loaded:
        return late_fact(state, stop, "departure", wish.time, epoch)
    if not news(state, stop, "departure", wish.time):
        told_as = StopDeparted(stop_id=stop.stop_id, time=wish.time, epoch=epoch)
        return noted(state, stop, "departure", wish.time, StopFactNoted(departed=told_as))
    if load.state == LoadState.LOAD_STATE_CANCEL_REQUESTED:
        return too_late(state, load, stop, "the vehicle had left")
    worked = stop.state not in ENDED or stop.state == StopState.STOP_STATE_DEPARTED
    body = StopDeparted(
        stop_id=stop.stop_id,
        time=wish.time,
        epoch=epoch,
        completion_inferred=worked and stop.kind == StopKind.STOP_KIND_DELIVERY and not told(state, stop, "completion"),
        arrival_inferred=not told(state, stop, "arrival"),
    )
    return fact(wish.time, corrects=known_by(state, stop, "departure"), stop_departed=body)


def fail(state: State, command: LoadCommand) -> Message | None:
    """Record that a stop was tried in vain."""
    wish = command.fail_stop
    load, stop, epoch = matched(state, wish, 0)
    if stop.state == StopState.STOP_STATE_FAILED or void(state, stop, wish.time):
        return None
    if of_another_epoch(load, stop, epoch):
        return late_fact(state, stop, "failure", wish.time, epoch)
    _check_open(load, stop, _UNDONE, "failing")
    return fact(
        wish.time,
        stop_failed=StopFailed(stop_id=stop.stop_id, time=wish.time, reason=wish.reason[:200], epoch=epoch),
    )


def skip(state: State, command: LoadCommand) -> Message | None:
    """Record that a stop is passed by."""
    wish = command.skip_stop
    load, stop, _ = matched(state, wish, 0)
    if stop.state == StopState.STOP_STATE_SKIPPED:
        return None
    _check_open(load, stop, _SKIPPABLE, "skipping")
    return fact(wish.time, stop_skipped=StopSkipped(stop_id=stop.stop_id, time=wish.time, reason=wish.reason[:200]))


def matched(state: State, wish: Told, claimed: int) -> tuple[Load, Stop, int]:
    """Return load, stop and epoch of a fact.

    Raises Rejected: LOAD_NOT_FOUND, STOP_NOT_FOUND, TRANSITION_NOT_ALLOWED where the load never drove or the stop is
    out of the plan, EPOCH_MISMATCH where the claimed assignment, or any, was not in force at the time.
    """
    load = present(state)
    stop = next((stop for stop in load.stops if stop.stop_id == wish.stop_id), None)
    if stop is None:
        raise refused(
            ErrorReason.ERROR_REASON_STOP_NOT_FOUND,
            f"load {load.load_id} has no stop {wish.stop_id}; match the event anew",
            stop_id=wish.stop_id,
            load_id=load.load_id,
        )
    if load.state not in _TELLING:
        raise barred(load, "recording a fact from the road", "only a dispatched load has facts; look at the load's end")
    if wish.time.classifier not in _TRUE:
        raise violated("time.classifier", "a plan or an estimate is no fact; send it as an estimate")
    if stop.state == StopState.STOP_STATE_CANCELLED:
        raise no_way(
            "stop", StopState, stop.state, "recording a fact", "it was taken out of the plan; let a person see"
        )
    return load, stop, _epoch(load, wish.time, claimed)


def of_another_epoch(load: Load, stop: Stop, epoch: int) -> bool:
    """Return whether a fact is about a stop that another assignment's vehicle served, or will serve."""
    if stop.served_epoch:
        return stop.served_epoch != epoch
    return epoch != load.assignments[-1].epoch


def late_fact(state: State, stop: Stop, name: str, time: StopTime, epoch: int) -> Message | None:
    """Return the event that keeps a fact with its own assignment.

    None where that knows it, or knows better, or where the fact was taken back before it came.
    """
    if void(state, stop, time):
        return None
    assignment = next((each for each in present(state).assignments if each.epoch == epoch), None)
    for known in assignment.facts if assignment is not None else ():
        if (known.stop_id, known.name) == (stop.stop_id, name) and not better(time, known.time):
            return None
    body = LoadLateFactRecorded(fact=EpochFact(stop_id=stop.stop_id, name=name, time=time), epoch=epoch)
    return fact(time, late_fact_recorded=body)


def told(state: State, stop: Stop, slot: Slot) -> bool:
    """Return whether somebody told a time at a stop, rather than us inferring it."""
    return stop.HasField(slot) and f"{stop.stop_id}/{slot}" not in state.derived


def news(state: State, stop: Stop, slot: Slot, time: StopTime) -> bool:
    """Return whether a told time counts from now on: it is new, displaces the known one, or puts it right."""
    if known(state, stop, slot, time) or void(state, stop, time):
        return False
    if not told(state, stop, slot):
        return True
    if not time.corrects_evidence_id:
        return better(time, getattr(stop, slot))
    left = _remaining(state, stop, slot, time)
    return not left or better(time, time_of(left[-1]))


def known(state: State, stop: Stop, slot: str, time: StopTime) -> bool:
    """Return whether a word tells nothing that is not known: it came before, or was taken back before it came.

    One that was taken back and puts another one right is heard all the same: that one stays put away.
    """
    if not time.evidence_id:
        return False
    if void(state, stop, time):
        other = time.corrects_evidence_id
        return not other or f"{stop.stop_id}/{other}" in state.voided
    heard = (time_of(event) for event in state.heard.get(f"{stop.stop_id}/{slot}", ()))
    return any(word.evidence_id == time.evidence_id and word.time == time.time for word in heard)


def void(state: State, stop: Stop, time: StopTime) -> bool:
    """Return whether a word was taken back or put right."""
    return bool(time.evidence_id) and f"{stop.stop_id}/{time.evidence_id}" in state.voided


def noted(state: State, stop: Stop, slot: str, time: StopTime, word: StopFactNoted) -> Message | None:
    """Return the event that keeps a word which does not count now; None for one that came before or names no evidence.

    What names no evidence can neither be taken back nor told from a repetition.
    """
    if not time.evidence_id or known(state, stop, slot, time):
        return None
    if void(state, stop, time):
        # It no longer counts itself, but it says that the one which it puts right is wrong.
        return taken_back(state, stop, [time.corrects_evidence_id], "put right by a word that was taken back")
    word.stop_id = stop.stop_id
    return fact(time, stop_fact_noted=word)


def _remaining(state: State, stop: Stop, slot: str, time: StopTime) -> list[LoadEvent]:
    """Return the words that stand beside the one that a new word puts right."""
    voided = state.voided | {f"{stop.stop_id}/{time.corrects_evidence_id}"}
    return standing(state.heard.get(f"{stop.stop_id}/{slot}", ()), voided, stop.stop_id)


def known_by(state: State, stop: Stop, slot: Slot) -> str:
    """Return the event that told the time which a new one puts right; empty where nobody had told."""
    return state.fact_event_ids.get(f"{stop.stop_id}/{slot}", "") if told(state, stop, slot) else ""


def fact(time: StopTime, *, corrects: str = "", **body: Message) -> LoadEvent:
    """Return the event of a fact: it happened when the fact says so."""
    event = LoadEvent(
        occur_time=time.time,
        classifier=time.classifier or Classifier.CLASSIFIER_ACTUAL,
        corrects_event_id=corrects,
    )
    for name, content in body.items():
        getattr(event, name).CopyFrom(content)
    return event


def too_late(state: State, load: Load, stop: Stop, what: str) -> Message:
    """Return the reversal of a cancelling that the road has overtaken; the fact itself must be told again."""
    if stop.state not in _UNDONE:
        raise _closed(load, stop, "recording a fact")
    if state.interrupted_by is not None:
        # The goods are on a vehicle that cannot go on, or whose dispatch has ended.
        return LoadCancelReversed(state=LoadState.LOAD_STATE_INTERRUPTED, reason=f"{what} stop {stop.stop_id} before")
    derived = derive(load)
    back = derived if derived in _REVERSIBLE else LoadState.LOAD_STATE_IN_TRANSIT
    return LoadCancelReversed(state=back, reason=f"{what} stop {stop.stop_id} before")


def _check_open(load: Load, stop: Stop, from_states: frozenset[StopState.ValueType], wish: str) -> None:
    if load.state not in ON_THE_ROAD:
        raise barred(load, f"{wish} a stop", "only a load on the road can give a stop up")
    if stop.state not in from_states:
        raise _closed(load, stop, wish)


def _closed(load: Load, stop: Stop, wish: str) -> Rejected:
    return no_way("stop", StopState, stop.state, wish, f"a person must look at load {load.load_id}: facts contradict")


def _epoch(load: Load, time: StopTime, claimed: int) -> int:
    in_force = epoch_at(load, time.time)
    if not in_force or claimed not in {0, in_force}:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"assignment {claimed or 'of any epoch'} of load {load.load_id} was not in force at "
            f"{time.time.ToJsonString()}; match the event anew",
            epoch=str(claimed),
            in_force=str(in_force),
        )
    return in_force
