"""Milestones from the road become facts of loads.

A milestone that fits nothing, or contradicts what is recorded, opens an exception and changes nothing else (domain
reference 3.7 rule 4).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC

from google.protobuf.message import DecodeError, Message

from gladhand.bus.port import Delivery, Poison
from gladhand.decider import Rejected
from gladhand.lifecycle import IllegalTransition
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import (
    ApproachStop,
    ArriveStop,
    BeginStopService,
    DeliveryEvent,
    DeliveryEventSource,
    DepartStop,
    FailStop,
    Load,
    Milestone,
    Stop,
    StopKind,
    StopTime,
)
from logistics.pod.v1 import PodLine, PodMethod, ProofOfDelivery
from logistics.type.v1 import Actor, ActorKind, Classifier, Quantity
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load.road import SKEW
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies
from services.orchestrator.processes.breakdowns import breakdown
from services.orchestrator.processes.estimates import estimate
from services.orchestrator.processes.proofs import Proofs
from services.orchestrator.processes.retractions import Retractions, edi_pod_id
from services.orchestrator.riding import epoch_told, stop_of

log = logging.getLogger(__name__)

FILTERS = ("logistics.observation.>",)

_OTHERS = (".cold_chain",)
"""Ends of the subjects of observations that are no milestones."""

_SOURCES = {
    DeliveryEventSource.DELIVERY_EVENT_SOURCE_INFERRED: "inferred",
    DeliveryEventSource.DELIVERY_EVENT_SOURCE_GEOFENCE: "geofence",
    DeliveryEventSource.DELIVERY_EVENT_SOURCE_EDI: "edi",
    DeliveryEventSource.DELIVERY_EVENT_SOURCE_DRIVER: "driver_scan",
}
_ARRIVED = {Milestone.MILESTONE_ARRIVED_PICKUP, Milestone.MILESTONE_ARRIVED_DELIVERY}
_DEPARTED = {Milestone.MILESTONE_DEPARTED_PICKUP, Milestone.MILESTONE_DEPARTED_DELIVERY}
_APPROACHED = {Milestone.MILESTONE_ENROUTE_TO_PICKUP, Milestone.MILESTONE_OUT_FOR_DELIVERY}
_UNKNOWN = {Milestone.MILESTONE_UNSPECIFIED, Milestone.MILESTONE_OTHER}
_FAILED = {Milestone.MILESTONE_PICKUP_FAILED, Milestone.MILESTONE_DELIVERY_ATTEMPTED}


class Observations:
    """Hands milestones on to loads."""

    def __init__(self, journal: Journal, policies: Policies, proofs: Proofs) -> None:
        self._journal = journal
        self._policies = policies
        self._proofs = proofs
        self._retractions = Retractions(journal)

    async def handle(self, delivery: Delivery) -> None:
        """Hand on one milestone. Raises Poison where the message is none, and what the log raises."""
        if delivery.subject.endswith(_OTHERS):
            return  # it has a consumer of its own
        try:
            seen = DeliveryEvent.FromString(delivery.payload)
        except DecodeError as error:
            raise Poison(f"not a DeliveryEvent: {error}") from error
        if not seen.delivery_event_id or not seen.load_id:
            raise Poison("a DeliveryEvent needs delivery_event_id and load_id")
        found = (await self._journal.find(load.DECIDER, seen.load_id)).state.load
        cause = _cause(seen, found.region if found is not None else seen.region)
        if found is not None and seen.milestone == Milestone.MILESTONE_BREAKDOWN and not seen.retracts_event_id:
            await breakdown(self._journal, found, seen, cause)
        elif found is None or stop_of(found, seen.stop_id) is None:
            await self._unmatched(seen, cause, "no load has this stop")
            return
        if await self._refused(seen, cause):
            return
        await self._tell(found, seen, cause)

    async def _tell(self, found: Load, seen: DeliveryEvent, cause: Cause) -> None:
        """Hand on a milestone of a stop that the load has."""
        if seen.retracts_event_id:
            await self._retract(found, seen, cause)
            return
        if seen.milestone == Milestone.MILESTONE_DELIVERED and await self._prove(found, seen, cause):
            return
        if seen.milestone == Milestone.MILESTONE_ETA_UPDATED:
            demanded = self._policies.in_region(found.region).milestones
            refusal = await estimate(self._journal, found, seen, demanded, cause)
            if refusal:
                await self._unmatched(seen, cause, refusal)
            return
        wish = _wish(seen, epoch_told(found, seen))
        if wish is None:
            log.info("milestone %s of load %s changes no stop", Milestone.Name(seen.milestone), seen.load_id)
            return
        try:
            outcome = await self._journal.load(seen.load_id, wish, cause)
            if outcome.event is not None and outcome.event.WhichOneof("body") == "cancel_reversed":
                # The fact came before the cancelling: that is taken back first, then the fact is recorded.
                await self._journal.load(seen.load_id, wish, cause.step("after reversal"))
        except (Rejected, IllegalTransition) as refusal:
            if refusal.reason in {"EPOCH_MISMATCH", "STOP_NOT_FOUND"}:
                await self._unmatched(seen, cause, refusal.message)
            else:
                await self._contradicts(seen, cause, refusal.message)

    async def _refused(self, seen: DeliveryEvent, cause: Cause) -> bool:
        """Whether a milestone cannot be taken at all, by its time or its code; an exception tells of it then."""
        happened = (seen.classifier or Classifier.CLASSIFIER_ACTUAL) == Classifier.CLASSIFIER_ACTUAL
        if happened and seen.occur_time.ToDatetime(tzinfo=UTC) > self._journal.now() + SKEW:
            kind = ExceptionKind.EXCEPTION_KIND_FUTURE_DATED_EVENT
            await self._report(seen, cause, kind, f"says that it happened at {seen.occur_time.ToJsonString()}, later")
            return True
        if seen.milestone in _UNKNOWN:
            kind = ExceptionKind.EXCEPTION_KIND_MAPPING_FAILED
            await self._report(seen, cause, kind, f"has the code {seen.raw_code!r}, which nobody knows: map it")
            return True
        return False

    async def _retract(self, found: Load, seen: DeliveryEvent, cause: Cause) -> None:
        stop = stop_of(found, seen.stop_id)
        if stop is None:
            return
        evidence = [seen.retracts_event_id]
        with suppress(ValueError):  # a source may name its events as it likes; such a one was no proof
            evidence.append(edi_pod_id(seen.retracts_event_id))
        why = f"{Milestone.Name(seen.milestone)} of {seen.occur_time.ToJsonString()} was taken back by its source."
        await self._retractions.retract(found, stop, evidence, why, cause)

    async def _prove(self, found: Load, seen: DeliveryEvent, cause: Cause) -> bool:
        """Take a carrier's word as proof where the policy does; whether it did. Elsewhere it is news and no more."""
        stop = stop_of(found, seen.stop_id)
        policy = self._policies.in_region(found.region)
        if (
            stop is None
            or stop.kind != StopKind.STOP_KIND_DELIVERY
            or PodMethod.POD_METHOD_EDI_ONLY not in (policy.pod_methods)
        ):
            return False
        if seen.corrects_event_id:
            why = f"{Milestone.Name(seen.milestone)} was put right by its source."
            evidence = [edi_pod_id(seen.corrects_event_id)]
            await self._retractions.retract(found, stop, evidence, why, cause.step("correct"))
        state = (await self._journal.find(load.DECIDER, found.load_id)).state
        proof = _edi_proof(found, stop, seen)
        if f"{stop.stop_id}/{proof.pod_id}" not in state.voided:
            await self._proofs.record(proof, cause)
        return True

    async def _unmatched(self, seen: DeliveryEvent, cause: Cause, why: str) -> None:
        await self._report(seen, cause, ExceptionKind.EXCEPTION_KIND_UNMATCHED_EVENT, f"fits no stop: {why}")

    async def _contradicts(self, seen: DeliveryEvent, cause: Cause, why: str) -> None:
        kind = ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT
        await self._report(seen, cause, kind, f"contradicts what is recorded: {why}")

    async def _report(self, seen: DeliveryEvent, cause: Cause, kind: ExceptionKind.ValueType, finding: str) -> None:
        await open_exception(
            self._journal,
            kind,
            f"{Milestone.Name(seen.milestone)} {finding}",
            cause,
            subject_id=seen.delivery_event_id,
            load_id=seen.load_id,
            stop_id=seen.stop_id,
            vehicle_id=seen.vehicle_id,
            evidence=(seen.delivery_event_id, *seen.evidence),
        )


