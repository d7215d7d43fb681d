"""Where a load is, told by its stops, and which assignment was in force when."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from logistics.load.v1 import Load, LoadState, Stop, StopKind, StopOutcome, StopState, StopTime

ENDED = frozenset(
    {
        StopState.STOP_STATE_DEPARTED,
        StopState.STOP_STATE_SKIPPED,
        StopState.STOP_STATE_CANCELLED,
        StopState.STOP_STATE_FAILED,
    }
)
"""States in which nothing more is expected of a stop."""

ON_THE_ROAD = frozenset(
    {
        LoadState.LOAD_STATE_DISPATCHED,
        LoadState.LOAD_STATE_AT_PICKUP,
        LoadState.LOAD_STATE_IN_TRANSIT,
        LoadState.LOAD_STATE_AT_DELIVERY,
    }
)
"""States that follow from the stops."""

SKEW = timedelta(minutes=5)
"""How far a device's clock may be behind the first assignment's (domain reference 3.7 rule 3)."""

_LOADED = frozenset({StopState.STOP_STATE_COMPLETED, StopState.STOP_STATE_DEPARTED})
_RANKS = {"inferred": 1, "pod": 2, "geofence": 3, "edi": 4, "driver_scan": 5}
_SKEW_NS = int(SKEW.total_seconds()) * 1_000_000_000


def derive(load: Load) -> LoadState.ValueType:
    """Return where a dispatched load is: at the stop of its newest fact, or on the way once it left that stop."""
    if load.stops and all(stop.state in ENDED for stop in load.stops):
        return LoadState.LOAD_STATE_COMPLETED
    newest: tuple[int, int, Stop] | None = None
    for stop in load.stops:
        seen = _last_seen(stop)
        if seen is not None and (newest is None or (seen, stop.sequence) > newest[:2]):
            newest = (seen, stop.sequence, stop)
    if newest is None:
        return LoadState.LOAD_STATE_DISPATCHED
    stop = newest[2]
    if stop.HasField("departure"):
        return LoadState.LOAD_STATE_IN_TRANSIT
    at_pickup = stop.kind == StopKind.STOP_KIND_PICKUP
    return LoadState.LOAD_STATE_AT_PICKUP if at_pickup else LoadState.LOAD_STATE_AT_DELIVERY


def after_fact(load: Load, fact: str) -> LoadState.ValueType:
    """Return the load's state after a fact about one of its stops.

    Facts may come late and contradict each other, so only a departure takes the vehicle off a stop and only a sign of
    its presence puts it at one; any other answer of `derive` leaves the load where it stands.
    """
    before = load.state
    if before not in ON_THE_ROAD:
        return before
    now = derive(load)
    if now == LoadState.LOAD_STATE_COMPLETED:
        return now
    present = now in {LoadState.LOAD_STATE_AT_PICKUP, LoadState.LOAD_STATE_AT_DELIVERY}
    if fact == "stop_departed":
        return before if present and now == before else LoadState.LOAD_STATE_IN_TRANSIT
    if fact in {"stop_arrived", "stop_service_began", "stop_completed"} and present:
        return now
    return before


def on_board(load: Load) -> bool:
    """Return whether goods were loaded at any pickup."""
    return any(
        stop.kind == StopKind.STOP_KIND_PICKUP
        and stop.state in _LOADED
        and stop.outcome != StopOutcome.STOP_OUTCOME_FAILED
        for stop in load.stops
    )


def epoch_at(load: Load, moment: Timestamp) -> int:
    """Return the epoch of the assignment in force at a moment, zero where none was."""
    time = moment.ToNanoseconds()
    for position, assignment in enumerate(load.assignments):
        start = assignment.start_time.ToNanoseconds() - (0 if position else _SKEW_NS)
        ended = assignment.HasField("end_time") and time >= assignment.end_time.ToNanoseconds()
        if time >= start and not ended:
            return assignment.epoch
    return 0


def rank_of(time: StopTime) -> int:
    """Return the rank of a time's source, the higher the better."""
    return _RANKS.get(time.source, 0)


def better(told: StopTime, known: StopTime) -> bool:
    """Return whether a time displaces another: by the rank of its source, within a rank by being earlier."""
    told_rank, known_rank = rank_of(told), rank_of(known)
    if told_rank != known_rank:
        return told_rank > known_rank
    return told.time.ToNanoseconds() < known.time.ToNanoseconds()


def better_proof(told: StopTime, told_pod: str, known: StopTime, known_pod: str) -> bool:
    """Return whether a completion displaces another: a proof any other word, the newer proof the older one."""
    if told_pod and known_pod:
        return (told.time.ToNanoseconds(), told_pod) > (known.time.ToNanoseconds(), known_pod)
    if told_pod or known_pod:
        return bool(told_pod)
    return better(told, known)


def _last_seen(stop: Stop) -> int | None:
    """Return when the vehicle was last known to be at a stop, or to leave it; None where it never was there."""
    if stop.HasField("departure"):
        return stop.departure.time.ToNanoseconds()
    if stop.state == StopState.STOP_STATE_CANCELLED:
        return None
    times = [
        getattr(stop, name).time.ToNanoseconds()
        for name in ("arrival", "service_start", "completion")
        if stop.HasField(name)
    ]
    return max(times, default=None)
