"""One process that serves holds in version 1 and 2 at once: two doors to one decider, the new one."""

from __future__ import annotations

from typing import Any, cast

from gladhand.calls import current_call
from gladhand.envelope import Stamp
from gladhand.execute import Executor
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from logistics.exception import v1
from logistics.orchestrator.v1 import (
    OrchestratorServiceServicer,
    PlaceHoldRequest,
    PlaceHoldResponse,
    ReleaseHoldRequest,
    ReleaseHoldResponse,
    add_OrchestratorServiceServicer_to_server,
)
from logistics.type.v1 import Actor, ActorKind
from tests.adapters.versions.hold_v2 import (
    DECIDER,
    Command,
    Extend,
    Place,
    Release,
    placed_down,
    placed_up,
    v2,
    v2_grpc,
)


class Holds:
    """The one way to a hold; both servicers stand on it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def ask(self, request_id: str, hold_id: str, command: Command) -> Any:
        """Carry out a command and return the hold of version 2."""
        stamp = Stamp(
            request_id,
            region="us",
            correlation_id=hold_id,
            actor=Actor(kind=ActorKind.ACTOR_KIND_SERVICE, id="new-replica"),
        )
        assert current_call() is not None, "reached through the chain"
        return (await self._executor.execute(DECIDER, hold_id, command, stamp)).state.hold


class ServicerV1(OrchestratorServiceServicer):
    """Version 1, as its clients know it: requests go up, answers come down."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    async def PlaceHold(self, request: PlaceHoldRequest, context: Any) -> PlaceHoldResponse:
        placed = placed_up(v1.HoldPlaced(hold=request.hold), None)
        hold = await self._holds.ask(request.request_id, request.hold.hold_id, Place(placed.hold))
        return PlaceHoldResponse(hold=shown_in_v1(hold), version=hold.version)

    async def ReleaseHold(self, request: ReleaseHoldRequest, context: Any) -> ReleaseHoldResponse:
        wish = Release(request.released_by, request.evidence)
        hold = await self._holds.ask(request.request_id, request.hold_id, wish)
        return ReleaseHoldResponse(hold=shown_in_v1(hold), version=hold.version)


def shown_in_v1(hold: Any) -> v1.Hold:
    """A hold as version 1 shows it."""
    shown = placed_down(v2.HoldPlaced(hold=hold)).hold
    shown.state = hold.state
    shown.released_by = hold.released_by
    shown.version = hold.version
    return shown


class ServicerV2(v2_grpc.HoldServiceServicer):  # type: ignore[misc] # compiled at run time
    """Version 2."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    async def PlaceHold(self, request: Any, context: Any) -> Any:
        hold = await self._holds.ask(request.request_id, request.hold.hold_id, Place(request.hold))
        return v2.PlaceHoldResponse(hold=hold)

    async def ReleaseHold(self, request: Any, context: Any) -> Any:
        wish = Release(request.released_by, request.evidence)
        return v2.ReleaseHoldResponse(hold=await self._holds.ask(request.request_id, request.hold_id, wish))

    async def ExtendHold(self, request: Any, context: Any) -> Any:
        hold = await self._holds.ask(request.request_id, request.hold_id, Extend(request.expire_time))
        return v2.ExtendHoldResponse(hold=hold)


async def serve_both(process: ServiceProcess[Settings], executor: Executor) -> None:
    """Add both versions to one process."""
    holds = Holds(executor)
    # Of version 1 only what concerns holds is served here; the other methods answer UNIMPLEMENTED.
    process.add_servicer(
        add_OrchestratorServiceServicer_to_server, cast("Any", ServicerV1)(holds), own_idempotency=True
    )
    process.add_servicer(v2_grpc.add_HoldServiceServicer_to_server, ServicerV2(holds), own_idempotency=True)
