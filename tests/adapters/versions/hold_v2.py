"""Version 2 of holds: its messages compiled at run time, its decider, and how it follows version 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.decider import Decider, Rejected
from gladhand.envelope import EnvelopeType
from gladhand.lifecycle import MachineState
from gladhand.log.upcasting import Succession, succeed
from logistics.error.v1 import ErrorReason
from logistics.exception import v1
from tests.adapters.protos import compiled

v2, v2_grpc = compiled(Path(__file__).resolve().parent, "hold_v2")
UNTOLD = "UNTOLD"


# ---- how version 2 follows version 1: pure, total, one pair for each body ------------------------------------------


def placed_up(old: v1.HoldPlaced, event: Any) -> Any:
    """One of two ids becomes the target; a sentence alone has no code."""
    was = old.hold
    hold = v2.Hold(
        hold_id=was.hold_id,
        target=v2.Target(load_id=was.load_id) if was.load_id else v2.Target(order_id=was.order_id),
        gates=was.gates,
        reason=v2.Reason(code=UNTOLD, text=was.reason),
        placed_by=was.placed_by,
        region=was.region or event.region,
    )
    if was.HasField("expire_time"):
        hold.expire_time.CopyFrom(was.expire_time)
    return v2.HoldPlaced(hold=hold)


def placed_down(new: Any) -> v1.HoldPlaced:
    """The code goes in front of the sentence, where people read it."""
    hold = new.hold
    told = hold.reason.text if hold.reason.code == UNTOLD else f"{hold.reason.code}: {hold.reason.text}"
    old = v1.Hold(
        hold_id=hold.hold_id,
        order_id=hold.target.order_id,
        load_id=hold.target.load_id,
        gates=hold.gates,
        reason=told,
        placed_by=hold.placed_by,
        region=hold.region,
    )
    if hold.HasField("expire_time"):
        old.expire_time.CopyFrom(hold.expire_time)
    return v1.HoldPlaced(hold=old)


def released_up(old: v1.HoldReleased, event: Any) -> Any:
    """Version 1 told who released it by the actor of the event alone."""
    return v2.HoldReleased(released_by=event.actor.id, evidence=old.evidence)


SUCCESSIONS: tuple[Succession[Any, Any], ...] = (
    Succession(v1.HoldPlaced, v2.HoldPlaced, placed_up, placed_down),
    Succession(v1.HoldReleased, v2.HoldReleased, released_up, lambda new: v1.HoldReleased(evidence=new.evidence)),
    Succession(v1.HoldExpired, v2.HoldExpired, lambda _old, _event: v2.HoldExpired(), lambda _new: v1.HoldExpired()),
)

OLD: EnvelopeType[v1.HoldEvent] = EnvelopeType.of(v1.HoldEvent)
NEW: EnvelopeType[Any] = EnvelopeType.of(v2.HoldEvent)


def follow(*, speak_old: bool) -> None:
    """Let version 2 follow version 1 in this process."""
    succeed(v2.HoldEvent, v1.HoldEvent, *SUCCESSIONS, speak_old=speak_old)


# ---- the decider of version 2 -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    hold: Any


@dataclass(frozen=True)
class Release:
    released_by: str
    evidence: str = ""


@dataclass(frozen=True)
class Extend:
    expire_time: Timestamp


Command = Place | Release | Extend


@dataclass(frozen=True)
class State:
    hold: Any = None


def _decide(state: State, command: Command) -> Any:
    if isinstance(command, Place):
        return None if state.hold is not None else v2.HoldPlaced(hold=command.hold)
    if state.hold is None:
        raise Rejected(ErrorReason.ERROR_REASON_HOLD_NOT_FOUND, "there is no such hold; place it first")
    if state.hold.state != v2.HOLD_STATE_ACTIVE:
        return None
    if isinstance(command, Release):
        return v2.HoldReleased(released_by=command.released_by, evidence=command.evidence)
    return v2.HoldExtended(expire_time=command.expire_time)


def _evolve(state: State, event: Any) -> State:
    hold = v2.Hold()
    if state.hold is not None:
        hold.CopyFrom(state.hold)
    match event.WhichOneof("body"):
        case "placed":
            hold.CopyFrom(event.placed.hold)
            hold.state = v2.HOLD_STATE_ACTIVE
        case "released":
            hold.state = v2.HOLD_STATE_RELEASED
            hold.released_by = event.released.released_by
        case "expired":
            hold.state = v2.HOLD_STATE_EXPIRED
        case "extended":
            hold.expire_time.CopyFrom(event.extended.expire_time)
    hold.version = event.version
    return State(hold)


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(v2.HoldState, state.hold.state if state.hold is not None else None)}


DECIDER: Decider[State, Command, Any] = Decider(v2.HoldEvent, State(), _decide, _evolve, _machines)
