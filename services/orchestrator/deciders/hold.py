"""A hold: it blocks gates of one order or load until somebody lets things go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from gladhand.decider import Decider
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import (
    Gate,
    Hold,
    HoldCommand,
    HoldEvent,
    HoldExpired,
    HoldPlaced,
    HoldReleased,
    HoldState,
)
from services.orchestrator.deciders.refusal import no_way, refused, violated

_SET_BY_US = ("state", "version", "create_time", "released_by", "release_evidence")


@dataclass(frozen=True, slots=True)
class State:
    """One hold. `hold` is what everybody may see; it is never changed in place."""

    hold: Hold | None = None
    """None before birth."""
    placed: Hold | None = None
    """What was placed, by which a repeat is told from another hold."""


def _decide(state: State, command: HoldCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish == "place":
        return _place(state, command)
    if state.hold is None:
        raise refused(
            ErrorReason.ERROR_REASON_HOLD_NOT_FOUND, "there is no such hold; place it first", hold_id=command.hold_id
        )
    if wish == "release":
        return _release(state.hold, command)
    if wish == "expire":
        return _expire(state.hold, command)
    raise violated("body", "the command asks for nothing; set its body")


def _place(state: State, command: HoldCommand) -> Message | None:
    told = Hold()
    told.CopyFrom(command.place.hold)
    cleared: Message = told
    for name in _SET_BY_US:
        cleared.ClearField(name)
    if told.hold_id != command.hold_id:
        raise violated("hold.hold_id", f"the hold names itself {told.hold_id}; the ids must agree")
    if state.placed is not None:
        if told == state.placed:
            return None
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"hold {told.hold_id} was placed with other content; place another hold",
            hold_id=told.hold_id,
        )
    if bool(told.order_id) == bool(told.load_id):
        raise violated("hold.order_id", "a hold blocks either one order or one load; set exactly one of the two")
    if told.stop_id and not told.load_id:
        raise violated("hold.load_id", "a hold of a stop names the load that has the stop")
    if (told.line_id or told.invoice_id) and not told.order_id:
        raise violated("hold.order_id", "a hold of a line or an invoice names its order")
    if told.invoice_id and list(told.gates) != [Gate.GATE_BILLING]:
        raise violated("hold.gates", "a hold of an invoice blocks billing and nothing else")
    if not told.gates:
        raise violated("hold.gates", "a hold blocks at least one gate")
    if told.four_eyes and not told.placed_by:
        raise violated("hold.placed_by", "a hold that needs four eyes must say who placed it")
    return HoldPlaced(hold=told)


def _release(hold: Hold, command: HoldCommand) -> Message | None:
    if hold.state != HoldState.HOLD_STATE_ACTIVE:
        return None
    wish = command.release
    if hold.four_eyes and wish.released_by in {"", hold.placed_by}:
        raise refused(
            ErrorReason.ERROR_REASON_NOT_PERMITTED,
            f"hold {hold.hold_id} needs four eyes: another person than the one who placed it must release it",
            hold_id=hold.hold_id,
        )
    return HoldReleased(evidence=wish.evidence)


def _expire(hold: Hold, command: HoldCommand) -> Message | None:
    if hold.state != HoldState.HOLD_STATE_ACTIVE:
        return None
    if not hold.HasField("expire_time"):
        raise no_way("hold", HoldState, hold.state, "expiring", "it has no end; release it")
    if command.decide_time.ToNanoseconds() < hold.expire_time.ToNanoseconds():
        raise no_way("hold", HoldState, hold.state, "expiring", f"its time comes at {hold.expire_time.ToJsonString()}")
    return HoldExpired()


def _evolve(state: State, event: HoldEvent) -> State:
    hold = Hold()
    if state.hold is not None:
        hold.CopyFrom(state.hold)
    placed = state.placed
    match event.WhichOneof("body"):
        case "placed":
            placed = event.placed.hold
            hold.CopyFrom(placed)
            hold.state = HoldState.HOLD_STATE_ACTIVE
            hold.create_time.CopyFrom(event.record_time)
        case "released":
            hold.state = HoldState.HOLD_STATE_RELEASED
            hold.released_by = event.actor.id
            hold.release_evidence = event.released.evidence
        case "expired":
            hold.state = HoldState.HOLD_STATE_EXPIRED
        case _:
            pass
    hold.version = event.version
    return State(hold, placed)


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(HoldState, state.hold.state if state.hold is not None else None)}


DECIDER: Decider[State, HoldCommand, HoldEvent] = Decider(
    envelope=HoldEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of a hold."""
