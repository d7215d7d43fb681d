"""Exceptions and holds."""

from __future__ import annotations

import grpc

from gladhand import ids
from gladhand.errors import InvalidArgument, NotFound
from logistics.exception.v1 import Hold, LiftHold, OpenException, SetHold, SettleException
from logistics.orchestrator.v1 import (
    GetExceptionRequest,
    GetExceptionResponse,
    ListExceptionsRequest,
    ListExceptionsResponse,
    ListHoldsRequest,
    ListHoldsResponse,
    OpenExceptionRequest,
    OpenExceptionResponse,
    PlaceHoldRequest,
    PlaceHoldResponse,
    ReleaseHoldRequest,
    ReleaseHoldResponse,
    ResolveExceptionRequest,
    ResolveExceptionResponse,
)
from services.orchestrator.deciders import exception, hold, load, order
from services.orchestrator.servicer.desk import Methods, cause_of


class ExceptionMethods(Methods):
    """The part of the service that concerns what went wrong and what blocks."""

    async def GetException(
        self, request: GetExceptionRequest, context: grpc.aio.ServicerContext[GetExceptionRequest, GetExceptionResponse]
    ) -> GetExceptionResponse:
        """Read one exception."""
        found = await self._desk.read_model.exception(request.exception_id, request.at_least_version)
        if found is None:
            raise NotFound("exception", request.exception_id, reason="EXCEPTION_NOT_FOUND")
        return GetExceptionResponse(exception=found)

    async def ListExceptions(
        self,
        request: ListExceptionsRequest,
        context: grpc.aio.ServicerContext[ListExceptionsRequest, ListExceptionsResponse],
    ) -> ListExceptionsResponse:
        """List exceptions, newest first."""
        page = await self._desk.read_model.exceptions(
            page_size=request.page_size,
            page_token=request.page_token,
            states=request.states,
            order_id=request.order_id,
        )
        return ListExceptionsResponse(exceptions=page.items, next_page_token=page.next_token)

    async def OpenException(
        self,
        request: OpenExceptionRequest,
        context: grpc.aio.ServicerContext[OpenExceptionRequest, OpenExceptionResponse],
    ) -> OpenExceptionResponse:
        """Open an exception that a gateway or a person found."""
        cause = cause_of(request.request_id, region=request.exception.region)
        wish = OpenException(exception=request.exception)
        outcome = await self._desk.journal.exception(request.exception.exception_id, wish, cause)
        return OpenExceptionResponse(exception=outcome.state.exception, version=outcome.version)

    async def ResolveException(
        self,
        request: ResolveExceptionRequest,
        context: grpc.aio.ServicerContext[ResolveExceptionRequest, ResolveExceptionResponse],
    ) -> ResolveExceptionResponse:
        """Record that an exception is put right; what waited for it goes on."""
        found = await self._desk.journal.find(exception.DECIDER, request.exception_id)
        if not found.version:
            raise NotFound("exception", request.exception_id, reason="EXCEPTION_NOT_FOUND")
        cause = cause_of(request.request_id)
        wish = SettleException(code=request.code, note=request.note)
        outcome = await self._desk.journal.exception(request.exception_id, wish, cause)
        settled = outcome.state.exception
        if settled is not None:
            await self._desk.resolutions.go_on(settled, cause)
        return ResolveExceptionResponse(exception=settled, version=outcome.version)

    async def ListHolds(
        self, request: ListHoldsRequest, context: grpc.aio.ServicerContext[ListHoldsRequest, ListHoldsResponse]
    ) -> ListHoldsResponse:
        """List holds, newest first."""
        page = await self._desk.read_model.holds(
            page_size=request.page_size,
            page_token=request.page_token,
            order_id=request.order_id,
            active_only=request.active_only,
        )
        return ListHoldsResponse(holds=page.items, next_page_token=page.next_token)

    async def PlaceHold(
        self, request: PlaceHoldRequest, context: grpc.aio.ServicerContext[PlaceHoldRequest, PlaceHoldResponse]
    ) -> PlaceHoldResponse:
        """Place a hold; when this answers, it blocks."""
        region = await self._region_of(request.hold)
        hold_id = request.hold.hold_id or ids.derive(request.request_id, "hold")
        placed = Hold()
        placed.CopyFrom(request.hold)
        placed.hold_id = hold_id
        placed.region = region
        cause = cause_of(request.request_id, region=region)
        outcome = await self._desk.journal.hold(hold_id, SetHold(hold=placed), cause)
        recorded = outcome.state.hold
        if recorded is not None:
            await self._desk.holds.apply(recorded, cause)
        return PlaceHoldResponse(hold=recorded, version=outcome.version)

    async def _region_of(self, wanted: Hold) -> str:
        """Return the region of what a hold is to block. Raises where it names nothing, both, or nothing known."""
        if bool(wanted.order_id) == bool(wanted.load_id):
            raise InvalidArgument(
                "a hold blocks one order or one load",
                field="hold.order_id",
                remedy="set exactly one of order_id, load_id",
            )
        if wanted.order_id:
            found = (await self._desk.journal.find(order.DECIDER, wanted.order_id)).state.order
            if found is None:
                raise NotFound("order", wanted.order_id, reason="ORDER_NOT_FOUND")
            return found.region
        carried = (await self._desk.journal.find(load.DECIDER, wanted.load_id)).state.load
        if carried is None:
            raise NotFound("load", wanted.load_id, reason="LOAD_NOT_FOUND")
        return carried.region

    async def ReleaseHold(
        self, request: ReleaseHoldRequest, context: grpc.aio.ServicerContext[ReleaseHoldRequest, ReleaseHoldResponse]
    ) -> ReleaseHoldResponse:
        """Release a hold; what waited for it goes on."""
        if not (await self._desk.journal.find(hold.DECIDER, request.hold_id)).version:
            raise NotFound("hold", request.hold_id, reason="HOLD_NOT_FOUND")
        cause = cause_of(request.request_id, person=request.released_by)
        wish = LiftHold(released_by=request.released_by, evidence=request.evidence)
        outcome = await self._desk.journal.hold(request.hold_id, wish, cause)
        released = outcome.state.hold
        if released is not None:
            await self._desk.holds.apply(released, cause)
        return ReleaseHoldResponse(hold=released, version=outcome.version)
