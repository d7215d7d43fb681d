"""What people do about loads on the road: breakdowns, other vehicles, hand-overs, hours, new plans."""

from __future__ import annotations

from datetime import UTC

import grpc
from google.protobuf.message import Message

from gladhand.calls import current_call
from gladhand.errors import InvalidArgument, NotFound, PermissionDenied
from gladhand.security.principal import Proof
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import (
    AcceptPlan,
    HandOverLoad,
    InterruptLoad,
    Load,
    OverrideHours,
    RequestReassignment,
    ResumeLoad,
    WithdrawPlan,
)
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load.road import ON_THE_ROAD
from services.orchestrator.deciders.load.rules import barred
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause
from services.orchestrator.processes.replanning import Wish
from services.orchestrator.servicer.desk import Methods, cause_of

OVERRIDE_SCOPE = "hours.override"
"""Who holds it may answer for a driver whose hours are not known to be enough."""

_Context = grpc.aio.ServicerContext


class RoadMethods(Methods):
    """The part of the service that concerns loads on the road."""

    async def InterruptLoad(
        self, request: api.InterruptLoadRequest, context: _Context[api.InterruptLoadRequest, api.InterruptLoadResponse]
    ) -> api.InterruptLoadResponse:
        """Record that the vehicle cannot go on, as a person tells it."""
        found = await self._load(request.load_id)
        if found.state not in ON_THE_ROAD:
            raise barred(found, "interrupting", "only a load on the road can be interrupted")
        cause = cause_of(request.request_id, region=found.region)
        accident = request.accident
        kind = ExceptionKind.EXCEPTION_KIND_ACCIDENT if accident else ExceptionKind.EXCEPTION_KIND_BREAKDOWN
        exception_id = await open_exception(
            self._desk.journal,
            kind,
            request.reason,
            cause,
            subject_id=found.load_id,
            detail=request.request_id,
            load_id=found.load_id,
            vehicle_id=found.assignments[-1].vehicle_id,
        )
        wish = InterruptLoad(reason="ACCIDENT" if accident else "MECHANICAL_BREAKDOWN", exception_id=exception_id)
        shown, version = await self._tell(request.load_id, wish, cause)
        return api.InterruptLoadResponse(load=shown, version=version)

    async def ResumeLoad(
        self, request: api.ResumeLoadRequest, context: _Context[api.ResumeLoadRequest, api.ResumeLoadResponse]
    ) -> api.ResumeLoadResponse:
        """Let the same vehicle go on."""
        shown, version = await self._tell(request.load_id, ResumeLoad(), await self._cause(request))
        return api.ResumeLoadResponse(load=shown, version=version)

    async def ReassignLoad(
        self, request: api.ReassignLoadRequest, context: _Context[api.ReassignLoadRequest, api.ReassignLoadResponse]
    ) -> api.ReassignLoadResponse:
        """Let another vehicle take over; the fleet is asked next."""
        wish = RequestReassignment(reassignment=request.reassignment)
        shown, version = await self._tell(request.load_id, wish, await self._cause(request))
        return api.ReassignLoadResponse(load=shown, version=version)

    async def HandOverLoad(
        self, request: api.HandOverLoadRequest, context: _Context[api.HandOverLoadRequest, api.HandOverLoadResponse]
    ) -> api.HandOverLoadResponse:
        """Record that goods passed to the vehicle that takes over."""
        wish = HandOverLoad(epoch=request.epoch, tasks=request.tasks, seal_numbers=request.seal_numbers)
        if request.HasField("time"):
            wish.time.CopyFrom(request.time)
        if request.HasField("location"):
            wish.location.CopyFrom(request.location)
        if request.HasField("temperature_celsius"):
            wish.temperature_celsius = request.temperature_celsius
        shown, version = await self._tell(request.load_id, wish, await self._cause(request))
        return api.HandOverLoadResponse(load=shown, version=version)

    async def OverrideDriverHours(
        self,
        request: api.OverrideDriverHoursRequest,
        context: _Context[api.OverrideDriverHoursRequest, api.OverrideDriverHoursResponse],
    ) -> api.OverrideDriverHoursResponse:
        """Answer for a driver whose hours are not known to be enough."""
        who = _answering(request.overridden_by)
        cause = await self._cause(request, person=who)
        wish = OverrideHours(epoch=request.epoch, overridden_by=who, scope=OVERRIDE_SCOPE, reason=request.reason)
        shown, version = await self._tell(request.load_id, wish, cause)
        return api.OverrideDriverHoursResponse(load=shown, version=version)

    async def ReplanLoad(
        self, request: api.ReplanLoadRequest, context: _Context[api.ReplanLoadRequest, api.ReplanLoadResponse]
    ) -> api.ReplanLoadResponse:
        """Propose a new plan of a load on the road."""
        wish = Wish(
            expected_plan_version=request.expected_plan_version,
            position=request.position if request.HasField("position") else None,
            start_time=request.start_time.ToDatetime(tzinfo=UTC) if request.HasField("start_time") else None,
            dropped_order_ids=tuple(request.dropped_order_ids),
            reason=request.reason,
        )
        outcome = await self._desk.replanning.propose(request.load_id, wish, await self._cause(request))
        return api.ReplanLoadResponse(load=outcome.state.load, version=outcome.version)

    async def AnswerPlan(
        self, request: api.AnswerPlanRequest, context: _Context[api.AnswerPlanRequest, api.AnswerPlanResponse]
    ) -> api.AnswerPlanResponse:
        """Answer a proposed plan for the fleet system or the driver."""
        taken: Message = AcceptPlan(plan_version=request.plan_version)
        if not request.accepted:
            taken = WithdrawPlan(plan_version=request.plan_version, code="REFUSED", reason=request.reason)
        shown, version = await self._tell(request.load_id, taken, await self._cause(request))
        return api.AnswerPlanResponse(load=shown, version=version)

    async def _load(self, load_id: str) -> Load:
        found = (await self._desk.journal.find(load.DECIDER, load_id)).state.load
        if found is None:
            raise NotFound("load", load_id, reason="LOAD_NOT_FOUND")
        return found

    async def _cause(
        self,
        request: api.ResumeLoadRequest
        | api.ReassignLoadRequest
        | api.HandOverLoadRequest
        | api.OverrideDriverHoursRequest
        | api.ReplanLoadRequest
        | api.AnswerPlanRequest,
        person: str = "",
    ) -> Cause:
        found = await self._load(request.load_id)
        return cause_of(request.request_id, region=found.region, person=person)

    async def _tell(self, load_id: str, wish: Message, cause: Cause) -> tuple[Load, int]:
        outcome = await self._desk.journal.load(load_id, wish, cause)
        shown = outcome.state.load
        if shown is None:
            raise NotFound("load", load_id, reason="LOAD_NOT_FOUND")
        return shown, outcome.version


def _answering(named: str) -> str:
    """Return who answers for a driver. Raises PermissionDenied where the caller's role may not."""
    caller = current_call().caller
    if caller is None or caller.proof is not Proof.TOKEN:
        if not named:
            raise InvalidArgument(
                "somebody must answer by name",
                field="overridden_by",
                remedy="name the person who answers for it, or call with a token",
            )
        return named
    if OVERRIDE_SCOPE not in (caller.scopes or frozenset()):
        raise PermissionDenied(
            f"only holders of the scope {OVERRIDE_SCOPE} may answer for a driver's hours",
            metadata={"scope": OVERRIDE_SCOPE},
        )
    return caller.name
