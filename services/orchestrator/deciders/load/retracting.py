"""Taking a fact back: it no longer counts, come or still to come (domain reference 3.7 rule 7)."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import LoadCommand, LoadEvent, LoadState, Stop, StopFactRetracted
from services.orchestrator.deciders.load.evolve import evolve
from services.orchestrator.deciders.load.refolding import time_of
from services.orchestrator.deciders.load.road import ON_THE_ROAD, derive
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused

_TELLING = ON_THE_ROAD | {
    LoadState.LOAD_STATE_INTERRUPTED,
    LoadState.LOAD_STATE_REASSIGNING,
    LoadState.LOAD_STATE_COMPLETED,
    LoadState.LOAD_STATE_CANCEL_REQUESTED,
}


def retract(state: State, command: LoadCommand) -> Message | None:
    """Let facts about a stop no longer count. One that has not come yet will not count when it does.

    Raises Rejected (STOP_NOT_FOUND), and TRANSITION_NOT_ALLOWED where a person must decide: the load has ended on that
    fact and its vehicle was freed, or the fact was that the stop had failed, upon which others have acted.
    """
    load, wish = present(state), command.retract_fact
    stop = next((stop for stop in load.stops if stop.stop_id == wish.stop_id), None)
    if stop is None:
        raise refused(
            ErrorReason.ERROR_REASON_STOP_NOT_FOUND,
            f"load {load.load_id} has no stop {wish.stop_id}; match the retraction anew",
            stop_id=wish.stop_id,
            load_id=load.load_id,
        )
    new = [each for each in wish.evidence_ids if f"{stop.stop_id}/{each}" not in state.voided]
    if not new:
        return None
    if load.state not in _TELLING:
        raise barred(load, "taking a fact back", "only a dispatched load has facts; look at the load's end")
    return taken_back(state, stop, new, wish.reason)


def taken_back(state: State, stop: Stop, evidence_ids: Iterable[str], reason: str) -> Message:
    """Return the event that takes words about a stop back. Raises Rejected where a person must decide."""
    body = StopFactRetracted(stop_id=stop.stop_id, evidence_ids=evidence_ids, reason=reason)
    _check_undoable(state, stop, body)
    return body


def _check_undoable(state: State, stop: Stop, body: StopFactRetracted) -> None:
    gone = set(body.evidence_ids)
    if any(time_of(word).evidence_id in gone for word in state.heard.get(f"{stop.stop_id}/failure", ())):
        raise _used(stop, "was given up as failed by that word", "plan another attempt, or have the goods delivered")
    load = present(state)
    if load.state != LoadState.LOAD_STATE_COMPLETED:
        return
    after = evolve(state, LoadEvent(stop_fact_retracted=body)).load
    if after is not None and derive(after) != LoadState.LOAD_STATE_COMPLETED:
        raise _used(
            stop, "ended its load, and the vehicle was freed", "find out where the goods are and plan another load"
        )


def _used(stop: Stop, how: str, remedy: str) -> Exception:
    return refused(
        ErrorReason.ERROR_REASON_TRANSITION_NOT_ALLOWED,
        f"stop {stop.stop_id} {how}; {remedy}",
        stop_id=stop.stop_id,
        remedy=remedy,
    )
