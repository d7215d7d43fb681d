"""Cancelling in each phase, through the whole orchestrator (domain reference 3.1)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from gladhand.errors import Unavailable
from gladhand.testing import eventually
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import LoadState, StopState
from logistics.order.v1 import (
    ClaimState,
    EndOrder,
    OrderState,
)
from logistics.process.v1 import CancellationPolicy
from logistics.type.v1 import Money
from services.orchestrator.deciders import load
from tests.simulation.endings import S, a_policy, decide, quantities, told
from tests.simulation.world import World, an_order


@pytest.mark.parametrize("state", [S.ORDER_STATE_RECEIVED, S.ORDER_STATE_RELEASED, S.ORDER_STATE_PLANNED])
async def test_cancelled_before_dispatch_frees_the_stock_and_costs_nothing(
    tmp_path: Path, state: OrderState.ValueType
) -> None:
    charge = Money(currency="USD", units=80)
    policy = a_policy(cancellation=CancellationPolicy(vehicle_not_used_charge=charge))
    async with World.opened(tmp_path, policy=policy) as world:
        if state == S.ORDER_STATE_RECEIVED:
            world.erp.faults.plan("validate_order", *[Unavailable("down", reason="ERP_UNAVAILABLE")] * 5)
        if state == S.ORDER_STATE_PLANNED:
            world.fleet.faults.plan("dispatch_load", *[Unavailable("down", reason="FLEET_UNAVAILABLE")] * 20)
        order_id = await world.submit(an_order("SO-1"))
        if state != S.ORDER_STATE_RECEIVED:
            await world.reach(order_id, state)
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_CANCELLED
        assert quantities(shown, "cancelled") == ["4"]
        assert world.erp.cancelled[order_id] == 1
        assert not shown.charges
        assert not world.erp.postings
        assert not world.fleet.live


async def test_a_load_that_others_ride_on_stays_when_one_order_is_cancelled(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.fleet.faults.plan("dispatch_load", *[Unavailable("down", reason="FLEET_UNAVAILABLE")] * 20)
        first, second = await world.submit(an_order("SO-1")), await world.submit(an_order("SO-2"))
        planned = await world.reach(first, S.ORDER_STATE_PLANNED)
        await world.wish(first, EndOrder(reason="no longer wanted"))
        await world.run_until_settled([first, second])
        assert (await world.order(second)).state == S.ORDER_STATE_INVOICED
        carried = (await world.orchestrator.desk.journal.find(load.DECIDER, planned.load_ids[0])).state.load
        assert carried is not None
        assert carried.plan_version == 2
        assert world.erp.cancelled == {first: 1}


async def test_a_dispatched_vehicle_that_is_not_used_is_charged_once_the_road_has_answered(tmp_path: Path) -> None:
    policy = a_policy(cancellation=CancellationPolicy(vehicle_not_used_charge=Money(currency="USD", units=80)))
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1"))
        await world.reach(order_id, S.ORDER_STATE_DISPATCHED)
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_CANCELLED
        assert [(c.charge_code, c.amount.units) for c in shown.charges] == [("VOR", 80)]
        assert world.erp.cancelled[order_id] == 1


async def test_a_road_that_does_not_answer_a_cancelling_is_told_of(tmp_path: Path) -> None:
    policy = a_policy(cancellation=CancellationPolicy(acknowledge_within=Duration(seconds=600)))
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1"))
        dispatched = await world.reach(order_id, S.ORDER_STATE_DISPATCHED)
        world.fleet.silent.update(dispatched.load_ids)
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await world.pass_time(timedelta(minutes=30))
        assert (await world.order(order_id)).state == S.ORDER_STATE_CANCEL_REQUESTED
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_CANCEL_UNANSWERED)
        world.fleet.silent.clear()
        await world.pass_time(timedelta(minutes=30))
        assert (await world.order(order_id)).state == S.ORDER_STATE_CANCELLED

        async def put_right() -> bool:
            return not await world.open_exception(order_id)

        await eventually(put_right)


async def test_cancelled_after_pickup_the_goods_travel_back_on_the_same_load(tmp_path: Path) -> None:
    policy = a_policy(cancellation=CancellationPolicy(return_charge=Money(currency="USD", units=120)))
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 10)))
        picked = await world.run_while(order_id, lambda shown: shown.state != S.ORDER_STATE_IN_EXECUTION)
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_CLOSED
        assert list(shown.load_ids) == list(picked.load_ids)
        assert (quantities(shown, "delivered"), quantities(shown, "returned")) == ([""], ["10"])
        assert quantities(shown, "cancelled") == ["10"]
        assert [c.charge_code for c in shown.charges] == ["RCL"]
        assert (world.erp.cancelled[order_id], world.erp.returned(order_id)) == (1, {"1": 10})
        assert not world.erp.postings
        carried = (await world.orchestrator.desk.journal.find(load.DECIDER, shown.load_ids[0])).state.load
        assert carried is not None
        assert carried.state == LoadState.LOAD_STATE_COMPLETED
        assert [stop.state for stop in carried.stops] == [
            StopState.STOP_STATE_DEPARTED, StopState.STOP_STATE_CANCELLED, StopState.STOP_STATE_DEPARTED,
        ]  # fmt: skip
        assert carried.stops[2].location == shown.ship_from


async def test_a_pickup_that_came_before_the_cancelling_turns_it_into_a_return(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 10)))
        dispatched = await world.reach(order_id, S.ORDER_STATE_DISPATCHED)
        world.fleet.silent.update(dispatched.load_ids)
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await world.run_while(order_id, lambda shown: not shown.turned_back)
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (shown.state, quantities(shown, "returned")) == (S.ORDER_STATE_CLOSED, ["10"])
        assert not world.erp.postings


async def test_cancelled_half_delivered_only_the_rest_is_cancelled(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        submitted = an_order("SO-1", ("CRATE", 10), ("PALLET", 4))
        submitted.lines[1].ship_to.CopyFrom(submitted.ship_to)
        submitted.lines[1].ship_to.name = "Second dock"
        order_id = await world.submit(submitted)
        await world.run_while(order_id, lambda shown: shown.state != S.ORDER_STATE_PARTIALLY_DELIVERED)
        await world.wish(order_id, EndOrder(reason="the rest is no longer wanted"))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_INVOICED
        assert quantities(shown, "invoiced") == ["10", ""]
        assert (quantities(shown, "cancelled"), quantities(shown, "returned")) == (["", "4"], ["", "4"])


async def test_cancelled_delivered_but_not_invoiced_is_refused(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.erp.faults.plan("post_delivery", *[Unavailable("down", reason="ERP_UNAVAILABLE")] * 6)
        order_id = await world.submit(an_order("SO-1"))
        await world.run_while(order_id, lambda shown: shown.state != S.ORDER_STATE_BILLABLE)
        with pytest.raises(Exception, match="claim"):
            await world.wish(order_id, EndOrder(reason="no longer wanted"))


async def test_cancelled_once_invoiced_proposes_a_credit_of_everything(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1"))
        await world.run_until_settled([order_id])
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_CREDIT_DUE)
        proposed = (await world.order(order_id)).claims[0]
        await decide(world, order_id, proposed.claim_id, ClaimState.CLAIM_STATE_APPROVED)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (quantities(shown, "invoiced"), quantities(shown, "returned")) == (["0"], ["4"])
        assert world.erp.credited(order_id) == {"1": 4}
