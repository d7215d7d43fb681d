"""Many orders through faults: every one ends in exactly one posted invoice or a named refusal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gladhand import ids
from gladhand.envelope import EnvelopeType
from gladhand.errors import FailedPrecondition, Unavailable
from gladhand.testing import eventually
from logistics.dispatch.v1 import PlanLoadsRequest, PlanLoadsResponse
from logistics.exception.v1 import Gate
from logistics.invoice.v1 import InvoiceState
from logistics.order.v1 import EndOrder, OrderEvent, OrderState
from logistics.process.v1 import WaveState
from tests.simulation.world import REGION, World, an_order


async def test_a_clean_order_ends_invoiced(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 4), ("PALLET", 1)))
        await world.run_until_settled([order_id])
        order = await world.order(order_id)
        assert order.state == OrderState.ORDER_STATE_INVOICED
        assert [line.quantities.invoiced.value for line in order.lines] == ["4", "1"]
        assert world.erp.shipped[order_id] == {"1": "4", "2": "1"}
        assert world.erp.postings[order_id] == 1
        assert world.erp.confirmed[(order_id, order.load_ids[0])] >= 1
        assert await world.invoice_state(order_id) == InvoiceState.INVOICE_STATE_POSTED
        history = await world.store.read(EnvelopeType.of(OrderEvent), order_id)
        assert {recorded.event.policy_version for recorded in history} == {"trial@3"}


async def test_an_order_without_stock_is_rejected_with_its_reason(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.erp.short.add("GHOST")
        order_id = await world.submit(an_order("SO-1", ("GHOST", 1)))
        await world.run_until_settled([order_id])
        order = await world.order(order_id)
        assert order.state == OrderState.ORDER_STATE_REJECTED
        assert any(check.reason == "STOCK_SHORT" for check in order.checks)
        assert not world.erp.postings


async def test_only_what_was_accepted_is_billed(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 5)))
        world.refused[order_id] = 2
        await world.run_until_settled([order_id])
        order = await world.order(order_id)
        assert order.state == OrderState.ORDER_STATE_INVOICED
        assert order.lines[0].quantities.invoiced.value == "3"
        assert world.erp.shipped[order_id] == {"1": "3"}


async def test_a_refused_delivery_is_closed_without_an_invoice(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 5)))
        world.refused[order_id] = 5
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_CLOSED
        assert world.erp.postings[order_id] == 0


async def test_a_vehicle_that_leaves_without_a_proof_is_told_of_until_the_proof_comes(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1"))
        world.silent.add(order_id)
        await world.run_for(timedelta(hours=3), [order_id])
        assert not await world.open_exception(order_id)
        await world.run_for(timedelta(hours=2), [order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_IN_EXECUTION
        assert await eventually(lambda: world.open_exception(order_id), what="an open exception")
        await world.prove_late(order_id)
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED

        async def put_right() -> bool:
            return not await world.open_exception(order_id)

        await eventually(put_right)


async def test_a_refusal_of_the_erp_waits_for_a_person_and_then_goes_on(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.erp.faults.plan("post_invoice", FailedPrecondition("the period is closed", reason="ERP_REFUSED"))
        order_id = await world.submit(an_order("SO-1"))
        await world.run_until_settled([order_id])
        assert "the period is closed" in await world.parked(order_id)
        stuck = await eventually(lambda: world.open_exception(order_id), what="an open exception")
        await world.settle(stuck)
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED
        assert world.erp.postings[order_id] == 1


async def test_an_erp_that_is_down_delays_and_loses_nothing(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.erp.faults.plan("validate_order", *[Unavailable("down", reason="ERP_UNAVAILABLE")] * 4)
        order_id = await world.submit(an_order("SO-1"))
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED


async def test_a_dispatched_order_that_is_cancelled_calls_its_vehicle_back(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1"))
        dispatched = await world.reach(order_id, OrderState.ORDER_STATE_DISPATCHED)
        assert world.fleet.live == set(dispatched.load_ids)
        await world.wish(order_id, EndOrder(reason="no longer wanted"))
        await world.reach(order_id, OrderState.ORDER_STATE_CANCELLED)
        await world.run_until_settled([order_id])
        assert not world.fleet.live
        assert not world.erp.postings


async def test_a_hold_that_expires_lets_the_order_go_on(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1"))
        await world.reach(order_id, OrderState.ORDER_STATE_DISPATCHED)
        await world.hold(order_id, Gate.GATE_BILLING, timedelta(hours=6))
        await world.run_for(timedelta(hours=2), [order_id])
        blocked = await world.order(order_id)
        assert blocked.state == OrderState.ORDER_STATE_DELIVERED
        assert await world.invoice_state(order_id) == InvoiceState.INVOICE_STATE_BLOCKED
        assert not world.erp.postings
        await world.run_for(timedelta(hours=5), [order_id])
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED


async def test_an_order_that_no_vehicle_can_take_is_told_of_until_one_can(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.fleet.full = 1
        order_id = await world.submit(an_order("SO-1"))
        await world.run_for(timedelta(seconds=10), [order_id])
        assert await eventually(lambda: world.open_exception(order_id), what="an open exception")
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED

        async def put_right() -> bool:
            return not await world.open_exception(order_id)

        await eventually(put_right)


@pytest.mark.parametrize("seed", range(6))
async def test_faults_cost_time_and_never_an_order(tmp_path: Path, seed: int) -> None:
    async with World.opened(tmp_path, seed=seed, share=0.15) as world:
        order_ids = []
        for number in range(8):
            submitted = an_order(f"SO-{number}", ("CRATE", 1 + number), ("PALLET", 2))
            order_ids.append(await world.submit(submitted))
            assert await world.submit(submitted) == order_ids[-1]
        world.refused[order_ids[0]] = 1
        await world.run_until_settled(order_ids)
        for order_id in order_ids:
            assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED, await world.parked(order_id)
            assert world.erp.postings[order_id] == 1
        assert not world.fleet.live


async def test_waves_that_wait_for_the_same_planner_do_not_lay_an_order_twice(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        planning, answering = world.orchestrator.desk.planning, world.fleet.plan_loads

        async def away(request: PlanLoadsRequest) -> PlanLoadsResponse:
            raise Unavailable("the planner is away")

        world.fleet.plan_loads = away  # type: ignore[method-assign]
        order_id = await world.submit(an_order("SO-1"))
        await world.reach(order_id, OrderState.ORDER_STATE_RELEASED)
        await eventually(lambda: world.read_model.released_orders(REGION, 1), what="the order in the read model")
        requests = [ids.derive(order_id, "wave", str(number)) for number in range(3)]
        for request_id in requests:
            with pytest.raises(Unavailable):
                await planning.run(REGION, request_id, "timer")
        world.fleet.plan_loads = answering  # type: ignore[method-assign]
        waves = [await planning.run(REGION, request_id, "timer") for request_id in requests]
        states = [WaveState.Name(wave.state.state) for wave in waves if wave is not None]
        assert states == ["WAVE_STATE_LAID", "WAVE_STATE_ABANDONED", "WAVE_STATE_ABANDONED"]
        await world.run_until_settled([order_id])
        order = await world.order(order_id)
        assert order.state == OrderState.ORDER_STATE_INVOICED
        assert len(order.load_ids) == 1
