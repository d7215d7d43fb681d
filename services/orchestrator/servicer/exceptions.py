"""Exceptions: what went wrong, and who sees to it."""

from __future__ import annotations

import grpc
from google.protobuf.message import Message

from gladhand.errors import NotFound
from logistics.exception.v1 import (
    AcknowledgeException,
    BeginExceptionWork,
    CloseException,
    OpenException,
    SettleException,
    VoidException,
)
from logistics.exception.v1 import Exception as LogisticsException
from logistics.orchestrator.v1 import (
    AcknowledgeExceptionRequest,
    AcknowledgeExceptionResponse,
    BeginExceptionWorkRequest,
    BeginExceptionWorkResponse,
    CloseExceptionRequest,
    CloseExceptionResponse,
    GetExceptionRequest,
    GetExceptionResponse,
    ListExceptionsRequest,
    ListExceptionsResponse,
    OpenExceptionRequest,
    OpenExceptionResponse,
    ReopenExceptionRequest,
    ReopenExceptionResponse,
    ResolveExceptionRequest,
    ResolveExceptionResponse,
    VoidExceptionRequest,
    VoidExceptionResponse,
)
from services.orchestrator.deciders import exception
from services.orchestrator.exception_rules import reopening, ruled
from services.orchestrator.servicer.desk import Methods, cause_of, proven


class ExceptionMethods(Methods):
    """The part of the service that concerns what went wrong."""

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
            load_id=request.load_id,
        )
        return ListExceptionsResponse(exceptions=page.items, next_page_token=page.next_token)

    async def OpenException(
        self,
        request: OpenExceptionRequest,
        context: grpc.aio.ServicerContext[OpenExceptionRequest, OpenExceptionResponse],
    ) -> OpenExceptionResponse:
        """Open an exception that a gateway or a person found; what it does not say, policy and contract do."""
        told = request.exception
        cause = cause_of(request.request_id, region=told.region)
        policy = await self._desk.journal.policy_of(told.order_id, told.region)
        wish = OpenException(exception=ruled(told, policy, self._desk.clock.now()))
        outcome = await self._desk.journal.exception(request.exception.exception_id, wish, cause)
        return OpenExceptionResponse(exception=outcome.state.exception, version=outcome.version)

    async def ResolveException(
        self,
        request: ResolveExceptionRequest,
        context: grpc.aio.ServicerContext[ResolveExceptionRequest, ResolveExceptionResponse],
    ) -> ResolveExceptionResponse:
        """Record that an exception is put right; what waited for it goes on."""
        await self._known(request.exception_id)
        cause = cause_of(request.request_id)
        wish = SettleException(code=request.code, note=request.note)
        outcome = await self._desk.journal.exception(request.exception_id, wish, cause)
        settled = outcome.state.exception
        if settled is not None:
            await self._desk.resolutions.go_on(settled, cause)
        return ResolveExceptionResponse(exception=settled, version=outcome.version)

    async def AcknowledgeException(
        self,
        request: AcknowledgeExceptionRequest,
        context: grpc.aio.ServicerContext[AcknowledgeExceptionRequest, AcknowledgeExceptionResponse],
    ) -> AcknowledgeExceptionResponse:
        """Take note of an exception; the caller owns it unless it names somebody else."""
        changed, version = await self._change(
            request.exception_id, AcknowledgeException(owner=request.owner or proven()), request.request_id
        )
        return AcknowledgeExceptionResponse(exception=changed, version=version)

    async def BeginExceptionWork(
        self,
        request: BeginExceptionWorkRequest,
        context: grpc.aio.ServicerContext[BeginExceptionWorkRequest, BeginExceptionWorkResponse],
    ) -> BeginExceptionWorkResponse:
        """Begin to work on an exception; the caller owns it unless it names somebody else."""
        changed, version = await self._change(
            request.exception_id, BeginExceptionWork(owner=request.owner or proven()), request.request_id
        )
        return BeginExceptionWorkResponse(exception=changed, version=version)

    async def CloseException(
        self,
        request: CloseExceptionRequest,
        context: grpc.aio.ServicerContext[CloseExceptionRequest, CloseExceptionResponse],
    ) -> CloseExceptionResponse:
        """Close an exception that is resolved."""
        changed, version = await self._change(request.exception_id, CloseException(), request.request_id)
        return CloseExceptionResponse(exception=changed, version=version)

    async def VoidException(
        self,
        request: VoidExceptionRequest,
        context: grpc.aio.ServicerContext[VoidExceptionRequest, VoidExceptionResponse],
    ) -> VoidExceptionResponse:
        """Record that an exception was never true."""
        changed, version = await self._change(
            request.exception_id, VoidException(reason=request.reason), request.request_id
        )
        return VoidExceptionResponse(exception=changed, version=version)

    async def ReopenException(
        self,
        request: ReopenExceptionRequest,
        context: grpc.aio.ServicerContext[ReopenExceptionRequest, ReopenExceptionResponse],
    ) -> ReopenExceptionResponse:
        """Record that an exception came back; it is due anew."""
        found = await self._known(request.exception_id)
        policy = await self._desk.journal.policy_of(found.order_id, found.region)
        wish = reopening(found, request.reason, policy, self._desk.clock.now())
        changed, version = await self._change(request.exception_id, wish, request.request_id)
        return ReopenExceptionResponse(exception=changed, version=version)

    async def _known(self, exception_id: str) -> LogisticsException:
        found = (await self._desk.journal.find(exception.DECIDER, exception_id)).state.exception
        if found is None:
            raise NotFound("exception", exception_id, reason="EXCEPTION_NOT_FOUND")
        return found

    async def _change(self, exception_id: str, wish: Message, request_id: str) -> tuple[LogisticsException | None, int]:
        """Command an exception; return it and its version. Raises NotFound and what the decider refuses."""
        await self._known(exception_id)
        outcome = await self._desk.journal.exception(exception_id, wish, cause_of(request_id))
        return outcome.state.exception, outcome.version
