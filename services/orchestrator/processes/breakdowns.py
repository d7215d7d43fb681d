"""A breakdown that the road tells of interrupts the load, if it concerns the vehicle that carries it now."""

from __future__ import annotations

from gladhand.decider import Rejected
from logistics.exception.v1 import ExceptionKind, ExceptionState
from logistics.load.v1 import DeliveryEvent, DeliveryReason, InterruptLoad, Load, LoadState
from services.orchestrator.deciders import exception, load
from services.orchestrator.deciders.load.road import ON_THE_ROAD
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.riding import epoch_told


async def breakdown(journal: Journal, found: Load, seen: DeliveryEvent, cause: Cause) -> None:
    """Open BREAKDOWN or ACCIDENT and interrupt the load.

    Told late of a vehicle that no longer carries the load, it opens the exception and leaves the load alone.
    """
    accident = seen.reason == DeliveryReason.DELIVERY_REASON_ACCIDENT
    kind = ExceptionKind.EXCEPTION_KIND_ACCIDENT if accident else ExceptionKind.EXCEPTION_KIND_BREAKDOWN
    reason = "ACCIDENT" if accident else "MECHANICAL_BREAKDOWN"
    epoch = epoch_told(found, seen)
    if not accident and await _told_already(journal, found, seen, epoch):
        return
    exception_id = await open_exception(
        journal,
        kind,
        f"{reason}: vehicle {seen.vehicle_id or 'not told'} cannot go on",
        cause,
        subject_id=found.load_id,
        # One per cause: the same vehicle may break down again after it went on.
        detail=seen.delivery_event_id,
        load_id=found.load_id,
        stop_id=seen.stop_id,
        vehicle_id=seen.vehicle_id,
        evidence=(seen.delivery_event_id, *seen.evidence),
    )
    waiting = found.state in ON_THE_ROAD or found.state == LoadState.LOAD_STATE_REASSIGNING
    if not waiting or epoch != found.assignments[-1].epoch:
        return
    try:
        await journal.load(found.load_id, InterruptLoad(reason=reason, exception_id=exception_id), cause)
    except Rejected as refusal:
        # The load was completed or given up meanwhile; the exception tells of the vehicle all the same.
        if refusal.reason != "TRANSITION_NOT_ALLOWED":
            raise


async def _told_already(journal: Journal, found: Load, seen: DeliveryEvent, epoch: int) -> bool:
    """Return whether another message told of the same standstill: one breakdown is one exception."""
    state = (await journal.find(load.DECIDER, found.load_id)).state
    if not state.interrupted_by or epoch != found.assignments[-1].epoch:
        return False
    told = (await journal.find(exception.DECIDER, state.interrupted_by)).state.exception
    if told is None or told.kind != ExceptionKind.EXCEPTION_KIND_BREAKDOWN:
        return False
    return seen.delivery_event_id not in told.evidence_ids and told.state != ExceptionState.EXCEPTION_STATE_CLOSED
