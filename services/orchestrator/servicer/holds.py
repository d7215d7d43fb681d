"""Holds: what blocks, who placed it, and who may let things go on."""

from __future__ import annotations

import grpc

from gladhand import ids
from gladhand.errors import InvalidArgument, NotFound
from logistics.exception.v1 import Hold, LiftHold
from logistics.orchestrator.v1 import (
    BlockedByRequest,
    BlockedByResponse,
    Blocker,
    ListHoldsRequest,
    ListHoldsResponse,
    PlaceHoldRequest,
    PlaceHoldResponse,
    ReleaseHoldRequest,
    ReleaseHoldResponse,
)
from services.orchestrator.blocking import RELEASE, Subject, release_scope
from services.orchestrator.deciders import hold, invoice, load, order
from services.orchestrator.riding import stop_of
from services.orchestrator.servicer.desk import Methods, cause_of, check_scope, proven


class HoldMethods(Methods):
    """The part of the service that concerns what blocks."""

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
        placed = Hold()
        placed.CopyFrom(request.hold)
        await self._complete(placed)
        placed.hold_id = request.hold.hold_id or ids.derive(request.request_id, "hold")
        placed.placed_by = proven() or request.hold.placed_by
        cause = cause_of(request.request_id, region=placed.region)
        recorded, version = await self._desk.holds.place(placed, cause)
        return PlaceHoldResponse(hold=recorded, version=version)

    async def ReleaseHold(
        self, request: ReleaseHoldRequest, context: grpc.aio.ServicerContext[ReleaseHoldRequest, ReleaseHoldResponse]
    ) -> ReleaseHoldResponse:
        """Release a hold; what waited for it goes on. Whom four eyes are asked of is who proved it, not who says it."""
        found = (await self._desk.journal.find(hold.DECIDER, request.hold_id)).state.hold
        if found is None:
            raise NotFound("hold", request.hold_id, reason="HOLD_NOT_FOUND")
        scope = release_scope(await self._desk.journal.policy_of(found.order_id, found.region), found.kind)
        if scope != RELEASE:
            check_scope(scope, "release such a hold")
        person = proven() or request.released_by
        cause = cause_of(request.request_id) if proven() else cause_of(request.request_id, person=person)
        wish = LiftHold(released_by=person, evidence=request.evidence)
        outcome = await self._desk.journal.hold(request.hold_id, wish, cause)
        released = outcome.state.hold
        if released is not None:
            await self._desk.holds.apply(released, cause)
        return ReleaseHoldResponse(hold=released, version=outcome.version)

    async def BlockedBy(
        self, request: BlockedByRequest, context: grpc.aio.ServicerContext[BlockedByRequest, BlockedByResponse]
    ) -> BlockedByResponse:
        """Tell what blocks a gate of a subject, and who may release it."""
        asked = Hold(
            order_id=request.order_id,
            load_id=request.load_id,
            stop_id=request.stop_id,
            line_id=request.line_id,
            invoice_id=request.invoice_id,
        )
        await self._complete(asked)
        subject = Subject(asked.order_id, asked.load_id, asked.stop_id, asked.line_id, asked.invoice_id)
        found = await self._desk.blocks.blocked_by(subject, request.gate)
        blockers = [
            Blocker(hold=one.hold, stands_on=one.stands_on, release_scope=one.release_scope, not_by=one.not_by)
            for one in found
        ]
        return BlockedByResponse(blocked=bool(blockers), blockers=blockers)

    async def _complete(self, wanted: Hold) -> None:
        """Fill in order and region of what a hold is about. Raises where it names nothing, both, or nothing known."""
        if wanted.invoice_id and not wanted.order_id:
            billed = (await self._desk.journal.find(invoice.DECIDER, wanted.invoice_id)).state.invoice
            if billed is None:
                raise NotFound("invoice", wanted.invoice_id, reason="INVOICE_NOT_FOUND")
            wanted.order_id = billed.order_id
        if bool(wanted.order_id) == bool(wanted.load_id):
            raise InvalidArgument(
                "a hold blocks one order or one load",
                field="hold.order_id",
                remedy="set exactly one of order_id, load_id",
            )
        wanted.region = await (self._order_region(wanted) if wanted.order_id else self._load_region(wanted))

    async def _order_region(self, wanted: Hold) -> str:
        found = (await self._desk.journal.find(order.DECIDER, wanted.order_id)).state.order
        if found is None:
            raise NotFound("order", wanted.order_id, reason="ORDER_NOT_FOUND")
        if wanted.line_id and all(line.line_id != wanted.line_id for line in found.lines):
            raise InvalidArgument(
                f"order {wanted.order_id} has no line {wanted.line_id}",
                field="hold.line_id",
                remedy="name one of its lines",
            )
        return found.region

    async def _load_region(self, wanted: Hold) -> str:
        carried = (await self._desk.journal.find(load.DECIDER, wanted.load_id)).state.load
        if carried is None:
            raise NotFound("load", wanted.load_id, reason="LOAD_NOT_FOUND")
        if wanted.stop_id and stop_of(carried, wanted.stop_id) is None:
            raise NotFound("stop", wanted.stop_id, reason="STOP_NOT_FOUND")
        return carried.region
