"""Proofs of delivery: recorded, checked against their stop, and turned into the outcome of the stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from gladhand import ids
from gladhand.errors import NotFound
from gladhand.security.principal import Party
from logistics.exception.v1 import ExceptionKind, Gate, Hold
from logistics.load.v1 import CompleteStop, Load, Stop, StopKind, StopTask, StopTime
from logistics.order.v1 import CheckResult
from logistics.pod.v1 import (
    CapturePod,
    ConcludePod,
    PodCheck,
    PodCheckKind,
    PodLine,
    PodState,
    ProofOfDelivery,
    SupersedePod,
)
from logistics.type.v1 import Classifier, Quantity
from services.orchestrator.deciders import load, pod
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import SERVICE, Cause, Journal
from services.orchestrator.parties import carried_by
from services.orchestrator.phases.undoing import remedy
from services.orchestrator.pod_checks import check_pod
from services.orchestrator.policies import Policies
from services.orchestrator.processes.holds import Blocks, HoldRipple
from services.orchestrator.processes.retractions import Retractions
from services.orchestrator.quantities import ZERO, decimal_of, difference, is_zero, quantity_of, total
from services.orchestrator.riding import stop_of


class StopBook(Protocol):
    """Where a proof that names only its stop finds the load."""

    async def load_of_stop(self, stop_id: str) -> str | None:
        """Return the load that has a stop, None where none is known."""
        ...


class Proofs:
    """Records proofs of delivery."""

    def __init__(self, journal: Journal, stops: StopBook, policies: Policies, holds: HoldRipple) -> None:
        self._journal = journal
        self._holds = holds
        self._blocks = Blocks(journal)
        self._retractions = Retractions(journal)
        self._stops = stops
        self._policies = policies

    async def record(
        self, handed_in: ProofOfDelivery, cause: Cause, carrier: Party | None = None
    ) -> tuple[pod.State, int]:
        """Record a proof, check it, and complete its stop where it passes; return it and its version.

        The proof is kept whatever the checks say; a failed one stands as REJECTED beside an exception. Raises NotFound
        (STOP_NOT_FOUND) where no load has the stop, Rejected (MESSAGE_CONFLICT) where the same proof came with other
        content, and what the log raises. With a `carrier`, stops of loads that are not its own are not there. A repeat
        goes on where an earlier attempt was cut off.
        """
        load_id = handed_in.load_id or await self._stops.load_of_stop(handed_in.stop_id) or ""
        found = (await self._journal.find(load.DECIDER, load_id)).state.load if load_id else None
        stop = stop_of(found, handed_in.stop_id) if found is not None else None
        foreign = found is not None and carrier is not None and not carried_by(found, carrier)
        if found is None or foreign or stop is None or stop.kind != StopKind.STOP_KIND_DELIVERY:
            raise NotFound(
                "stop",
                handed_in.stop_id,
                message=f"no load delivers at stop {handed_in.stop_id!r}; name the stop of a delivery",
            )
        proof = ProofOfDelivery()
        proof.CopyFrom(handed_in)
        proof.load_id = found.load_id
        proof.region = found.region
        born = Cause(
            request_id=cause.request_id,
            event_id=cause.event_id or proof.provenance.raw_reference,
            correlation_id=found.load_id,
            region=found.region,
            actor=cause.actor,
            occur_time=cause.occur_time,
            receive_time=cause.receive_time,
            provenance=proof.provenance if proof.HasField("provenance") else None,
        )
        await self._journal.pod(proof.pod_id, CapturePod(pod=proof), born.step("capture"))
        recorded = await self._journal.find(pod.DECIDER, proof.pod_id)
        state = recorded.state
        if state.pod is not None and state.pod.state == PodState.POD_STATE_CAPTURED:
            checks = check_pod(proof, found, self._policies.in_region(found.region))
            judged = replace(born, event_id=recorded.last_event_id).step("conclude")
            await self._journal.pod(proof.pod_id, ConcludePod(checks=checks), judged)
        recorded = await self._journal.find(pod.DECIDER, proof.pod_id)
        concluded = recorded.state.pod
        if concluded is not None and concluded.state == PodState.POD_STATE_VALIDATED:
            await self._use(found, stop, concluded, replace(born, event_id=recorded.last_event_id))
            recorded = await self._journal.find(pod.DECIDER, proof.pod_id)
        elif concluded is not None and concluded.state == PodState.POD_STATE_REJECTED:
            await self._report(found, concluded, replace(born, event_id=recorded.last_event_id))
        return recorded.state, recorded.version

    async def _use(self, found: Load, stop: Stop, proof: ProofOfDelivery, cause: Cause) -> None:
        """Let a validated proof count: the newest of a stop does, and takes the place of the one before.

        Once an order was billed on the one before, another outcome changes nothing but that a person is told.
        """
        counting = next((pod_id for pod_id in reversed(stop.pod_ids) if pod_id != proof.pod_id), "")
        billed = await self._retractions.used_by(stop) if counting and proof.pod_id not in stop.pod_ids else None
        if billed is not None:
            if any(done not in stop.tasks for done in _outcomes(stop, proof)):
                message = f"Another proof shows another outcome than the one that was billed. {remedy(billed)}"
                await self._retractions.report(found, stop, message, cause.step("used"), billed.order_id)
            return
        await self._tell_held(found, stop, proof, cause)
        await self._complete(found, stop, proof, cause)
        now = (await self._journal.find(load.DECIDER, found.load_id)).state.load
        after = stop_of(now, stop.stop_id) if now is not None else None
        newest = after.pod_ids[-1] if after is not None and after.pod_ids else proof.pod_id
        for older in {counting, proof.pod_id} - {"", newest}:
            await self._journal.pod(older, SupersedePod(by_pod_id=newest), cause.step("supersede", older))

    async def _tell_held(self, found: Load, stop: Stop, proof: ProofOfDelivery, cause: Cause) -> None:
        """Tell of goods that were handed over although a hold blocked it, and let nobody bill them meanwhile.

        What happened at the door cannot be refused afterwards: the proof counts, and a person looks before billing.
        """
        held = await self._blocks.at_stop(found, stop)
        if not held:
            return
        names = ", ".join(each.hold_id for each in held)
        exception_id = await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT,
            f"Goods were handed over although a hold blocked their delivery ({names}): find out how, and release the "
            "hold of the billing that was placed with this once it is right to bill them.",
            cause,
            subject_id=proof.pod_id,
            detail="delivered under hold",
            order_id=proof.lines[0].order_id,
            load_id=found.load_id,
            stop_id=stop.stop_id,
            evidence=(proof.pod_id, *(each.hold_id for each in held)),
        )
        for order_id in dict.fromkeys(line.order_id for line in proof.lines):
            wanted = Hold(
                hold_id=ids.derive(proof.pod_id, order_id, "delivered under hold"),
                kind=held[0].kind,
                gates=[Gate.GATE_BILLING],
                order_id=order_id,
                exception_id=exception_id,
                reason=f"delivered under hold {names}"[:2000],
                placed_by=SERVICE.id,
                region=found.region,
            )
            born = replace(cause.step("hold", order_id), correlation_id=order_id, region=found.region)
            await self._holds.place(wanted, born)

    async def _complete(self, found: Load, stop: Stop, proof: ProofOfDelivery, cause: Cause) -> None:
        time = StopTime(
            time=proof.capture_time, classifier=Classifier.CLASSIFIER_ACTUAL, source="pod", evidence_id=proof.pod_id
        )
        reasons = list(dict.fromkeys(line.reason for line in proof.lines if line.reason))
        wish = CompleteStop(
            stop_id=stop.stop_id,
            time=time,
            tasks=_outcomes(stop, proof),
            pod_id=proof.pod_id,
            reason=",".join(reasons)[:200],
        )
        await self._journal.load(found.load_id, wish, cause.step("complete"))
        too_many = overage(stop, proof)
        if too_many:
            await open_exception(
                self._journal,
                ExceptionKind.EXCEPTION_KIND_OVERAGE,
                f"More was set down than the load was to bring: {too_many}. Fetch it, or let the ERP sell it.",
                cause.step("overage"),
                subject_id=proof.pod_id,
                order_id=proof.lines[0].order_id,
                load_id=found.load_id,
                stop_id=stop.stop_id,
                evidence=(proof.pod_id,),
            )

    async def _report(self, found: Load, proof: ProofOfDelivery, cause: Cause) -> None:
        failed = failed_checks(proof)
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_POD_INVALID,
            "A proof of delivery was rejected: " + "; ".join(check.message for check in failed),
            cause,
            subject_id=proof.pod_id,
            order_id=proof.lines[0].order_id,
            load_id=found.load_id,
            stop_id=proof.stop_id,
            evidence=(proof.pod_id,),
        )


def failed_checks(proof: ProofOfDelivery) -> list[PodCheck]:
    """Return the checks that a proof failed."""
    return [check for check in proof.checks if check.result == CheckResult.CHECK_RESULT_FAIL]


def reason_of(check: PodCheck) -> str:
    """Return the ErrorReason, without its prefix, that tells of a failed check."""
    return "POD_LINES_DO_NOT_ADD_UP" if check.kind == PodCheckKind.POD_CHECK_KIND_LINES_ADD_UP else "POD_INVALID"


def expected_part(line: PodLine, expected: Quantity) -> tuple[Quantity, Quantity]:
    """Return what counts as accepted and as rejected; what is beyond the expected quantity counts as neither."""
    kept = min(decimal_of(line.accepted), decimal_of(expected))
    back = min(decimal_of(line.rejected), difference(decimal_of(expected), kept))
    return quantity_of(kept, expected.unit_code), quantity_of(back, expected.unit_code)


def overage(stop: Stop, proof: ProofOfDelivery) -> str:
    """Return what a proof shows beyond what was expected at its stop, in words; empty where nothing."""
    expected = {(task.order_id, task.line_id): decimal_of(task.expected) for task in stop.tasks}
    found = []
    for line in proof.lines:
        more = difference(decimal_of(line.delivered), expected.get((line.order_id, line.line_id), ZERO))
        if more > ZERO:
            found.append(f"{more:f} of line {line.line_id}")
    return ", ".join(found)


def _outcomes(stop: Stop, proof: ProofOfDelivery) -> list[StopTask]:
    """Return the tasks of a stop with what the proof says became of them."""
    lines = {(line.order_id, line.line_id): line for line in proof.lines}
    tasks = []
    for task in stop.tasks:
        line = lines.get((task.order_id, task.line_id))
        done = StopTask()
        done.CopyFrom(task)
        if line is not None:
            kept, back = expected_part(line, task.expected)
            done.accepted.CopyFrom(kept)
            done.rejected.CopyFrom(back)
            done.actual.CopyFrom(quantity_of(total((decimal_of(kept), decimal_of(back))), task.expected.unit_code))
            done.reason = "" if is_zero(back) else line.reason
        tasks.append(done)
    return tasks
