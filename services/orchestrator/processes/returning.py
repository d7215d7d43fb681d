"""Goods that travel back, or once more: on the load that carries them while it drives, else on another."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from gladhand import ids
from gladhand.decider import Rejected
from gladhand.errors import NotFound, Unavailable
from logistics.dispatch.v1 import OrderToPlan, PlanLoadsRequest, SkipReason
from logistics.load.v1 import BringBack, Load, PlanLoad, Stop, StopKind, StopState, StopTask
from logistics.order.v1 import (
    Disposition,
    GoodsDisposition,
    LayDisposition,
    LineQuantity,
    Order,
    RecordOrderReturn,
    UnlayDisposition,
)
from logistics.type.v1 import Location, Quantity
from services.orchestrator.deciders.load.road import ON_THE_ROAD
from services.orchestrator.deciders.order.disposing import find_disposition
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.steps import LayGoods, Situation
from services.orchestrator.quantities import decimal_of
from services.orchestrator.riding import disposition_stops, stop_of

_NO_VEHICLE_S = 900.0
"""How long to wait before the fleet is asked again for a vehicle that it does not have, in seconds."""
_GONE = frozenset({StopState.STOP_STATE_CANCELLED, StopState.STOP_STATE_SKIPPED, StopState.STOP_STATE_FAILED})


class GoodsOnLoads:
    """Lays decisions about goods on loads, each once by its attempt."""

    def __init__(self, journal: Journal, fleet: FleetGateway) -> None:
        self._journal = journal
        self._fleet = fleet

    async def lay(self, step: LayGoods, s: Situation, cause: Cause) -> None:
        """Find the load and tell the order. Raises Unavailable where none can take the goods now."""
        known = find_disposition(s.order, step.disposition_id)
        if known is None or known.load_id:
            return
        source = next((load for load in s.loads if load.load_id == known.source_load_id), None)
        back = known.disposition == Disposition.DISPOSITION_RETURN
        if back and source is not None and source.state in ON_THE_ROAD:
            load_id, stop_id = await self._same_load(step, known, source, s, cause)
        else:
            load_id, stop_id = await self._other_load(step, known, source, s, cause)
        laid = LayDisposition(disposition_id=known.disposition_id, load_id=load_id, stop_id=stop_id)
        await self._journal.order(s.order.order_id, laid, cause.step(step.key, "laid"))

    async def _same_load(
        self, step: LayGoods, known: GoodsDisposition, source: Load, s: Situation, cause: Cause
    ) -> tuple[str, str]:
        stop_id = ids.derive(known.disposition_id, "stop", str(step.attempt))
        wish = BringBack(
            order_id=s.order.order_id,
            disposition_id=known.disposition_id,
            stop_id=stop_id,
            location=known.place if known.HasField("place") else s.order.ship_from,
            tasks=[_task(s.order, line) for line in known.lines],
            drops_deliveries=not known.source_stop_id,
            reason="goods travel back",
        )
        try:
            await self._journal.load(source.load_id, wish, cause.step(step.key))
        except Rejected as refusal:
            # A stop is being worked at, or the load has just ended: what becomes of the goods is known soon.
            raise Unavailable(refusal.message, reason="UNAVAILABLE") from refusal
        return source.load_id, stop_id

    async def _other_load(
        self, step: LayGoods, known: GoodsDisposition, source: Load | None, s: Situation, cause: Cause
    ) -> tuple[str, str]:
        request_id = ids.derive(known.disposition_id, "plan", str(step.attempt))
        wanted = OrderToPlan(order=_as_order(s.order, known, source))
        answer = await self._fleet.plan_loads(
            PlanLoadsRequest(request_id=request_id, region=s.order.region, orders=[wanted])
        )
        if not answer.loads:
            why = ", ".join(SkipReason.Name(each.reason) for each in answer.unassigned)
            raise Unavailable(
                f"no load can take the goods: {why or 'no reason told'}",
                reason="FLEET_UNAVAILABLE",
                retry_after_s=_NO_VEHICLE_S,
            )
        planned = Load()
        planned.CopyFrom(answer.loads[0])
        for stop in planned.stops:
            stop.disposition_id = known.disposition_id
            stop.returns = known.disposition == Disposition.DISPOSITION_RETURN
            if not stop.returns and stop.kind == StopKind.STOP_KIND_DELIVERY:
                stop.retry_of_stop_id = known.source_stop_id
        born = Cause(
            request_id=ids.derive(request_id, "load"),
            event_id=cause.event_id,
            correlation_id=planned.load_id,
            region=s.order.region,
            policy_version=cause.policy_version,
        )
        await self._journal.load(planned.load_id, PlanLoad(load=planned), born)
        delivery = next((stop for stop in planned.stops if stop.kind == StopKind.STOP_KIND_DELIVERY), None)
        if delivery is None:
            raise NotFound("stop", planned.load_id, message="the planned load delivers nothing")
        return planned.load_id, delivery.stop_id


def came_back(load_id: str, stop: Stop, tasks: list[StopTask], pod_id: str) -> RecordOrderReturn:
    """Return what the completion of a return stop tells the order."""
    lines = [LineQuantity(line_id=task.line_id, quantity=task.actual) for task in tasks]
    return RecordOrderReturn(
        disposition_id=stop.disposition_id, load_id=load_id, stop_id=stop.stop_id, pod_id=pod_id, lines=lines
    )


def fallen_off(order: Order, load: Load, reason: str) -> Iterator[UnlayDisposition]:
    """Yield the decisions about goods of an order that a load no longer carries out."""
    there = disposition_stops(load)
    for known in order.dispositions:
        stop = there.get(known.disposition_id)
        if known.load_id == load.load_id and (stop is None or stop.state in _GONE):
            yield UnlayDisposition(disposition_id=known.disposition_id, load_id=load.load_id, reason=reason[:2000])


def _task(order: Order, line: LineQuantity) -> StopTask:
    sold = next(each for each in order.lines if each.line_id == line.line_id)
    return StopTask(order_id=order.order_id, line_id=line.line_id, expected=line.quantity, sku=sold.sku)


def _as_order(order: Order, known: GoodsDisposition, source: Load | None) -> Order:
    """Return what a planner is asked to carry: the goods alone, from where they are to where they go."""
    wanted = Order()
    wanted.CopyFrom(order)
    del wanted.lines[:]
    amounts = {line.line_id: line.quantity for line in known.lines}
    for line in order.lines:
        amount = amounts.get(line.line_id)
        if amount is None:
            continue
        carried = wanted.lines.add()
        carried.CopyFrom(line)
        carried.ClearField("ship_to")
        if carried.HasField("weight"):
            _scale(carried.weight, line.quantities.ordered, amount)
        if carried.HasField("volume"):
            _scale(carried.volume, line.quantities.ordered, amount)
        carried.ClearField("quantities")
        carried.quantities.ordered.CopyFrom(amount)
    wanted.ClearField("delivery_window")
    wanted.ClearField("pickup_window")
    consignee = _consignee(order, known, source)
    if known.disposition == Disposition.DISPOSITION_RETURN:
        wanted.ship_from.CopyFrom(consignee)
        wanted.ship_to.CopyFrom(known.place if known.HasField("place") else order.ship_from)
    else:
        wanted.ship_to.CopyFrom(known.place if known.HasField("place") else consignee)
    return wanted


def _consignee(order: Order, known: GoodsDisposition, source: Load | None) -> Location:
    """Return where the goods are, or were refused."""
    stop = stop_of(source, known.source_stop_id) if source is not None else None
    if stop is not None:
        return stop.location
    line = next((line for line in order.lines if known.lines and line.line_id == known.lines[0].line_id), None)
    return line.ship_to if line is not None and line.HasField("ship_to") else order.ship_to


def _scale(measure: Quantity, whole: Quantity, part: Quantity) -> None:
    """Reckon a weight or volume of a whole line down to a part of it, rounded up."""
    ordered = decimal_of(whole)
    if ordered:
        scaled = decimal_of(measure) * decimal_of(part) / ordered
        measure.value = f"{scaled.quantize(Decimal('0.001'), ROUND_CEILING):f}"
