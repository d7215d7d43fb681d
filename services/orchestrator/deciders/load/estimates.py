"""Estimates of arrival: the one made last counts, none displaces what happened, small changes are not told (pure)."""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import EstimateArrival, LoadCommand, LoadEtaChanged, Stop, StopState
from services.orchestrator.deciders.load.road import ON_THE_ROAD, epoch_at
from services.orchestrator.deciders.load.rules import present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused

_COMING = frozenset({StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_EN_ROUTE})


def estimate(state: State, command: LoadCommand) -> Message | None:
    """Record a material change of the expected arrival at a stop.

    Raises Rejected: LOAD_NOT_FOUND, STOP_NOT_FOUND, EPOCH_MISMATCH where it speaks of an assignment that was not in
    force when it was made.
    """
    load, wish = present(state), command.estimate_arrival
    stop = next((stop for stop in load.stops if stop.stop_id == wish.stop_id), None)
    if stop is None:
        raise refused(
            ErrorReason.ERROR_REASON_STOP_NOT_FOUND,
            f"load {load.load_id} has no stop {wish.stop_id}; match the estimate anew",
            stop_id=wish.stop_id,
            load_id=load.load_id,
        )
    in_force = epoch_at(load, wish.estimate_time)
    if wish.epoch not in {0, in_force}:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"assignment {wish.epoch} of load {load.load_id} was not in force when it was estimated; match it anew",
            epoch=str(wish.epoch),
            in_force=str(in_force),
        )
    outdated = not in_force or in_force != load.assignments[-1].epoch
    if load.state not in ON_THE_ROAD or stop.state not in _COMING or stop.HasField("arrival") or outdated:
        return None
    if stop.HasField("estimate_time") and wish.estimate_time.ToNanoseconds() <= stop.estimate_time.ToNanoseconds():
        return None
    if not _material(stop, wish):
        return None
    return LoadEtaChanged(
        stop_id=stop.stop_id,
        estimated_arrival_time=wish.estimated_arrival_time,
        estimate_time=wish.estimate_time,
    )


def too_late(stop: Stop, arrival: Timestamp, grace_ns: int) -> bool:
    """Return whether an arrival passes the end of a stop's window by more than the grace."""
    if not stop.HasField("window") or not stop.window.HasField("end_time"):
        return False
    return arrival.ToNanoseconds() > stop.window.end_time.ToNanoseconds() + grace_ns


def expected(stop: Stop) -> Timestamp | None:
    """Return when a vehicle is expected at a stop: by the newest estimate, else by the plan, None where neither is."""
    if stop.HasField("estimated_arrival_time"):
        return stop.estimated_arrival_time
    return stop.planned_arrival_time if stop.HasField("planned_arrival_time") else None


def _material(stop: Stop, wish: EstimateArrival) -> bool:
    known = expected(stop)
    if known is None:
        return True
    change = abs(wish.estimated_arrival_time.ToNanoseconds() - known.ToNanoseconds())
    if not change:
        return False
    grace = wish.grace.ToNanoseconds()
    crosses = too_late(stop, wish.estimated_arrival_time, grace) != too_late(stop, known, grace)
    return crosses or change >= wish.threshold.ToNanoseconds()
