"""Planning waves: released orders of a region are collected, planned, and laid on loads.

A wave is written down before the planner is asked and again when it answered, so that a crash at any point is mended
by running the same wave again. One wave of a region runs at a time.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from gladhand import ids
from gladhand.bus.port import Bus, Delivery
from gladhand.bus.timers import due_of
from gladhand.calls import correlated
from gladhand.clock import Clock
from gladhand.decider import Rejected
from gladhand.enums import short_name
from gladhand.envelope import Subject
from gladhand.errors import FailedPrecondition, InvalidArgument
from gladhand.execute import Outcome
from logistics.dispatch.v1 import OrderToPlan, PlanLoadsRequest, SkipReason
from logistics.exception.v1 import ExceptionKind, Gate
from logistics.load.v1 import DropOrder, Load, PlanLoad
from logistics.order.v1 import Order, OrderState, PlanOrder
from logistics.process.v1 import UnplannedOrder, WaveEvent, WaveState
from services.orchestrator.cold_chain import with_profiles
from services.orchestrator.deciders import order, wave
from services.orchestrator.exceptions import exception_id_of, open_exception, reopen_exception, settle_exception
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies
from services.orchestrator.processes.turns import Turns
from services.orchestrator.riding import delivery_stops, lines_on, orders_on

log = logging.getLogger(__name__)

TIMER = "wave"
"""Kind of the durable timers that begin a wave; the key is the region."""

_MOST_ORDERS = 500
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)


class ReleasedOrders(Protocol):
    """Where planning learns which orders wait."""

    async def released_orders(self, region: str, limit: int) -> list[str]:
        """Return ids of released orders of a region, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave that ran."""

    wave_id: str
    state: wave.State


class Planning:
    """Collects released orders and runs waves."""

    def __init__(
        self,
        journal: Journal,
        fleet: FleetGateway,
        bus: Bus,
        clock: Clock,
        waiting: ReleasedOrders,
        policies: Policies,
    ) -> None:
        self._journal = journal
        self._fleet = fleet
        self._bus = bus
        self._clock = clock
        self._waiting = waiting
        self._policies = policies
        self._turns = Turns()
        self._gathered: dict[str, dict[str, None]] = defaultdict(dict)
        self._wakes: dict[str, tuple[datetime, timedelta]] = {}

    async def on_released(self, delivery: Delivery) -> None:
        """Gather an order that was released or unplanned; its region's next wave takes it."""
        _, region, order_id, _ = Subject.parse(delivery.subject)
        await self.gather(region, order_id)

    async def on_vehicle_free(self, region: str) -> None:
        """Begin a wave for orders that a full fleet left behind."""
        if await self._waiting.released_orders(region, 1):
            self._wakes.pop(region, None)
            await self._begin_after(region, self._delay(region))

    async def gather(self, region: str, order_id: str) -> None:
        """Let an order ride in its region's next wave."""
        self._wakes.pop(region, None)
        gathered = self._gathered[region]
        first = not gathered
        gathered[order_id] = None
        full = len(gathered) >= (self._policies.in_region(region).wave_size or 50)
        if first or full:
            await self._begin_after(region, timedelta(0) if full else self._delay(region))

    async def wake(self, region: str) -> None:
        """Begin a wave soon for a region in which orders wait, should its timer be lost.

        Orders that no plan can serve must not be planned again every few seconds: each call that finds the region
        waiting doubles the pause before the next one counts, up to an hour.
        """
        now = self._clock.now()
        due, pause = self._wakes.get(region, (now, _FIRST_PAUSE))
        if now >= due:
            self._wakes[region] = (now + pause, min(pause * 2, _LONGEST_PAUSE))
            await self._begin_after(region, self._delay(region))

    async def on_due(self, delivery: Delivery) -> None:
        """Run the wave of a timer that fired."""
        due = due_of(delivery)
        request_id = ids.derive(ids.derive(_WAVES, due.key), "timer", due.due_time.isoformat())
        await self.run(due.key, request_id, "timer")

    async def run(self, region: str, request_id: str, trigger: str) -> Wave | None:
        """Run one wave of a region and return it; None where no order waits. The same request runs the same wave."""
        async with self._turns.of(region):
            wave_id = ids.derive(request_id, "wave", region)
            cause = Cause(request_id=request_id, correlation_id=wave_id, region=region)
            found = await self._journal.find(wave.DECIDER, wave_id)
            state = found.state
            if not found.version:
                orders = await self._plannable(region)
                if not orders:
                    return None
                wish = wave.Start(tuple(o.order_id for o in orders), trigger)
                outcome = await self._journal.wave(wave_id, wish, cause.step("start"))
                state, cause = outcome.state, cause.after(outcome.event)
            else:
                cause = replace(cause, event_id=found.last_event_id)
            with correlated(wave_id):
                return Wave(wave_id, await self._carry_on(wave_id, state, cause))

    async def _carry_on(self, wave_id: str, state: wave.State, cause: Cause) -> wave.State:
        if state.state == WaveState.WAVE_STATE_STARTED:
            proposed = await self._propose(wave_id, state, cause)
            state, cause = proposed.state, cause.after(proposed.event)
        if state.state == WaveState.WAVE_STATE_PROPOSED:
            await self._lay(wave_id, state, cause)
            state = (await self._journal.wave(wave_id, wave.Lay(), cause.step("lay"))).state
        return state

    async def _plannable(self, region: str) -> list[Order]:
        """Return the waiting orders as their own histories show them, whatever the read model believes."""
        gathered = self._gathered.pop(region, {})
        known = await self._waiting.released_orders(region, _MOST_ORDERS)
        found = []
        for order_id in list(dict.fromkeys([*gathered, *known]))[:_MOST_ORDERS]:
            state = (await self._journal.find(order.DECIDER, order_id)).state
            blocked = any(Gate.GATE_PLANNING in gates for gates in state.holds.values())
            if state.order is not None and state.order.state == OrderState.ORDER_STATE_RELEASED and not blocked:
                found.append(state.order)
        return found

    async def _propose(self, wave_id: str, state: wave.State, cause: Cause) -> Outcome[wave.State, WaveEvent]:
        asked = [await self._wanted(order_id) for order_id in state.order_ids]
        wanted = [each for each in asked if each is not None]
        if not wanted:
            nobody = "no order of the wave waits any more; another wave took them"
            return await self._journal.wave(wave_id, wave.Abandon(nobody), cause.step("abandon"))
        request = PlanLoadsRequest(
            request_id=ids.derive(wave_id, "plan"), region=cause.region, orders=wanted, wave_id=wave_id
        )
        try:
            answer = await self._fleet.plan_loads(request)
        except (FailedPrecondition, InvalidArgument) as refusal:
            log.warning("wave %s: the planner refused: %s", wave_id, refusal.message)
            return await self._journal.wave(wave_id, wave.Abandon(refusal.message), cause.step("abandon"))
        unplanned = [
            UnplannedOrder(order_id=u.order_id, line_ids=u.line_ids, reason=short_name(SkipReason, u.reason))
            for u in answer.unassigned
        ]
        wish = wave.Propose(tuple(answer.loads), tuple(unplanned))
        return await self._journal.wave(wave_id, wish, cause.step("propose"))

    async def _wanted(self, order_id: str) -> OrderToPlan | None:
        """Return what of an order rides nowhere yet; None where it no longer waits, or all of it rides."""
        state = (await self._journal.find(order.DECIDER, order_id)).state
        if state.order is None or state.order.state != OrderState.ORDER_STATE_RELEASED:
            return None
        riding = {line_id for plan in state.plan.values() for line_id in plan.line_ids}
        left = [line.line_id for line in state.order.lines if line.line_id not in riding]
        # No line ids means all lines, so an order that rides as a whole must not be asked for at all.
        return OrderToPlan(order=state.order, line_ids=left if riding else ()) if left else None

    async def _lay(self, wave_id: str, state: wave.State, cause: Cause) -> None:
        for load in state.loads:
            born = Cause(
                request_id=ids.derive(wave_id, "load", load.load_id),
                event_id=cause.event_id,
                correlation_id=load.load_id,
                region=cause.region,
            )
            laid = await self._journal.load(load.load_id, PlanLoad(load=await self._of_wave(load, wave_id)), born)
            for order_id in orders_on(load):
                await self._tell(order_id, load, born.after(laid.event))
        for unplanned in state.unplanned:
            why = cause.step("unplanned", unplanned.order_id)
            exception_id = await open_exception(
                self._journal,
                ExceptionKind.EXCEPTION_KIND_NOT_PLANNABLE,
                f"No load can take the order: {unplanned.reason}. It waits for the next wave.",
                why,
                subject_id=unplanned.order_id,
                order_id=unplanned.order_id,
            )
            await reopen_exception(self._journal, exception_id, unplanned.reason, why)

    async def _of_wave(self, load: Load, wave_id: str) -> Load:
        """Return a load as its wave lays it: with the wave, and with how its goods must be kept."""
        found = {
            order_id: (await self._journal.find(order.DECIDER, order_id)).state.order for order_id in orders_on(load)
        }
        orders = {name: (sold, self._policies.of(sold).cold_chain) for name, sold in found.items() if sold is not None}
        laid = with_profiles(load, orders)
        laid.wave_id = wave_id
        return laid

    async def _tell(self, order_id: str, load: Load, born: Cause) -> None:
        stops = delivery_stops(load, order_id)
        wish = PlanOrder(load_id=load.load_id, line_ids=lines_on(load, order_id), stop_ids=stops)
        try:
            await self._journal.order(order_id, wish, born.step("order", order_id))
            waited = exception_id_of(ExceptionKind.EXCEPTION_KIND_NOT_PLANNABLE, order_id)
            await settle_exception(self._journal, waited, "PLANNED", f"it rides on load {load.load_id}", born)
        except Rejected as refusal:
            # The order moved on while the planner thought: its stops leave the load.
            log.warning("order %s does not ride on load %s: %s", order_id, load.load_id, refusal.message)
            drop = DropOrder(order_id=order_id, reason=refusal.message[:2000])
            await self._journal.load(load.load_id, drop, born.step("drop", order_id))

    async def _begin_after(self, region: str, delay: timedelta) -> None:
        await self._bus.timers.set(TIMER, region, self._clock.now() + delay)

    def _delay(self, region: str) -> timedelta:
        delay = self._policies.in_region(region).wave_delay
        return timedelta(seconds=delay.seconds or 2, microseconds=delay.nanos // 1000)


_WAVES = "6c1f3a52-6f0b-5e0a-9d0e-3f6a7a0f9b11"
"""Namespace of the request ids of waves that timers begin."""