def _edi_proof(found: Load, stop: Stop, seen: DeliveryEvent) -> ProofOfDelivery:
    """Return the proof that a carrier's word is: everything that was expected was kept."""
    lines = [
        PodLine(
            order_id=task.order_id,
            line_id=task.line_id,
            delivered=task.expected,
            accepted=task.expected,
            rejected=Quantity(value="0", unit_code=task.expected.unit_code),
        )
        for task in stop.tasks
    ]
    return ProofOfDelivery(
        pod_id=edi_pod_id(seen.delivery_event_id),
        load_id=found.load_id,
        stop_id=stop.stop_id,
        capture_time=seen.occur_time,
        methods=[PodMethod.POD_METHOD_EDI_ONLY],
        lines=lines,
        provenance=seen.provenance,
    )


def _cause(seen: DeliveryEvent, region: str) -> Cause:
    return Cause(
        request_id=seen.delivery_event_id,
        event_id=seen.delivery_event_id,
        region=region,
        actor=Actor(kind=ActorKind.ACTOR_KIND_DEVICE, id=seen.vehicle_id or "unknown"),
        occur_time=seen.occur_time.ToDatetime(tzinfo=UTC),
        receive_time=seen.receive_time.ToDatetime(tzinfo=UTC),
        provenance=seen.provenance,
    )


def _wish(seen: DeliveryEvent, epoch: int) -> Message | None:
    """Return the load command that a milestone asks for, None where it tells nothing about a stop."""
    time = StopTime(
        time=seen.occur_time,
        classifier=seen.classifier or Classifier.CLASSIFIER_ACTUAL,
        source=_SOURCES.get(seen.source, "inferred"),
        evidence_id=seen.delivery_event_id,
        corrects_evidence_id=seen.corrects_event_id,
    )
    if seen.milestone in _ARRIVED:
        return ArriveStop(stop_id=seen.stop_id, time=time, epoch=epoch)
    if seen.milestone in _DEPARTED:
        return DepartStop(stop_id=seen.stop_id, time=time, epoch=epoch)
    if seen.milestone in _APPROACHED:
        return ApproachStop(stop_id=seen.stop_id, time=time, epoch=epoch)
    if seen.milestone == Milestone.MILESTONE_LOADING_STARTED:
        return BeginStopService(stop_id=seen.stop_id, time=time, epoch=epoch)
    if seen.milestone in _FAILED:
        return FailStop(stop_id=seen.stop_id, time=time, reason=seen.raw_reason or Milestone.Name(seen.milestone))
    return None
