"""New plans for loads on the road: the fleet's planner makes one, it is proposed, and the driver of loads offers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gladhand import ids
from gladhand.bus.port import Bus
from gladhand.clock import Clock
from gladhand.errors import Conflict, NotFound
from gladhand.execute import Outcome
from logistics.dispatch.v1 import GetLoadRequest, ReplanLoadRequest
from logistics.load.v1 import Load, LoadEvent, ProposePlan
from logistics.type.v1 import GeoPoint
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load.road import ON_THE_ROAD
from services.orchestrator.deciders.load.rules import barred
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies
from services.orchestrator.processes.reassignments import TIMER
from services.orchestrator.replanning import expiry, gone_orders, locked_in_book, locked_stops, proposal_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants replanned."""

    expected_plan_version: int
    position: GeoPoint | None = None
    start_time: datetime | None = None
    dropped_order_ids: tuple[str, ...] = ()
    reason: str = ""


class Replanning:
    """Asks for new plans and proposes them."""

    def __init__(self, journal: Journal, fleet: FleetGateway, bus: Bus, clock: Clock, policies: Policies) -> None:
        self._journal = journal
        self._fleet = fleet
        self._bus = bus
        self._clock = clock
        self._policies = policies

    async def propose(self, load_id: str, wish: Wish, cause: Cause) -> Outcome[load.State, LoadEvent]:
        """Ask for a plan and propose it.

        Raises NotFound, Conflict (PLAN_VERSION_CONFLICT), Rejected off the road, and what the planner raises: where
        goods on board could not be delivered, FailedPrecondition (NOT_PLANNABLE).
        """
        found = (await self._journal.find(load.DECIDER, load_id)).state.load
        if found is None:
            raise NotFound("load", load_id, reason="LOAD_NOT_FOUND")
        if found.state not in ON_THE_ROAD:
            raise barred(found, "replanning", "only a load on the road gets its new plan by proposal")
        if wish.expected_plan_version != found.plan_version:
            raise Conflict(
                f"plan {found.plan_version} of load {load_id} is in force, not {wish.expected_plan_version}; read it",
                reason="PLAN_VERSION_CONFLICT",
                metadata={"expected": str(wish.expected_plan_version), "in_force": str(found.plan_version)},
            )
        policy, now = self._policies.in_region(found.region).replan, self._clock.now()
        locked = locked_stops(found, policy, now)
        book = (await self._fleet.get_load(GetLoadRequest(load_id=load_id))).load
        answer = await self._fleet.replan_load(_question(found, book, locked, wish, cause))
        proposal = proposal_of(
            found, answer.load, answer.unassigned, locked_in_book(book, locked), expiry(policy, now), wish.reason
        )
        await self._bus.timers.set(TIMER, load_id, expiry(policy, now))
        return await self._journal.load(load_id, ProposePlan(proposal=proposal), cause)


def _question(found: Load, book: Load, locked: list[str], wish: Wish, cause: Cause) -> ReplanLoadRequest:
    request = ReplanLoadRequest(
        request_id=ids.derive(cause.request_id, "propose"),
        load_id=found.load_id,
        expected_plan_version=book.plan_version,
        locked_stop_ids=locked_in_book(book, locked),
        dropped_order_ids=sorted({*wish.dropped_order_ids, *gone_orders(found, book)}),
        reason=wish.reason,
        proposal_only=True,
    )
    if wish.position is not None:
        request.position.CopyFrom(wish.position)
    if wish.start_time is not None:
        request.start_time.FromDatetime(wish.start_time)
    return request
