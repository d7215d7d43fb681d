"""Interruption, cancelling by phase, and holds."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    Load,
    LoadCancelled,
    LoadCancelRequested,
    LoadCommand,
    LoadHoldApplied,
    LoadHoldLifted,
    LoadInterrupted,
    LoadReassignmentFailed,
    LoadResumed,
    LoadState,
)
from services.orchestrator.deciders.load.road import ON_THE_ROAD, derive, on_board
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated

_AT_ONCE = frozenset(
    {
        LoadState.LOAD_STATE_DRAFT,
        LoadState.LOAD_STATE_PLANNED,
        LoadState.LOAD_STATE_TENDERED,
        LoadState.LOAD_STATE_TENDER_DECLINED,
        LoadState.LOAD_STATE_TENDER_EXPIRED,
        LoadState.LOAD_STATE_COUNTERED,
    }
)
_AGREED = frozenset({LoadState.LOAD_STATE_ACCEPTED, LoadState.LOAD_STATE_ASSIGNED})
_ASKED = frozenset({LoadState.LOAD_STATE_DISPATCHED, LoadState.LOAD_STATE_AT_PICKUP, LoadState.LOAD_STATE_INTERRUPTED})
_OVER = frozenset({LoadState.LOAD_STATE_CANCEL_REQUESTED, LoadState.LOAD_STATE_CANCELLED})


def interrupt(state: State, command: LoadCommand) -> Message | None:
    """Record that the vehicle cannot go on; one that was about to take over then does not."""
    load, wish = present(state), command.interrupt
    if load.state == LoadState.LOAD_STATE_INTERRUPTED:
        return None
    if load.state == LoadState.LOAD_STATE_REASSIGNING:
        return LoadReassignmentFailed(reason=wish.reason, epoch=load.assignments[-1].epoch)
    if load.state not in ON_THE_ROAD:
        raise barred(load, "interrupting", "only a load on the road can be interrupted")
    return LoadInterrupted(reason=wish.reason, exception_id=wish.exception_id)


def resume(state: State, _command: LoadCommand) -> Message | None:
    """Let the same vehicle go on, from where its stops say that it is."""
    load = present(state)
    if load.state in ON_THE_ROAD:
        return None
    if load.state != LoadState.LOAD_STATE_INTERRUPTED:
        raise barred(load, "going on", "only an interrupted load can go on")
    if load.HasField("reassignment"):
        raise barred(load, "going on", "another vehicle is to take over; see what comes of it")
    if state.custodian not in {0, load.assignments[-1].epoch}:
        remedy = (
            "its dispatch ended when another vehicle was assigned; reassign the load, to the old vehicle if need be"
        )
        raise barred(load, "going on", remedy)
    return LoadResumed(state=derive(load))


def cancel(state: State, command: LoadCommand) -> Message | None:
    """Cancel with the consequence of the phase: at once, by asking the road, or not at all."""
    load = present(state)
    return None if load.state in _OVER else given_up(load, command.cancel.reason)


def given_up(load: Load, reason: str) -> Message:
    """Return the event that gives a load up. Raises Rejected (CANCEL_NOT_POSSIBLE) once goods were on board."""
    if load.state in _AT_ONCE or (load.state in _AGREED and not load.carrier_scac):
        return LoadCancelled(reason=reason)
    if load.state in _AGREED or (load.state in _ASKED and not on_board(load)):
        return LoadCancelRequested(reason=reason)
    over = load.state == LoadState.LOAD_STATE_COMPLETED
    remedy = "none is needed: it is completed" if over else "deliver, return or reconsign the goods, or skip the stops"
    raise refused(
        ErrorReason.ERROR_REASON_CANCEL_NOT_POSSIBLE,
        f"load {load.load_id} can no longer be cancelled; remedy: {remedy}",
        load_id=load.load_id,
        state=LoadState.Name(load.state),
        remedy=remedy,
    )


def confirm_cancel(state: State, command: LoadCommand) -> Message | None:
    """Record that the road agreed to a requested cancelling."""
    load = present(state)
    if load.state == LoadState.LOAD_STATE_CANCELLED:
        return None
    if load.state != LoadState.LOAD_STATE_CANCEL_REQUESTED:
        raise barred(load, "confirming a cancelling", "nobody has asked for it")
    return LoadCancelled(reason=command.confirm_cancel.reason)


def apply_hold(state: State, command: LoadCommand) -> Message | None:
    """Let a hold block gates."""
    present(state)
    wish = command.apply_hold
    if not wish.hold_id or not wish.gates:
        raise violated("gates", "a hold needs its id and at least one gate that it blocks")
    if state.holds.get(wish.hold_id) == frozenset(wish.gates):
        return None
    return LoadHoldApplied(hold_id=wish.hold_id, gates=wish.gates)


def lift_hold(state: State, command: LoadCommand) -> Message | None:
    """Let a hold no longer block."""
    present(state)
    hold_id = command.lift_hold.hold_id
    return LoadHoldLifted(hold_id=hold_id) if hold_id in state.holds else None
