"""The process of one order: what it asked of the world outside, how that ended, and whether it waits for a person.

Its commands are plain values: nobody but the orchestrator itself gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from google.protobuf.message import Message

from gladhand.decider import Decider
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.process.v1 import (
    ActionFailed,
    ActionSucceeded,
    FulfilmentBegan,
    FulfilmentEvent,
    FulfilmentFinished,
    FulfilmentParked,
    FulfilmentResumed,
    FulfilmentState,
)
from logistics.type.v1 import ExternalReference
from services.orchestrator.deciders.refusal import no_way, refused, violated


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin the process of an order."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Succeed:
    """Record that an action outside the log succeeded."""

    action: str
    """The action with its subject, for example `confirm_dispatch/<load id>`."""
    references: tuple[ExternalReference, ...] = ()
    detail: str = ""
    """What else is worth keeping, as JSON; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Record that an action failed and when it is tried again."""

    action: str
    reason: str
    """The name of an ErrorReason without its prefix."""
    message: str
    retry_time: datetime


@dataclass(frozen=True, slots=True)
class Park:
    """Let the process wait for a person."""

    action: str
    reason: str
    message: str
    exception_id: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the process go on; every action counts its failures anew."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """Record that nothing is left to do."""

    outcome: str
    """How the order ended: invoiced, rejected, cancelled or closed."""


Command: TypeAlias = Begin | Succeed | Fail | Park | Resume | Finish


@dataclass(frozen=True, slots=True)
class State:
    """One process."""

    state: FulfilmentState.ValueType = FulfilmentState.FULFILMENT_STATE_UNSPECIFIED
    """UNSPECIFIED before birth."""
    order_id: str = ""
    done: frozenset[str] = frozenset()
    """The actions that succeeded."""
    answers: Mapping[str, tuple[ExternalReference, ...]] = field(default_factory=dict)
    """What the outside systems answered by name, by action."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Failures since the last success or resumption, by action."""
    retry_times: Mapping[str, datetime] = field(default_factory=dict)
    """When a failed action may be tried again, by action; aware, in UTC."""
    parked_action: str = ""
    parked_reason: str = ""
    parked_message: str = ""
    parked_exception_id: str = ""
    outcome: str = ""
    version: int = 0

    @property
    def begun(self) -> bool:
        """Whether the process exists."""
        return self.state != FulfilmentState.FULFILMENT_STATE_UNSPECIFIED

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state == FulfilmentState.FULFILMENT_STATE_FINISHED

    @property
    def parked(self) -> str:
        """Why the process waits for a person; empty where it does not."""
        if self.state != FulfilmentState.FULFILMENT_STATE_PARKED:
            return ""
        return self.parked_message or self.parked_reason or "parked"


def _decide(state: State, command: Command) -> Message | None:
    match command:
        case Begin():
            return _begin(state, command)
        case _ if not state.begun:
            raise refused(ErrorReason.ERROR_REASON_NOT_FOUND, "no process has begun for this order; begin it first")
        case Succeed():
            return _succeed(state, command)
        case Fail():
            return _fail(state, command)
        case Park():
            return _park(state, command)
        case Resume():
            return _resume(state, command)
        case Finish():
            return _finish(state, command)


def _begin(state: State, command: Begin) -> Message | None:
    if not state.begun:
        return FulfilmentBegan(order_id=command.order_id)
    if command.order_id != state.order_id:
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"this process carries order {state.order_id}; another order has a process of its own",
            order_id=state.order_id,
        )
    return None


def _succeed(state: State, command: Succeed) -> Message | None:
    if command.action in state.done:
        return None
    _running(state, command.action)
    return ActionSucceeded(action=command.action, references=command.references, detail=command.detail)


def _fail(state: State, command: Fail) -> Message | None:
    if command.action in state.done:
        return None
    _running(state, command.action)
    if command.retry_time.tzinfo is None:
        raise violated("retry_time", "the time of the next try needs a time zone; give an aware UTC time")
    attempt = state.attempts.get(command.action, 0) + 1
    failed = ActionFailed(action=command.action, attempt=attempt, reason=command.reason, message=command.message)
    failed.retry_time.FromDatetime(command.retry_time)
    return failed


def _park(state: State, command: Park) -> Message | None:
    if state.parked and state.parked_action == command.action:
        return None
    _running(state, command.action)
    return FulfilmentParked(
        action=command.action, reason=command.reason, message=command.message, exception_id=command.exception_id
    )


def _resume(state: State, command: Resume) -> Message | None:
    return FulfilmentResumed(note=command.note) if state.parked or state.finished else None


def _finish(state: State, command: Finish) -> Message | None:
    if not state.finished:
        return FulfilmentFinished(outcome=command.outcome)
    if command.outcome != state.outcome:
        remedy = f"it ended as {state.outcome}"
        raise no_way("process", FulfilmentState, state.state, f"ending as {command.outcome}", remedy)
    return None


def _running(state: State, action: str) -> None:
    if state.state != FulfilmentState.FULFILMENT_STATE_RUNNING:
        remedy = "nothing is left to do" if state.finished else "resume it first"
        raise no_way("process", FulfilmentState, state.state, action, remedy)


def _evolve(state: State, event: FulfilmentEvent) -> State:
    return replace(_applied(state, event), version=event.version)


def _applied(state: State, event: FulfilmentEvent) -> State:
    match event.WhichOneof("body"):
        case "began":
            return replace(state, state=FulfilmentState.FULFILMENT_STATE_RUNNING, order_id=event.began.order_id)
        case "action_succeeded":
            action = event.action_succeeded.action
            return replace(
                state,
                done=state.done | {action},
                answers={**state.answers, action: tuple(event.action_succeeded.references)},
                attempts={key: count for key, count in state.attempts.items() if key != action},
                retry_times={key: time for key, time in state.retry_times.items() if key != action},
            )
        case "action_failed":
            failed = event.action_failed
            return replace(
                state,
                attempts={**state.attempts, failed.action: failed.attempt},
                retry_times={**state.retry_times, failed.action: failed.retry_time.ToDatetime(tzinfo=UTC)},
            )
        case "parked":
            return replace(
                state,
                state=FulfilmentState.FULFILMENT_STATE_PARKED,
                parked_action=event.parked.action,
                parked_reason=event.parked.reason,
                parked_message=event.parked.message,
                parked_exception_id=event.parked.exception_id,
            )
        case "resumed":
            return replace(state, state=FulfilmentState.FULFILMENT_STATE_RUNNING, attempts={}, retry_times={})
        case "finished":
            return replace(state, state=FulfilmentState.FULFILMENT_STATE_FINISHED, outcome=event.finished.outcome)
        case _:
            return state


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(FulfilmentState, state.state)}


DECIDER: Decider[State, Command, FulfilmentEvent] = Decider(
    envelope=FulfilmentEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of a fulfilment process; its id is the order's id."""
