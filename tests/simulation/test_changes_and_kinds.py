"""Changes by phase, and orders beside sales, through the whole orchestrator (domain reference 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gladhand.errors import Unavailable
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import LoadState
from logistics.order.v1 import (
    Order,
    OrderType,
    ReviseOrder,
)
from services.orchestrator.deciders import load
from services.orchestrator.submission import content_sha256
from tests.simulation.endings import S, exceptions, quantities, told
from tests.simulation.world import World, an_order


def changed(count: int, change: Callable[[Order], None] | None = None) -> ReviseOrder:
    submitted = an_order("SO-1", ("CRATE", count))
    if change is not None:
        change(submitted)
    return ReviseOrder(order=submitted, content_sha256=content_sha256(submitted))


async def test_a_planned_order_that_changes_is_planned_anew(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.fleet.faults.plan("dispatch_load", *[Unavailable("down", reason="FLEET_UNAVAILABLE")] * 4)
        order_id = await world.submit(an_order("SO-1", ("CRATE", 10)))
        planned = await world.reach(order_id, S.ORDER_STATE_PLANNED)
        await world.wish(order_id, changed(12))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (shown.state, shown.revision) == (S.ORDER_STATE_INVOICED, 2)
        assert quantities(shown, "invoiced") == ["12"]
        left = (await world.orchestrator.desk.journal.find(load.DECIDER, planned.load_ids[0])).state.load
        assert left is not None
        assert left.state == LoadState.LOAD_STATE_CANCELLED
        assert len(shown.load_ids) == 2


async def test_less_is_wanted_while_the_vehicle_drives_to_the_pickup(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 10)))
        await world.reach(order_id, S.ORDER_STATE_DISPATCHED)
        await world.wish(order_id, changed(7, lambda o: setattr(o, "instructions", "ring twice")))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (quantities(shown, "ordered"), quantities(shown, "cancelled")) == (["10"], ["3"])
        assert (quantities(shown, "shipped"), quantities(shown, "invoiced")) == (["7"], ["7"])
        carried = (await world.orchestrator.desk.journal.find(load.DECIDER, shown.load_ids[0])).state.load
        assert carried is not None
        assert (carried.plan_version, carried.stops[1].instructions) == (2, "ring twice")
        assert not await exceptions(world, order_id, ExceptionKind.EXCEPTION_KIND_SHORTAGE)


async def test_a_change_that_comes_too_late_is_kept_and_told_of(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 10)))
        await world.run_while(order_id, lambda shown: shown.state != S.ORDER_STATE_IN_EXECUTION)
        await world.wish(order_id, changed(7))
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_AMENDMENT_REFUSED)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (quantities(shown, "invoiced"), shown.revision) == (["10"], 1)


@pytest.mark.parametrize("kind", [OrderType.ORDER_TYPE_TRANSFER, OrderType.ORDER_TYPE_REPLENISHMENT])
async def test_goods_for_an_own_site_are_received_and_not_billed(tmp_path: Path, kind: OrderType.ValueType) -> None:
    async with World.opened(tmp_path) as world:
        submitted = an_order("TR-1", ("CRATE", 10))
        submitted.order_type = kind
        order_id = await world.submit(submitted)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (shown.state, quantities(shown, "accepted")) == (S.ORDER_STATE_CLOSED, ["10"])
        assert world.erp.shipped[order_id] == {"1": "10"}
        assert await world.invoice_state(order_id) == 0
        assert not world.erp.postings


async def test_a_return_order_is_fetched_received_and_credited(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        submitted = an_order("RE-1", ("CRATE", 10))
        submitted.order_type = OrderType.ORDER_TYPE_RETURN
        warehouse = an_order("RE-1").ship_from
        submitted.ship_from.CopyFrom(submitted.ship_to)
        submitted.ship_to.CopyFrom(warehouse)
        order_id = await world.submit(submitted)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_INVOICED
        assert world.erp.returned(order_id, to_stock=True) == {"1": 10}
        assert world.erp.credited(order_id) == {"1": 10}
        assert not world.erp.postings
        assert order_id not in world.erp.shipped
