"""A planning wave: which released orders it took, what the planner answered, and whether that was laid.

Its commands are plain values: nobody but the orchestrator itself gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from google.protobuf.message import Message

from gladhand.decider import Decider
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.load.v1 import Load
from logistics.process.v1 import (
    UnplannedOrder,
    WaveAbandoned,
    WaveEvent,
    WaveLaid,
    WaveProposed,
    WaveStarted,
    WaveState,
)
from services.orchestrator.deciders.refusal import no_way, refused, violated


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a wave with the released orders it takes."""

    order_ids: tuple[str, ...]
    trigger: str
    """What began it: timer, count or command."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Record the planner's answer."""

    loads: tuple[Load, ...]
    unplanned: tuple[UnplannedOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Lay:
    """Record that every proposed load is recorded and every order knows."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Give the wave up; its orders wait for the next one."""

    reason: str


Command: TypeAlias = Start | Propose | Lay | Abandon


@dataclass(frozen=True, slots=True)
class State:
    """One wave."""

    state: WaveState.ValueType = WaveState.WAVE_STATE_UNSPECIFIED
    """UNSPECIFIED before birth."""
    order_ids: tuple[str, ...] = ()
    trigger: str = ""
    loads: tuple[Load, ...] = ()
    """What the planner proposed; empty before."""
    unplanned: tuple[UnplannedOrder, ...] = ()
    reason: str = ""
    """Why it was abandoned; empty where it was not."""
    version: int = 0

    @property
    def born(self) -> bool:
        """Whether the wave was started."""
        return self.state != WaveState.WAVE_STATE_UNSPECIFIED

    @property
    def started(self) -> bool:
        """Whether the planner is being asked."""
        return self.state == WaveState.WAVE_STATE_STARTED

    @property
    def proposed(self) -> bool:
        """Whether the planner answered and that is not laid yet."""
        return self.state == WaveState.WAVE_STATE_PROPOSED

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in {WaveState.WAVE_STATE_LAID, WaveState.WAVE_STATE_ABANDONED}


def _decide(state: State, command: Command) -> Message | None:
    match command:
        case Start():
            return _start(state, command)
        case _ if state.state == WaveState.WAVE_STATE_UNSPECIFIED:
            raise refused(ErrorReason.ERROR_REASON_NOT_FOUND, "no such wave was started; start it first")
        case Propose():
            return _propose(state, command)
        case Lay():
            return _lay(state)
        case Abandon():
            return _abandon(state, command)


def _start(state: State, command: Start) -> Message | None:
    if state.state == WaveState.WAVE_STATE_UNSPECIFIED:
        if not command.order_ids:
            raise violated("order_ids", "a wave needs at least one order")
        return WaveStarted(order_ids=command.order_ids, trigger=command.trigger)
    if set(command.order_ids) != set(state.order_ids):
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT, "this wave was started with other orders; start another wave"
        )
    return None


def _propose(state: State, command: Propose) -> Message | None:
    if state.state in {WaveState.WAVE_STATE_PROPOSED, WaveState.WAVE_STATE_LAID}:
        if command.loads == state.loads and command.unplanned == state.unplanned:
            return None
        # Loads of the first answer may be recorded already; a second answer would lay the same orders twice.
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT, "the planner's answer is recorded; lay that one, or start anew"
        )
    if state.state != WaveState.WAVE_STATE_STARTED:
        raise no_way("wave", WaveState, state.state, "taking a proposal", "start another wave")
    named = {task.order_id for load in command.loads for stop in load.stops for task in stop.tasks}
    named |= {order.order_id for order in command.unplanned}
    strange = sorted(named - set(state.order_ids))
    if strange:
        raise violated("loads", f"the proposal names orders that the wave did not take: {', '.join(strange)}")
    return WaveProposed(loads=command.loads, unplanned=command.unplanned)


def _lay(state: State) -> Message | None:
    if state.state == WaveState.WAVE_STATE_LAID:
        return None
    if state.state != WaveState.WAVE_STATE_PROPOSED:
        raise no_way("wave", WaveState, state.state, "laying", "it needs a proposal")
    return WaveLaid()


def _abandon(state: State, command: Abandon) -> Message | None:
    if state.state == WaveState.WAVE_STATE_ABANDONED:
        return None
    if state.state != WaveState.WAVE_STATE_STARTED:
        raise no_way("wave", WaveState, state.state, "abandoning", "what the planner proposed must be laid")
    return WaveAbandoned(reason=command.reason)


def _evolve(state: State, event: WaveEvent) -> State:
    return replace(_applied(state, event), version=event.version)


def _applied(state: State, event: WaveEvent) -> State:
    match event.WhichOneof("body"):
        case "started":
            return replace(
                state,
                state=WaveState.WAVE_STATE_STARTED,
                order_ids=tuple(event.started.order_ids),
                trigger=event.started.trigger,
            )
        case "proposed":
            return replace(
                state,
                state=WaveState.WAVE_STATE_PROPOSED,
                loads=tuple(event.proposed.loads),
                unplanned=tuple(event.proposed.unplanned),
            )
        case "laid":
            return replace(state, state=WaveState.WAVE_STATE_LAID)
        case "abandoned":
            return replace(state, state=WaveState.WAVE_STATE_ABANDONED, reason=event.abandoned.reason)
        case _:
            return state


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(WaveState, state.state)}


DECIDER: Decider[State, Command, WaveEvent] = Decider(
    envelope=WaveEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of a planning wave."""
