"""An exception: something went wrong, and somebody sees to it (domain reference 3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.decider import Decider
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import (
    Exception as MeshException,
)
from logistics.exception.v1 import (
    ExceptionAcknowledged,
    ExceptionClosed,
    ExceptionCommand,
    ExceptionEscalated,
    ExceptionEvent,
    ExceptionKind,
    ExceptionOpened,
    ExceptionReopened,
    ExceptionResolved,
    ExceptionState,
    ExceptionVoided,
    ExceptionWorkBegan,
)
from services.orchestrator.deciders.refusal import no_way, refused, violated

UNSOLVED = frozenset(
    {
        ExceptionState.EXCEPTION_STATE_OPEN,
        ExceptionState.EXCEPTION_STATE_ACKNOWLEDGED,
        ExceptionState.EXCEPTION_STATE_IN_PROGRESS,
    }
)
"""States in which somebody still has to act."""

_SOLVED = frozenset({ExceptionState.EXCEPTION_STATE_RESOLVED, ExceptionState.EXCEPTION_STATE_CLOSED})


_SET_BY_US = (
    "state", "version", "create_time", "update_time", "resolution_code", "resolution_note", "escalation_level",
    "escalate_time",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """One exception. `exception` is what everybody may see; it is never changed in place."""

    exception: MeshException | None = None
    """None before birth."""


def _decide(state: State, command: ExceptionCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish == "open":
        return _open(state, command)
    if wish is None:
        raise violated("body", "the command asks for nothing; set its body")
    if state.exception is None:
        raise refused(
            ErrorReason.ERROR_REASON_EXCEPTION_NOT_FOUND,
            "there is no such exception; open it first",
            exception_id=command.exception_id,
        )
    return _WISHES[wish](state.exception, command)


def _open(state: State, command: ExceptionCommand) -> Message | None:
    """Open it; the same cause again is nothing, even after it was put right: reopening is a wish of its own."""
    told = command.open.exception
    if told.exception_id != command.exception_id:
        raise violated("exception.exception_id", f"it names itself {told.exception_id}; the ids must agree")
    if state.exception is None:
        opened = MeshException()
        opened.CopyFrom(told)
        for name in _SET_BY_US:
            _clear(opened, name)
        return ExceptionOpened(exception=opened)
    if told.kind != state.exception.kind:
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"exception {command.exception_id} tells of {ExceptionKind.Name(state.exception.kind)}; open another one",
            exception_id=command.exception_id,
        )
    return None


def _acknowledge(exception: MeshException, command: ExceptionCommand) -> Message | None:
    if exception.state == ExceptionState.EXCEPTION_STATE_OPEN:
        return ExceptionAcknowledged(owner=command.acknowledge.owner)
    if exception.state in UNSOLVED:
        return None
    raise _ended(exception, "taking note of it")


def _begin_work(exception: MeshException, command: ExceptionCommand) -> Message | None:
    if exception.state == ExceptionState.EXCEPTION_STATE_IN_PROGRESS:
        return None
    if exception.state in UNSOLVED:
        return ExceptionWorkBegan(owner=command.begin_work.owner)
    raise _ended(exception, "working on it")


def _resolve(exception: MeshException, command: ExceptionCommand) -> Message | None:
    wish = command.resolve
    if not wish.code:
        raise violated("code", "say in one word what was done, for example ACCEPTED_SHORT")
    if exception.state in UNSOLVED:
        return ExceptionResolved(code=wish.code, note=wish.note)
    if exception.state in _SOLVED and wish.code == exception.resolution_code:
        return None
    raise _ended(exception, f"resolving it as {wish.code}")


def _close(exception: MeshException, _command: ExceptionCommand) -> Message | None:
    if exception.state == ExceptionState.EXCEPTION_STATE_RESOLVED:
        return ExceptionClosed()
    if exception.state == ExceptionState.EXCEPTION_STATE_CLOSED:
        return None
    raise no_way("exception", ExceptionState, exception.state, "closing it", "resolve it first")


def _void(exception: MeshException, command: ExceptionCommand) -> Message | None:
    if exception.state in UNSOLVED:
        return ExceptionVoided(reason=command.void.reason)
    if exception.state == ExceptionState.EXCEPTION_STATE_VOIDED:
        return None
    raise no_way("exception", ExceptionState, exception.state, "voiding it", "it was put right, so it was true")


def _reopen(exception: MeshException, command: ExceptionCommand) -> Message | None:
    if exception.state in _SOLVED:
        reopened = ExceptionReopened(reason=command.reopen.reason)
        if command.reopen.HasField("due_time"):
            reopened.due_time.CopyFrom(command.reopen.due_time)
        return reopened
    if exception.state in UNSOLVED:
        return None
    raise no_way("exception", ExceptionState, exception.state, "reopening it", "open a new one")


def call_time(exception: MeshException) -> Timestamp | None:
    """Return when the next one is called about an exception that stays open, None where nobody is left to call."""
    if exception.escalation_level:
        return exception.escalate_time if exception.HasField("escalate_time") else None
    return exception.due_time if exception.HasField("due_time") else None


def _escalate(exception: MeshException, command: ExceptionCommand) -> Message | None:
    """Call the next one; what was put right meanwhile, and a level that was called already, is nothing new."""
    wish = command.escalate
    if exception.state not in UNSOLVED or wish.level <= exception.escalation_level:
        return None
    if wish.level != exception.escalation_level + 1:
        raise violated("level", f"level {exception.escalation_level + 1} is next; call one after the other")
    due = call_time(exception)
    if due is None:
        raise no_way("exception", ExceptionState, exception.state, "escalating it", "nobody is left to call")
    if command.decide_time.ToNanoseconds() < due.ToNanoseconds():
        remedy = f"its time comes at {due.ToJsonString()}"
        raise no_way("exception", ExceptionState, exception.state, "escalating it", remedy)
    escalated = ExceptionEscalated(owner=wish.owner, level=wish.level)
    if wish.HasField("next_time"):
        escalated.next_time.CopyFrom(wish.next_time)
    return escalated


def _ended(exception: MeshException, wish: str) -> Exception:
    voided = exception.state == ExceptionState.EXCEPTION_STATE_VOIDED
    return no_way("exception", ExceptionState, exception.state, wish, "open a new one" if voided else "reopen it first")


def _clear(message: Message, name: str) -> None:
    message.ClearField(name)


_WISHES: Mapping[str, Callable[[MeshException, ExceptionCommand], Message | None]] = {
    "acknowledge": _acknowledge,
    "begin_work": _begin_work,
    "resolve": _resolve,
    "close": _close,
    "void": _void,
    "reopen": _reopen,
    "escalate": _escalate,
}

_TARGETS: Mapping[str, ExceptionState.ValueType] = {
    "opened": ExceptionState.EXCEPTION_STATE_OPEN,
    "acknowledged": ExceptionState.EXCEPTION_STATE_ACKNOWLEDGED,
    "work_began": ExceptionState.EXCEPTION_STATE_IN_PROGRESS,
    "resolved": ExceptionState.EXCEPTION_STATE_RESOLVED,
    "closed": ExceptionState.EXCEPTION_STATE_CLOSED,
    "voided": ExceptionState.EXCEPTION_STATE_VOIDED,
    "reopened": ExceptionState.EXCEPTION_STATE_OPEN,
}


def _evolve(state: State, event: ExceptionEvent) -> State:
    exception = MeshException()
    if state.exception is not None:
        exception.CopyFrom(state.exception)
    name = event.WhichOneof("body") or ""
    match name:
        case "opened":
            exception.CopyFrom(event.opened.exception)
            exception.create_time.CopyFrom(event.record_time)
        case "acknowledged":
            exception.owner = event.acknowledged.owner or exception.owner
        case "work_began":
            exception.owner = event.work_began.owner or exception.owner
        case "escalated":
            _escalated(exception, event.escalated)
        case "resolved":
            exception.resolution_code = event.resolved.code
            exception.resolution_note = event.resolved.note
        case "voided":
            exception.resolution_note = event.voided.reason
        case "reopened":
            exception.ClearField("resolution_code")
            exception.ClearField("resolution_note")
            _due_anew(exception, event.reopened)
        case _:
            pass
    target = _TARGETS.get(name)
    if target is not None:
        exception.state = target
    exception.version = event.version
    exception.update_time.CopyFrom(event.record_time)
    return State(exception)


def _escalated(exception: MeshException, escalated: ExceptionEscalated) -> None:
    exception.owner = escalated.owner or exception.owner
    exception.escalation_level = escalated.level or exception.escalation_level + 1
    exception.ClearField("escalate_time")
    if escalated.HasField("next_time"):
        exception.escalate_time.CopyFrom(escalated.next_time)


def _due_anew(exception: MeshException, reopened: ExceptionReopened) -> None:
    """What came back calls the first one again, where a new time was set."""
    if reopened.HasField("due_time"):
        exception.due_time.CopyFrom(reopened.due_time)
        exception.ClearField("escalation_level")
        exception.ClearField("escalate_time")


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(ExceptionState, state.exception.state if state.exception is not None else None)}


DECIDER: Decider[State, ExceptionCommand, ExceptionEvent] = Decider(
    envelope=ExceptionEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of an exception."""
