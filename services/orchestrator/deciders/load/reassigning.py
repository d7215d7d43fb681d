"""Another vehicle takes over: asked for, assigned, dispatched, or not (domain reference 3.2, breakdown).

At most one assignment is live: a new one begins where the old one ends, and the old vehicle cannot go on once the new
one was begun, whether or not it was dispatched.
"""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    Assignment,
    Load,
    LoadCommand,
    LoadReassigned,
    LoadReassignmentFailed,
    LoadReassignmentRequested,
    LoadRedispatched,
    LoadState,
    Reassignment,
)
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated


def request(state: State, command: LoadCommand) -> Message | None:
    """Write down that another vehicle is to take over, before the fleet system is asked.

    Raises Rejected: TRANSITION_NOT_ALLOWED, EPOCH_MISMATCH, CONTRACT_VIOLATION where nobody new is named.
    """
    load, wish = present(state), command.request_reassignment.reassignment
    if load.HasField("reassignment") and load.reassignment == wish:
        return None
    if load.HasField("reassignment"):
        raise barred(load, "reassigning", "another reassignment is under way; see what comes of it")
    if load.state != LoadState.LOAD_STATE_INTERRUPTED:
        raise barred(load, "reassigning", "only an interrupted load changes vehicles; report what happened first")
    last = load.assignments[-1]
    if wish.expected_epoch != last.epoch:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"assignment {last.epoch} of load {load.load_id} is in force, not {wish.expected_epoch}; read it again",
            epoch=str(wish.expected_epoch),
            in_force=str(last.epoch),
        )
    if not wish.vehicle_id and not wish.driver_id:
        raise violated("reassignment.vehicle_id", "name the vehicle or the driver that takes over")
    if state.custodian == last.epoch and named_by(wish, last):
        raise violated(
            "reassignment.vehicle_id", "the load has this vehicle and driver already; resume it, or name another one"
        )
    return LoadReassignmentRequested(reassignment=wish)


def reassign(state: State, command: LoadCommand) -> Message | None:
    """Record the assignment that the fleet system began; the one that was never dispatched may be taken up again."""
    load, wish = present(state), command.reassign.assignment
    last = load.assignments[-1] if load.assignments else Assignment()
    if load.state == LoadState.LOAD_STATE_REASSIGNING and last.epoch == wish.epoch and _crew(last) == _crew(wish):
        return None
    if load.state != LoadState.LOAD_STATE_INTERRUPTED or not load.HasField("reassignment"):
        raise barred(load, "reassigning", "ask for the reassignment first")
    again = wish.epoch == last.epoch and state.dispatched_epoch != last.epoch and _crew(last) == _crew(wish)
    if not again and wish.epoch != last.epoch + 1:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"the next assignment of load {load.load_id} is {last.epoch + 1}, not {wish.epoch}; look at the fleet",
            epoch=str(wish.epoch),
            in_force=str(last.epoch),
        )
    if wish.start_time.ToNanoseconds() < last.start_time.ToNanoseconds():
        raise violated("assignment.start_time", "an assignment cannot begin before the one that it replaces")
    event = LoadReassigned(assignment=wish)
    event.assignment.ClearField("end_time")
    if load.reassignment.HasField("hand_over"):
        event.hand_over.CopyFrom(load.reassignment.hand_over)
    return event


def redispatch(state: State, load: Load, reference: str) -> Message | None:
    """Record the dispatch of the vehicle that takes over; `planning.dispatch` has checked the epoch and the holds."""
    last = load.assignments[-1]
    if state.dispatched_epoch == last.epoch:
        return None
    return LoadRedispatched(dispatch_reference=reference, epoch=last.epoch, plan_version=load.plan_version)


def fail(state: State, command: LoadCommand) -> Message | None:
    """Record that the vehicle that was to take over does not; the load waits again, and its old vehicle stays out."""
    load = present(state)
    waiting = load.state == LoadState.LOAD_STATE_INTERRUPTED
    if waiting and not load.HasField("reassignment"):
        return None
    if not waiting and load.state != LoadState.LOAD_STATE_REASSIGNING:
        raise barred(load, "giving the reassignment up", "no reassignment is under way")
    return LoadReassignmentFailed(reason=command.fail_reassignment.reason, epoch=load.assignments[-1].epoch)


def named_by(wish: Reassignment, assignment: Assignment) -> bool:
    """Return whether an assignment is what a reassignment asks for; an empty id asks for nothing."""
    return wish.vehicle_id in {"", assignment.vehicle_id} and wish.driver_id in {"", *assignment.driver_ids}


def moves_nothing(load: Load) -> bool:
    """Return whether the goods stay on the vehicle that takes over, since only the driver changes."""
    had = load.custody[-1].to_epoch if load.custody else 0
    before = [a for a in load.assignments[:-1] if (a.epoch == had if had else bool(a.dispatch_reference))]
    return bool(before) and before[-1].vehicle_id == load.assignments[-1].vehicle_id


def _crew(assignment: Assignment) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return assignment.vehicle_id, tuple(assignment.driver_ids), tuple(assignment.trailer_ids)
