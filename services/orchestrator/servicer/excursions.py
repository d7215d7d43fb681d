"""Excursions: what happened to goods that must be kept cold, and who decides about it."""

from __future__ import annotations

import grpc

from gladhand.calls import current_call
from gladhand.envelope import EnvelopeType
from gladhand.errors import InvalidArgument, NotFound, PermissionDenied
from gladhand.security.principal import Proof
from logistics.exception.v1 import Excursion, ExcursionDecision
from logistics.load.v1 import LoadEvent
from logistics.orchestrator.v1 import (
    DecideExcursionRequest,
    DecideExcursionResponse,
    GetExcursionRequest,
    GetExcursionResponse,
    ListExcursionsRequest,
    ListExcursionsResponse,
)
from logistics.type.v1 import ActorKind
from services.orchestrator.cold_chain import reviewer_scope
from services.orchestrator.deciders import excursion, order
from services.orchestrator.servicer.desk import Methods, cause_of

DISPATCHER_SCOPE = "loads.write"
"""Who holds it may plan and send out loads, and so does not decide about their goods."""

_DISPATCHING = frozenset({"assigned", "reassigned", "dispatched"})


class ExcursionMethods(Methods):
    """The part of the service that concerns the cold chain."""

    async def GetExcursion(
        self, request: GetExcursionRequest, context: grpc.aio.ServicerContext[GetExcursionRequest, GetExcursionResponse]
    ) -> GetExcursionResponse:
        """Read one excursion."""
        found = await self._desk.read_model.excursion(request.excursion_id, request.at_least_version)
        if found is None:
            raise NotFound("excursion", request.excursion_id, reason="EXCURSION_NOT_FOUND")
        return GetExcursionResponse(excursion=found)

    async def ListExcursions(
        self,
        request: ListExcursionsRequest,
        context: grpc.aio.ServicerContext[ListExcursionsRequest, ListExcursionsResponse],
    ) -> ListExcursionsResponse:
        """List excursions, newest first."""
        page = await self._desk.read_model.excursions(
            page_size=request.page_size,
            page_token=request.page_token,
            states=request.states,
            order_id=request.order_id,
        )
        return ListExcursionsResponse(excursions=page.items, next_page_token=page.next_token)

    async def DecideExcursion(
        self,
        request: DecideExcursionRequest,
        context: grpc.aio.ServicerContext[DecideExcursionRequest, DecideExcursionResponse],
    ) -> DecideExcursionResponse:
        """Decide a compliance review; when this answers, the order is let go, or its goods are rejected."""
        shown = (await self._desk.journal.find(excursion.DECIDER, request.excursion_id)).state.excursion
        if shown is None:
            raise NotFound("excursion", request.excursion_id, reason="EXCURSION_NOT_FOUND")
        decision = ExcursionDecision()
        decision.CopyFrom(request.decision)
        decision.decided_by = await self._reviewer(shown, request.decision.decided_by)
        cause = cause_of(request.request_id, region=shown.region, person=decision.decided_by)
        dispatched_by = await self._dispatchers(shown.load_id)
        decided, version = await self._desk.cold_chain.decide(shown, decision, dispatched_by, cause)
        return DecideExcursionResponse(excursion=decided, version=version)

    async def _reviewer(self, shown: Excursion, named: str) -> str:
        """Return who decides. Raises PermissionDenied where the caller's role may not."""
        caller = current_call().caller
        if caller is None or caller.proof is not Proof.TOKEN:
            if not named:
                raise InvalidArgument(
                    "somebody must decide by name",
                    field="decision.decided_by",
                    remedy="name the person who decides, or call with a token",
                )
            return named
        sold = (await self._desk.journal.find(order.DECIDER, shown.order_id)).state.order
        if sold is None:
            raise NotFound("order", shown.order_id, reason="ORDER_NOT_FOUND")
        scopes = caller.scopes or frozenset()
        wanted = reviewer_scope(self._desk.policies.of(sold).cold_chain)
        if wanted not in scopes:
            raise PermissionDenied(
                f"the order's policy lets only holders of the scope {wanted} decide about its excursions",
                metadata={"scope": wanted},
            )
        if DISPATCHER_SCOPE in scopes:
            raise PermissionDenied(
                f"whoever may send out loads ({DISPATCHER_SCOPE}) may not decide about their goods; "
                "decide with a token without that scope",
                metadata={"scope": DISPATCHER_SCOPE},
            )
        return caller.name

    async def _dispatchers(self, load_id: str) -> list[str]:
        """Return the people and partners that sent the load out, or named who drives it."""
        kind = EnvelopeType.of(LoadEvent)
        events = [recorded.event for recorded in await self._desk.store.read(kind, load_id)]
        actors = [event.actor for event in events if event.WhichOneof("body") in _DISPATCHING]
        return sorted({actor.id for actor in actors if actor.kind != ActorKind.ACTOR_KIND_SERVICE})
