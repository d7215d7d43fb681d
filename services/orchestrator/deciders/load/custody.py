"""Who has the goods: what is on board by the record, and what passes to the vehicle that takes over (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    CustodyTransfer,
    Load,
    LoadCommand,
    LoadEvent,
    LoadHandedOver,
    LoadState,
    StopKind,
    StopState,
    StopTask,
)
from services.orchestrator.deciders.load.road import SKEW
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO, UnitMismatch, decimal_of, difference, in_unit, quantity_of

_SERVED = frozenset({StopState.STOP_STATE_COMPLETED, StopState.STOP_STATE_DEPARTED})
_SKEW_NS = int(SKEW.total_seconds()) * 1_000_000_000


@dataclass(frozen=True, slots=True)
class OnBoard:
    """One line on board: what was loaded and has not been set down, and with it what a consignee refused."""

    task: StopTask
    least: Decimal
    """What must be there: goods that a consignee refused may have been left behind."""
    most: Decimal


def on_board_lines(load: Load) -> list[OnBoard]:
    """Return the lines on board by the record, in the order in which they were loaded."""
    loaded: dict[tuple[str, str], Decimal] = {}
    shown: dict[tuple[str, str], StopTask] = {}
    down: dict[tuple[str, str], Decimal] = {}
    kept: dict[tuple[str, str], Decimal] = {}
    for stop in load.stops:
        if stop.state not in _SERVED:
            continue
        for task in stop.tasks:
            line = task.order_id, task.line_id
            moved = decimal_of(task.actual) if task.HasField("actual") else decimal_of(task.expected)
            if stop.kind == StopKind.STOP_KIND_PICKUP:
                loaded[line] = loaded.get(line, ZERO) + moved
                shown.setdefault(line, task)
            else:
                down[line] = down.get(line, ZERO) + moved
                kept[line] = kept.get(line, ZERO) + (decimal_of(task.accepted) if task.HasField("accepted") else ZERO)
    found = []
    for line, task in shown.items():
        most = max(difference(loaded[line], kept.get(line, ZERO)), ZERO)
        if most > ZERO:
            found.append(OnBoard(task, max(difference(loaded[line], down.get(line, ZERO)), ZERO), most))
    return found


def hand_over(state: State, command: LoadCommand) -> Message | None:
    """Record that custody passed to the vehicle in force, with what was counted.

    Raises Rejected: TRANSITION_NOT_ALLOWED unless another vehicle takes over and is dispatched, EPOCH_MISMATCH,
    QUANTITY_EXCEEDED where more passed than was on board, CONTRACT_VIOLATION for lines that were not.
    """
    load, wish = present(state), command.hand_over
    in_force = load.assignments[-1].epoch if load.assignments else 0
    if wish.epoch not in {0, in_force}:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"assignment {in_force} of load {load.load_id} is in force, not {wish.epoch}; read the load again",
            epoch=str(wish.epoch),
            in_force=str(in_force),
        )
    if load.custody and load.custody[-1].to_epoch == in_force:
        return None
    if load.state != LoadState.LOAD_STATE_REASSIGNING:
        raise barred(load, "handing over", "goods pass when another vehicle takes over; reassign the load first")
    if state.dispatched_epoch != in_force:
        raise barred(load, "handing over", "the new vehicle is not dispatched yet; wait for the fleet system")
    time = wish.time if wish.HasField("time") else command.decide_time
    if time.ToNanoseconds() < load.assignments[-1].start_time.ToNanoseconds() - _SKEW_NS:
        raise violated("time", "custody cannot pass before the new assignment began; give the time of the hand-over")
    tasks = _counted(on_board_lines(load), wish.tasks)
    transfer = CustodyTransfer(
        from_epoch=state.custodian or 1,
        to_epoch=in_force,
        time=time,
        tasks=tasks,
        seal_numbers=wish.seal_numbers,
    )
    if wish.HasField("location") or load.reassignment.HasField("hand_over"):
        transfer.location.CopyFrom(wish.location if wish.HasField("location") else load.reassignment.hand_over)
    if wish.HasField("temperature_celsius"):
        transfer.temperature_celsius = wish.temperature_celsius
    passed = any(decimal_of(task.actual) > ZERO for task in tasks)
    return LoadEvent(
        occur_time=time, handed_over=LoadHandedOver(tasks=tasks, loaded=bool(tasks) and passed, transfer=transfer)
    )


def missing_of(tasks: Sequence[StopTask]) -> list[StopTask]:
    """Return the tasks of a hand-over of which less passed than was on board by the record."""
    return [task for task in tasks if decimal_of(task.actual) < decimal_of(task.expected)]


def _counted(aboard: Sequence[OnBoard], said: Sequence[StopTask]) -> list[StopTask]:
    words = {(task.order_id, task.line_id): task for task in said}
    known = {(line.task.order_id, line.task.line_id) for line in aboard}
    strange = sorted(words.keys() - known)
    if strange or len(words) != len(said):
        what = strange[0][1] if strange else "repeated"
        raise violated("tasks", f"line {what} is not on board once; count each line on board once", line_id=what)
    tasks = []
    for line in aboard:
        unit_code = line.task.expected.unit_code
        word = words.get((line.task.order_id, line.task.line_id))
        # Told nothing at all, everything passed; told some lines, the others did not.
        count = _number(word, unit_code) if word is not None else ZERO if said else line.least
        if count > line.most:
            raise refused(
                ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
                f"line {line.task.line_id}: {count:f} passed, but {line.most:f} were on board; count again",
                line_id=line.task.line_id,
                expected=f"{line.most:f}",
                found=f"{count:f}",
            )
        if line.least == ZERO and count == ZERO:
            continue
        task = StopTask(order_id=line.task.order_id, line_id=line.task.line_id, sku=line.task.sku)
        task.expected.CopyFrom(quantity_of(line.least, unit_code))
        task.actual.CopyFrom(quantity_of(count, unit_code))
        tasks.append(task)
    return tasks


def _number(task: StopTask, unit_code: str) -> Decimal:
    try:
        number = in_unit(task.actual, unit_code)
    except UnitMismatch as mismatch:
        message = f"line {task.line_id} is counted in {unit_code}, but {mismatch}"
        raise violated("tasks.actual", message, line_id=task.line_id) from mismatch
    if number < ZERO:
        raise violated("tasks.actual", f"the count of line {task.line_id} is negative", line_id=task.line_id)
    return number
