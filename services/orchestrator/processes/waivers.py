"""Waivers of the billing gate: recorded on the order with who gave them (domain reference 3.4, 3.5).

Whoever waives the proof of delivery says that the goods were delivered. What the vehicle has left without a proof is
then recorded as kept in full, so that there is something to bill; a proof that comes after all takes its place.
"""

from __future__ import annotations

from gladhand.errors import NotFound, PermissionDenied
from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.load.v1 import CompleteStop, Load, Stop, StopKind, StopTask, StopTime
from logistics.order.v1 import Order, WaiveOrderCheck
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Classifier, Quantity
from services.orchestrator.deciders import load, order
from services.orchestrator.exceptions import exception_id_of, settle_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.processes.fulfilment import FulfilmentDriver


def waiver_scope(policy: ProcessPolicy, check: GateCheckKind.ValueType) -> str:
    """Return the scope that a policy demands of whoever waives a check. Raises PermissionDenied where nobody may."""
    for rule in policy.billing.waivers:
        if rule.check == check:
            return rule.scope
    name = GateCheckKind.Name(check)
    raise PermissionDenied(
        f"policy {policy.name}@{policy.version} lets nobody waive {name}: put right what fails",
        reason="NOT_PERMITTED",
        metadata={"check": name, "policy": f"{policy.name}@{policy.version}"},
    )


class Waivers:
    """Records waivers; whether the caller may give one is asked before."""

    def __init__(self, journal: Journal, fulfilment: FulfilmentDriver) -> None:
        self._journal = journal
        self._fulfilment = fulfilment

    async def policy_of(self, order_id: str) -> ProcessPolicy:
        """Return the policy of a known order. Raises NotFound."""
        found = (await self._journal.find(order.DECIDER, order_id)).state.order
        if found is None:
            raise NotFound("order", order_id, reason="ORDER_NOT_FOUND")
        return await self._journal.policy_of(order_id, found.region)

    async def waive(
        self, order_id: str, check: GateCheckKind.ValueType, reason: str, person: str, cause: Cause
    ) -> tuple[GateCheck, int]:
        """Record a waiver and let the order go on; return the check as it stands and the order's version.

        Raises Rejected where the check cannot be waived or the gate is behind the order, and what the log raises.
        """
        told = GateCheck(kind=check, result=GateResult.GATE_RESULT_WAIVED, message=reason, waived_by=person)
        outcome = await self._journal.order(order_id, WaiveOrderCheck(check=told), cause)
        stood = outcome.state.waivers[check]
        if check == GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED and outcome.state.order is not None:
            await self._deliver_unproved(outcome.state.order, stood, cause)
        await self._fulfilment.drive(order_id, cause.event_id)
        return stood, outcome.version

    async def _deliver_unproved(self, waived: Order, stood: GateCheck, cause: Cause) -> None:
        for load_id in waived.load_ids:
            state = (await self._journal.find(load.DECIDER, load_id)).state
            for stop in state.load.stops if state.load is not None else ():
                if state.load is not None and _unproved(state, stop, waived.order_id):
                    await self._deliver(state.load, stop, stood, cause)

    async def _deliver(self, carried: Load, stop: Stop, stood: GateCheck, cause: Cause) -> None:
        time = StopTime(
            time=stop.departure.time,
            classifier=Classifier.CLASSIFIER_INFERRED,
            source="inferred",
            evidence_id=f"waiver/{stop.stop_id}",
        )
        wish = CompleteStop(stop_id=stop.stop_id, time=time, tasks=[_kept(task) for task in stop.tasks])
        await self._journal.load(carried.load_id, wish, cause.step("deliver", stop.stop_id))
        missed = exception_id_of(ExceptionKind.EXCEPTION_KIND_POD_MISSING, stop.stop_id)
        note = f"{stood.waived_by} waived the proof: {stood.message}"[:2000]
        await settle_exception(self._journal, missed, "WAIVED", note, cause.step("settle", stop.stop_id))


def _unproved(state: load.State, stop: Stop, order_id: str) -> bool:
    """Return whether the vehicle has left a delivery of the order and nobody told what became of the goods."""
    told = stop.HasField("completion") and f"{stop.stop_id}/completion" not in state.derived
    here = any(task.order_id == order_id for task in stop.tasks)
    return stop.kind == StopKind.STOP_KIND_DELIVERY and here and stop.HasField("departure") and not told


def _kept(task: StopTask) -> StopTask:
    done = StopTask()
    done.CopyFrom(task)
    done.actual.CopyFrom(task.expected)
    done.accepted.CopyFrom(task.expected)
    done.rejected.CopyFrom(Quantity(value="0", unit_code=task.expected.unit_code))
    return done
