"""The work at a stop: what was loaded, set down, kept and refused, and how that counts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from google.protobuf.message import Message

from gladhand.decider import Rejected
from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    CompleteStop,
    LoadCommand,
    LoadState,
    Stop,
    StopCompleted,
    StopFactNoted,
    StopKind,
    StopOutcome,
    StopState,
    StopTask,
)
from logistics.type.v1 import Quantity
from services.orchestrator.deciders.load.facts import fact, known, known_by, matched, noted, told, too_late
from services.orchestrator.deciders.load.road import better_proof
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import no_way, refused, violated
from services.orchestrator.quantities import ZERO, UnitMismatch, decimal_of, in_unit, quantity_of, total

_GIVEN_UP = frozenset({StopState.STOP_STATE_SKIPPED, StopState.STOP_STATE_FAILED})


def complete(state: State, command: LoadCommand) -> Message | None:
    """Record the work at a stop, or replace what was recorded by a better word: any proof, and the newest of them."""
    wish = command.complete_stop
    load, stop, epoch = matched(state, wish, wish.epoch)
    if stop.state in _GIVEN_UP:
        raise no_way("stop", StopState, stop.state, "completing it", "it was given up; a person must look at the proof")
    pickup = stop.kind == StopKind.STOP_KIND_PICKUP
    tasks = _loaded(stop, wish.tasks) if pickup else _set_down(stop, wish.tasks)
    if known(state, stop, "completion", wish.time) and wish.pod_id not in stop.pod_ids:
        return None
    if told(state, stop, "completion") and not _displaces(stop, wish, tasks):
        return noted(state, stop, "completion", wish.time, StopFactNoted(completed=_work(stop, wish, tasks, epoch)))
    if load.state == LoadState.LOAD_STATE_CANCEL_REQUESTED:
        return too_late(state, load, stop, "the work was done at")
    body = _work(stop, wish, tasks, epoch)
    return fact(wish.time, corrects=known_by(state, stop, "completion"), stop_completed=body)


def _work(stop: Stop, wish: CompleteStop, tasks: Sequence[StopTask], epoch: int) -> StopCompleted:
    counted = "actual" if stop.kind == StopKind.STOP_KIND_PICKUP else "accepted"
    body = StopCompleted(
        stop_id=stop.stop_id,
        time=wish.time,
        outcome=_outcome(tasks, counted),
        tasks=tasks,
        pod_id=wish.pod_id,
        epoch=epoch,
    )
    if body.outcome != StopOutcome.STOP_OUTCOME_SUCCEEDED:
        body.reason = wish.reason[:200]
    return body


def _displaces(stop: Stop, wish: CompleteStop, tasks: Sequence[StopTask]) -> bool:
    """Return whether a completion displaces the one that is recorded. Raises Rejected (MESSAGE_CONFLICT)."""
    counted = stop.pod_ids[-1] if stop.pod_ids else ""
    if wish.pod_id and wish.pod_id == counted:
        if list(tasks) == list(stop.tasks):
            return False
        raise refused(
            ErrorReason.ERROR_REASON_MESSAGE_CONFLICT,
            f"proof {wish.pod_id} completed stop {stop.stop_id} with other quantities; hand in a new proof",
            key=wish.pod_id,
        )
    if wish.pod_id and wish.pod_id in stop.pod_ids:
        return False
    return better_proof(wish.time, wish.pod_id, stop.completion, counted)


def _loaded(stop: Stop, said: Sequence[StopTask]) -> list[StopTask]:
    """Return the tasks of a pickup; told nothing, everything was loaded as expected."""
    if not said:
        return [_done(task, task.expected) for task in stop.tasks]
    words = _by_line(stop, said)
    tasks = []
    for task in stop.tasks:
        word = words[task.order_id, task.line_id]
        if not word.HasField("actual"):
            raise _unsaid(stop, task, "actual")
        _number(task, word.actual, "actual")
        _check_room(stop, task, word.actual)
        tasks.append(_done(task, word.actual))
    return tasks


def _set_down(stop: Stop, said: Sequence[StopTask]) -> list[StopTask]:
    """Return the tasks of a delivery: what was accepted and rejected was set down, never more than expected."""
    words = _by_line(stop, said)
    tasks = []
    for task in stop.tasks:
        word = words[task.order_id, task.line_id]
        if not word.HasField("accepted") or not word.HasField("rejected"):
            raise _unsaid(stop, task, "accepted and rejected")
        unit_code = task.expected.unit_code
        kept, back = _number(task, word.accepted, "accepted"), _number(task, word.rejected, "rejected")
        down = total((kept, back))
        if word.HasField("actual") and _number(task, word.actual, "actual") != down:
            raise _odd(stop, task, word.actual.value, f"{kept:f} accepted and {back:f} rejected")
        _check_room(stop, task, quantity_of(down, unit_code))
        done = _done(task, quantity_of(down, unit_code))
        done.accepted.CopyFrom(quantity_of(kept, unit_code))
        done.rejected.CopyFrom(quantity_of(back, unit_code))
        tasks.append(done)
    return tasks


def _by_line(stop: Stop, said: Sequence[StopTask]) -> dict[tuple[str, str], StopTask]:
    """Return what was said by line. Raises Rejected unless every task of the stop is named once, and no other."""
    words = {(task.order_id, task.line_id): task for task in said}
    expected = {(task.order_id, task.line_id) for task in stop.tasks}
    wrong = sorted(expected ^ words.keys())
    if wrong or len(words) != len(said):
        line_id = wrong[0][1] if wrong else ""
        raise refused(
            ErrorReason.ERROR_REASON_POD_LINES_DO_NOT_ADD_UP,
            f"stop {stop.stop_id} needs each of its {len(expected)} tasks once; line {line_id or 'repeated'} is wrong",
            stop_id=stop.stop_id,
            line_id=line_id,
        )
    return words


def _number(task: StopTask, quantity: Quantity, field: str) -> Decimal:
    unit_code = task.expected.unit_code
    try:
        number = in_unit(quantity, unit_code)
    except UnitMismatch as mismatch:
        message = f"line {task.line_id} is counted in {unit_code}, but {mismatch}"
        raise violated(f"tasks.{field}", message, line_id=task.line_id) from mismatch
    if number < ZERO:
        raise violated(f"tasks.{field}", f"{field} of line {task.line_id} is negative", line_id=task.line_id)
    return number


def _done(task: StopTask, actual: Quantity) -> StopTask:
    done = StopTask()
    done.CopyFrom(task)
    done.actual.CopyFrom(actual)
    done.ClearField("accepted")
    done.ClearField("rejected")
    return done


def _check_room(stop: Stop, task: StopTask, actual: Quantity) -> None:
    if decimal_of(actual) > decimal_of(task.expected):
        raise refused(
            ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
            f"line {task.line_id} at stop {stop.stop_id}: {actual.value} moved, {task.expected.value} expected",
            line_id=task.line_id,
            expected=task.expected.value,
            found=actual.value,
        )


def _outcome(tasks: Sequence[StopTask], name: str) -> StopOutcome.ValueType:
    """Return how the work ended, by what was loaded at a pickup and what was accepted at a delivery."""
    counted = [(decimal_of(getattr(task, name)), decimal_of(task.expected)) for task in tasks]
    if all(number == expected for number, expected in counted):
        return StopOutcome.STOP_OUTCOME_SUCCEEDED
    if any(number > ZERO for number, _ in counted):
        return StopOutcome.STOP_OUTCOME_PARTIAL
    refused_some = any(decimal_of(task.rejected) > ZERO for task in tasks)
    return StopOutcome.STOP_OUTCOME_REFUSED if refused_some else StopOutcome.STOP_OUTCOME_FAILED


def _unsaid(stop: Stop, task: StopTask, field: str) -> Rejected:
    message = f"say how much of line {task.line_id} was {field} at stop {stop.stop_id}"
    return violated("tasks", message, line_id=task.line_id)


def _odd(stop: Stop, task: StopTask, expected: str, found: str) -> Rejected:
    return refused(
        ErrorReason.ERROR_REASON_POD_LINES_DO_NOT_ADD_UP,
        f"line {task.line_id} at stop {stop.stop_id}: {expected} set down is not {found}",
        line_id=task.line_id,
        expected=expected,
        found=found,
    )
