"""The book of a fleet in memory: loads with their assignments, who is on the road, and what was called back.

It refuses what a fleet desk refuses, and counts effects by load and assignment, so that a second one shows.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from gladhand.clock import Clock
from gladhand.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound
from logistics.dispatch.v1 import (
    DispatchLoadRequest,
    DispatchLoadResponse,
    ReassignLoadRequest,
    ReassignLoadResponse,
    ReplanLoadRequest,
    ReplanLoadResponse,
    SkipReason,
    UnassignedOrder,
)
from logistics.load.v1 import Assignment, Load, LoadState, Stop, StopKind, StopTask


class YardBook:
    """Loads as the fleet knows them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.loads: dict[str, Load] = {}
        self.dispatched: Counter[tuple[str, int]] = Counter()
        """Dispatches that were sent out, by load and epoch."""
        self.recalled: Counter[tuple[str, int]] = Counter()
        """Dispatches that were called back because another vehicle took over, by load and epoch."""
        self.on_the_road: dict[str, set[int]] = defaultdict(set)
        """Epochs of each load whose dispatch is live."""
        self.most_live = 0
        """The most dispatches of one load that were ever live at once."""
        self.broken: set[str] = set()
        """Vehicles that cannot be sent out."""
        self.unserved: dict[str, SkipReason.ValueType] = {}
        """Orders that no new plan can serve, and why."""
        self.asks_drivers = False
        """Whether a proposed plan waits for its driver."""

    def load(self, load_id: str) -> Load:
        """Return a load. Raises NotFound."""
        if load_id not in self.loads:
            raise NotFound("load", load_id, reason="LOAD_NOT_FOUND")
        return self.loads[load_id]

    def begin(self, load_id: str, vehicle_id: str, driver_id: str) -> Assignment:
        """Begin the next assignment; the one before ends."""
        load = self.load(load_id)
        now = Assignment(
            epoch=len(load.assignments) + 1, vehicle_id=vehicle_id, driver_ids=[driver_id] if driver_id else []
        )
        now.start_time.FromDatetime(self._clock.now())
        if load.assignments:
            load.assignments[-1].end_time.CopyFrom(now.start_time)
        load.assignments.append(now)
        load.state = LoadState.LOAD_STATE_ASSIGNED
        load.ClearField("dispatch_reference")
        return now

    def dispatch(self, request: DispatchLoadRequest) -> DispatchLoadResponse:
        """Send the assignment in force out, once."""
        load = self.load(request.load_id)
        live = load.assignments[-1]
        if request.HasField("expected_epoch") and request.expected_epoch != live.epoch:
            raise FailedPrecondition(f"assignment {live.epoch} is in force", reason="EPOCH_MISMATCH")
        if load.state != LoadState.LOAD_STATE_DISPATCHED:
            if live.vehicle_id in self.broken:
                raise FailedPrecondition(f"vehicle {live.vehicle_id} does not start", reason="VEHICLE_UNAVAILABLE")
            load.state = LoadState.LOAD_STATE_DISPATCHED
            load.dispatch_reference = f"D-{load.load_id[:8]}-{live.epoch}"
            self.dispatched[load.load_id, live.epoch] += 1
            self.on_the_road[load.load_id].add(live.epoch)
            self.most_live = max(self.most_live, len(self.on_the_road[load.load_id]))
        return DispatchLoadResponse(
            dispatch_reference=load.dispatch_reference, plan_version=load.plan_version, assignment=live
        )

    def reassign(self, request: ReassignLoadRequest) -> ReassignLoadResponse:
        """Give the load to another vehicle or driver: the old dispatch ends in the same step."""
        load = self.load(request.load_id)
        old = load.assignments[-1]
        if request.expected_epoch != old.epoch:
            raise FailedPrecondition(f"assignment {old.epoch} is in force", reason="EPOCH_MISMATCH")
        vehicle_id, driver_id = request.vehicle_id or old.vehicle_id, request.driver_id or old.driver_ids[0]
        if (vehicle_id, driver_id) == (old.vehicle_id, old.driver_ids[0]):
            raise InvalidArgument("the load has this crew already", field="vehicle_id", remedy="name another one")
        if old.epoch in self.on_the_road[load.load_id]:
            self.on_the_road[load.load_id].remove(old.epoch)
            self.recalled[load.load_id, old.epoch] += 1
        new = self.begin(load.load_id, vehicle_id, driver_id)
        return ReassignLoadResponse(assignment=new, ended_assignment=load.assignments[-2])

    def end(self, load_id: str, state: LoadState.ValueType) -> None:
        """End a load, if the book has it."""
        if load_id in self.loads:
            self.loads[load_id].state = state
            self.on_the_road.pop(load_id, None)

    def replan(self, request: ReplanLoadRequest) -> ReplanLoadResponse:
        """Lay the open stops the other way round behind the locked ones, or book a plan that was made so."""
        load = self.load(request.load_id)
        if request.expected_plan_version != load.plan_version:
            raise Conflict(f"plan {load.plan_version} is in force", reason="PLAN_VERSION_CONFLICT")
        if request.HasField("proposed_load"):
            if self.asks_drivers:
                return ReplanLoadResponse(load=load, pending=True)
            return ReplanLoadResponse(load=self._book(load, request.proposed_load))
        count = len(request.locked_stop_ids)
        if [stop.stop_id for stop in load.stops[:count]] != list(request.locked_stop_ids):
            raise InvalidArgument("locked stops must come first", field="locked_stop_ids", remedy="lock what is before")
        gone = {*request.dropped_order_ids, *self.unserved}
        rest = [stop for stop in load.stops[count:] if not _only_of(stop, gone)]
        # Loading comes first, as it must.
        opened = sorted(rest, key=lambda stop: (stop.kind != StopKind.STOP_KIND_PICKUP, -stop.sequence))
        plan = Load(load_id=load.load_id, plan_version=load.plan_version + 1, region=load.region)
        for sequence, stop in enumerate([*load.stops[:count], *opened], 1):
            plan.stops.add().CopyFrom(stop)
            plan.stops[-1].sequence = sequence
            kept = [task for task in stop.tasks if task.order_id not in gone]
            if sequence > count and len(kept) < len(stop.tasks):
                copies = [StopTask.FromString(task.SerializeToString()) for task in kept]
                del plan.stops[-1].tasks[:]
                plan.stops[-1].tasks.extend(copies)
            if sequence > count:
                plan.stops[-1].planned_arrival_time.FromSeconds(
                    int(self._clock.now().timestamp()) + 3600 * (sequence - count)
                )
        left = [
            UnassignedOrder(order_id=order_id, line_ids=["1"], reason=reason, message="the road is closed")
            for order_id, reason in self.unserved.items()
        ]
        return ReplanLoadResponse(load=plan if request.proposal_only else self._book(load, plan), unassigned=left)

    def answer_of_driver(self, load_id: str, plan: Load) -> None:
        """Let the driver take a proposed plan, as the fleet's own application would tell the book."""
        self._book(self.load(load_id), plan)

    def _book(self, load: Load, plan: Load) -> Load:
        del load.stops[:]
        load.stops.extend(plan.stops)
        load.plan_version += 1
        return load


def _only_of(stop: Stop, order_ids: set[str]) -> bool:
    return bool(stop.tasks) and all(task.order_id in order_ids for task in stop.tasks)
