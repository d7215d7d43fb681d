"""What the driver of loads asks of the fleet after something went wrong on the road.

The fleet ends one assignment and begins the next in one step, so that never two are live; each question has a request
id of its own, and before a refusal counts the fleet's own book is read: it may have happened all the same.
"""

from __future__ import annotations

import logging
from datetime import UTC, timedelta

from google.protobuf.message import Message

from gladhand import ids
from gladhand.bus.port import Bus
from gladhand.clock import Clock
from gladhand.decider import Rejected
from gladhand.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound
from logistics.dispatch.v1 import (
    DispatchLoadRequest,
    GetDriverRequest,
    GetLoadRequest,
    ReassignLoadRequest,
    ReplanLoadRequest,
)
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import (
    AcceptPlan,
    Assignment,
    CheckHours,
    DispatchLoad,
    FailReassignment,
    HandOverLoad,
    HoursVerdict,
    Load,
    LoadState,
    PlanProposal,
    ReassignLoad,
    WithdrawPlan,
)
from logistics.process.v1 import DriverHoursPolicy
from services.orchestrator import driver_hours
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load.offers import accepted_offer
from services.orchestrator.deciders.load.reassigning import named_by
from services.orchestrator.exceptions import exception_id_of, open_exception, reopen_exception, settle_exception
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases import haulage
from services.orchestrator.policies import Policies

log = logging.getLogger(__name__)

TIMER = "haulage"
"""Kind of the durable timers that wake a load; the key is its id."""

_HOURS_AGAIN = timedelta(minutes=1)
_REFUSALS = (FailedPrecondition, NotFound, InvalidArgument, Conflict)
_FAILED = ExceptionKind.EXCEPTION_KIND_REASSIGNMENT_FAILED
_HOURS = ExceptionKind.EXCEPTION_KIND_DRIVER_HOS_RISK


