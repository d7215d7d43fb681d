"""An estimate of arrival becomes a fact of its load where it is material, and a risk where it breaks the window."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from gladhand.decider import Rejected
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import DeliveryEvent, EstimateArrival, Load
from logistics.process.v1 import MilestonePolicy
from services.orchestrator.deciders.load.estimates import too_late
from services.orchestrator.exceptions import exception_id_of, open_exception, reopen_exception, settle_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.riding import epoch_told, stop_of

_CHANGE = Duration(seconds=15 * 60)


async def estimate(journal: Journal, found: Load, seen: DeliveryEvent, demanded: MilestonePolicy, cause: Cause) -> str:
    """Record an estimate and say whether the window is at risk; return why it fits nothing, empty where it does."""
    if not seen.HasField("estimated_time"):
        return "an estimate needs estimated_time"
    wish = EstimateArrival(
        stop_id=seen.stop_id,
        estimated_arrival_time=seen.estimated_time,
        estimate_time=seen.occur_time,
        threshold=demanded.eta_change if demanded.HasField("eta_change") else _CHANGE,
        grace=demanded.arrival_grace,
        epoch=epoch_told(found, seen),
    )
    try:
        outcome = await journal.load(found.load_id, wish, cause)
    except Rejected as refusal:
        return refusal.message
    now = outcome.state.load
    stop = stop_of(now, seen.stop_id) if now is not None else None
    if stop is None or not stop.HasField("estimated_arrival_time") or stop.HasField("arrival"):
        return ""
    kind = ExceptionKind.EXCEPTION_KIND_ETA_RISK
    exception_id = exception_id_of(kind, stop.stop_id)
    # The risk follows what is recorded, not this message: an older estimate that came late changes neither.
    if not too_late(stop, stop.estimated_arrival_time, demanded.arrival_grace.ToNanoseconds()):
        await settle_exception(journal, exception_id, "RECOVERED", "the estimate is within the window again", cause)
        return ""
    await open_exception(
        journal,
        kind,
        f"arrival is expected at {stop.estimated_arrival_time.ToJsonString()}, after the stop's window",
        cause,
        subject_id=stop.stop_id,
        load_id=found.load_id,
        stop_id=stop.stop_id,
        vehicle_id=seen.vehicle_id,
        evidence=(seen.delivery_event_id, *seen.evidence),
    )
    await reopen_exception(journal, exception_id, "the estimate passes the window again", cause)
    return ""