class Reassignments:
    """Takes the steps of a load after its first dispatch, and judges hours before every dispatch."""

    def __init__(self, journal: Journal, fleet: FleetGateway, bus: Bus, clock: Clock, policies: Policies) -> None:
        self._journal = journal
        self._fleet = fleet
        self._bus = bus
        self._clock = clock
        self._policies = policies

    def hours_due(self, found: Load) -> bool:
        """Return whether the hours of the driver in charge must be judged before the next dispatch.

        A carrier answers for the hours of its own drivers, and shows their clocks to nobody.
        """
        return (
            bool(found.assignments)
            and accepted_offer(found) is None
            and driver_hours.due(found.assignments[-1], self._hours_policy(found), self._clock.now())
        )

    async def take(self, step: haulage.Step, found: Load, cause: Cause) -> bool:
        """Take one step; return whether it was the last one for now."""
        match step:
            case haulage.CheckHours():
                return await self._check_hours(found, cause)
            case haulage.Reassign():
                return await self._reassign(found, cause)
            case haulage.DispatchAnew():
                return await self._dispatch(found, cause)
            case haulage.HandOver():
                return await self._tell(found, HandOverLoad(epoch=found.assignments[-1].epoch), cause)
            case haulage.OfferPlan():
                return await self._offer(found, cause)
            case _:
                return True

    async def _check_hours(self, found: Load, cause: Cause) -> bool:
        last = found.assignments[-1]
        driver = None
        if last.driver_ids:
            try:
                driver = (await self._fleet.get_driver(GetDriverRequest(driver_id=last.driver_ids[0]))).driver
            except NotFound:
                log.warning("load %s: the fleet does not know driver %s", found.load_id, last.driver_ids[0])
        check = driver_hours.judge(driver, found, self._hours_policy(found), self._clock.now())
        await self._journal.load(found.load_id, CheckHours(check=check, epoch=last.epoch), cause)
        exception_id = exception_id_of(_HOURS, found.load_id)
        if check.verdict == HoursVerdict.HOURS_VERDICT_ENOUGH:
            await settle_exception(self._journal, exception_id, "ENOUGH", "the hours are enough", cause)
            return False
        await open_exception(
            self._journal, _HOURS, check.message, cause, subject_id=found.load_id, load_id=found.load_id,
            vehicle_id=last.vehicle_id,
        )  # fmt: skip
        await reopen_exception(self._journal, exception_id, check.message, cause)
        if found.state == LoadState.LOAD_STATE_REASSIGNING:
            return await self._give_up(found, check.message, cause)
        await self._bus.timers.set(TIMER, found.load_id, self._clock.now() + _HOURS_AGAIN)
        return True

    async def _reassign(self, found: Load, cause: Cause) -> bool:
        wish, last = found.reassignment, found.assignments[-1]
        if not last.dispatch_reference and named_by(wish, last):
            # It was begun before and not dispatched: it is taken up again, and the fleet need not be asked.
            return await self._tell(found, ReassignLoad(assignment=last), cause)
        request = ReassignLoadRequest(
            request_id=ids.derive(found.load_id, "reassign", str(last.epoch), wish.vehicle_id, wish.driver_id),
            load_id=found.load_id,
            expected_epoch=last.epoch,
            vehicle_id=wish.vehicle_id,
            driver_id=wish.driver_id,
            reason=wish.reason or "breakdown",
            vehicle_out_of_service=wish.vehicle_out_of_service,
        )
        if wish.HasField("hand_over"):
            request.hand_over.CopyFrom(wish.hand_over)
        try:
            assignment = (await self._fleet.reassign_load(request)).assignment
        except _REFUSALS as refusal:
            begun = await self._in_book(found)
            if begun is None or begun.epoch != last.epoch + 1 or not named_by(wish, begun):
                return await self._give_up(found, f"The fleet refused to reassign: {refusal.message}", cause)
            assignment = begun
        return await self._tell(found, ReassignLoad(assignment=assignment), cause)

    async def _dispatch(self, found: Load, cause: Cause) -> bool:
        epoch = found.assignments[-1].epoch
        request = DispatchLoadRequest(
            request_id=ids.derive(found.load_id, "dispatch", str(epoch), str(found.plan_version)),
            load_id=found.load_id,
            expected_epoch=epoch,
        )
        try:
            reference = (await self._fleet.dispatch_load(request)).dispatch_reference
        except _REFUSALS as refusal:
            begun = await self._in_book(found)
            if begun is None or begun.epoch != epoch or not begun.dispatch_reference:
                return await self._give_up(found, f"The fleet refused to dispatch: {refusal.message}", cause)
            reference = begun.dispatch_reference
        return await self._tell(found, DispatchLoad(dispatch_reference=reference, epoch=epoch), cause)

    async def _in_book(self, found: Load) -> Assignment | None:
        """Return the live assignment as the fleet's book has it, with its dispatch; None where it has none."""
        try:
            book = (await self._fleet.get_load(GetLoadRequest(load_id=found.load_id))).load
        except NotFound:
            return None
        if not book.assignments or book.assignments[-1].HasField("end_time"):
            return None
        live = Assignment()
        live.CopyFrom(book.assignments[-1])
        if book.state == LoadState.LOAD_STATE_DISPATCHED:
            live.dispatch_reference = book.dispatch_reference
        return live

    async def _give_up(self, found: Load, why: str, cause: Cause) -> bool:
        """Let the load wait for a person again. The exception comes first: a crash in between only repeats it."""
        exception_id = await open_exception(
            self._journal,
            _FAILED,
            f"{why}. Name another vehicle or driver.",
            cause,
            subject_id=found.load_id,
            load_id=found.load_id,
            vehicle_id=found.reassignment.vehicle_id,
        )
        await reopen_exception(self._journal, exception_id, why[:2000], cause)
        await self._tell(found, FailReassignment(reason=why[:2000]), cause)
        return True

    async def _offer(self, found: Load, cause: Cause) -> bool:
        """Let the fleet acknowledge the proposal. Without an answer in time, or refused, the old plan stays."""
        proposal = found.proposal
        accepted = AcceptPlan(plan_version=proposal.plan_version)
        if await self._acknowledged(found, proposal):
            return await self._tell(found, accepted, cause)
        if self._clock.now() >= proposal.expire_time.ToDatetime(tzinfo=UTC):
            return await self._withdraw(found, "EXPIRED", "nobody acknowledged the plan in time", cause)
        # Set again at every look: a timer that is lost is only late.
        await self._bus.timers.set(TIMER, found.load_id, proposal.expire_time.ToDatetime(tzinfo=UTC))
        version = proposal.fleet_plan_version or proposal.plan_version
        request = ReplanLoadRequest(
            request_id=ids.derive(found.load_id, "offer", str(version), str(proposal.plan_version)),
            load_id=found.load_id,
            expected_plan_version=version - 1,
            locked_stop_ids=proposal.locked_stop_ids,
            reason=proposal.reason,
            proposed_load=offered(found, proposal),
        )
        try:
            answer = await self._fleet.replan_load(request)
        except _REFUSALS as refusal:
            return await self._withdraw(found, "REFUSED", refusal.message, cause)
        return True if answer.pending else await self._tell(found, accepted, cause)

    async def _acknowledged(self, found: Load, proposal: PlanProposal) -> bool:
        """Whether the fleet's book has the proposed plan already."""
        try:
            book = (await self._fleet.get_load(GetLoadRequest(load_id=found.load_id))).load
        except NotFound:
            return False
        version = proposal.fleet_plan_version or proposal.plan_version
        planned = [stop.stop_id for stop in proposal.stops]
        return book.plan_version == version and [stop.stop_id for stop in book.stops] == planned

    async def _withdraw(self, found: Load, code: str, why: str, cause: Cause) -> bool:
        wish = WithdrawPlan(plan_version=found.proposal.plan_version, code=code, reason=why[:2000])
        return await self._tell(found, wish, cause)

    async def _tell(self, found: Load, wish: Message, cause: Cause) -> bool:
        """Record a step; return whether the load must be left alone, since it is no longer where the step began."""
        try:
            await self._journal.load(found.load_id, wish, cause.step(wish.DESCRIPTOR.name))
        except Rejected as refusal:
            now = (await self._journal.find(load.DECIDER, found.load_id)).state.load
            if now is None or now.version == found.version:
                raise
            log.info("load %s went on meanwhile: %s", found.load_id, refusal.message)
        return False

    def _hours_policy(self, found: Load) -> DriverHoursPolicy:
        return self._policies.in_region(found.region).driver_hours


def offered(found: Load, proposal: PlanProposal) -> Load:
    """Return the plan of a proposal as the fleet is asked to put it in force."""
    plan = Load(load_id=found.load_id, region=found.region, plan_version=proposal.plan_version, stops=proposal.stops)
    if proposal.HasField("figures"):
        plan.figures.CopyFrom(proposal.figures)
    return plan
