"""Two ERPs at once, one orchestrator: each order is a matter of its own ERP, and one that is down stops no other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gladhand.errors import ResourceFull
from tests.simulation.endings import S
from tests.simulation.outside import LedgerErp
from tests.simulation.world import World, an_order

EU = "books-eu"


async def sold(world: World, count: int) -> tuple[list[str], list[str]]:
    """Submit orders of both ERPs in turn, under the same numbers."""
    us, eu = [], []
    for number in range(count):
        us.append(await world.submit(an_order(f"SO-{number}", ("CRATE", 2))))
        eu.append(await world.submit(an_order(f"SO-{number}", ("CRATE", 3), erp=EU)))
    return us, eu


def once_in(erp: LedgerErp, order_ids: list[str]) -> None:
    assert {each: erp.postings[each] for each in order_ids} == dict.fromkeys(order_ids, 1)
    assert len(erp.posted) == len(order_ids)
    assert set(erp.shipped) == set(order_ids)
    assert {order_id for order_id, _ in erp.confirmed} == set(order_ids)


@pytest.mark.parametrize("seed", range(2))
async def test_each_erp_posts_its_own_orders_alone_through_faults(tmp_path: Path, seed: int) -> None:
    async with World.opened(tmp_path, seed=seed, share=0.05, further_erps=(EU,)) as world:
        us, eu = await sold(world, 2)
        assert not set(us) & set(eu), "the same number in two ERPs is two orders"
        await world.run_until_settled([*us, *eu])
        once_in(world.erp, us)
        once_in(world.others[EU], eu)
        assert [(await world.order(each)).state for each in (*us, *eu)] == [S.ORDER_STATE_INVOICED] * 4


async def test_one_erp_that_is_down_from_the_start_stops_no_order_of_the_other(tmp_path: Path) -> None:
    async with World.opened(tmp_path, further_erps=(EU,)) as world:
        world.erp.faults.down = True
        us, eu = await sold(world, 2)
        for each in eu:
            await world.reach(each, S.ORDER_STATE_DISPATCHED)
        assert world.erp.faults.calls["validate_order"] >= len(us), "it was asked"
        assert {(await world.order(each)).state for each in us} == {S.ORDER_STATE_VALIDATING}
        world.erp.faults.down = False
        await world.run_until_settled([*us, *eu])
        once_in(world.erp, us)
        once_in(world.others[EU], eu)


async def test_an_outage_beyond_all_patience_leaves_only_orders_of_that_erp_to_a_person(tmp_path: Path) -> None:
    async with World.opened(tmp_path, further_erps=(EU,)) as world:
        world.erp.faults.down = True
        us, eu = await sold(world, 1)
        await world.run_until_settled([*us, *eu])
        once_in(world.others[EU], eu)
        assert "nobody answers" in await world.parked(us[0])
        world.erp.faults.down = False
        await world.settle(await world.open_exception(us[0]))
        await world.run_until_settled(us)
        once_in(world.erp, us)


async def test_an_erp_that_goes_down_while_goods_of_both_share_a_load_posts_later_and_once(tmp_path: Path) -> None:
    async with World.opened(tmp_path, further_erps=(EU,)) as world:
        us, eu = await sold(world, 2)
        loads = (await world.reach(us[0], S.ORDER_STATE_DISPATCHED)).load_ids
        assert (await world.order(eu[0])).load_ids == loads, "goods of both ride together"
        world.others[EU].faults.down = True
        await world.run_until_settled(us)
        once_in(world.erp, us)
        assert not world.others[EU].postings
        world.others[EU].faults.down = False
        await world.run_until_settled(eu)
        once_in(world.others[EU], eu)
        once_in(world.erp, us)


async def test_an_order_of_an_erp_without_a_gateway_waits_for_a_person_who_is_told_what_to_do(tmp_path: Path) -> None:
    async with World.opened(tmp_path, further_erps=(EU,)) as world:
        lost = await world.submit(an_order("SO-1", erp="books-mars"))
        await world.run_until_settled([lost])
        assert "GLADHAND_ERP_TARGETS" in await world.parked(lost)
        assert not world.erp.faults.calls
        assert not world.others[EU].faults.calls


async def test_an_order_that_finds_the_way_to_its_erp_crowded_waits_its_turn_however_often(tmp_path: Path) -> None:
    async with World.opened(tmp_path, further_erps=(EU,)) as world:
        crowded = ResourceFull("too many calls are under way", retry_after_s=0.1)
        world.erp.faults.plan("validate_order", *[crowded] * 30)
        order_id = await world.submit(an_order("SO-1"))
        await world.run_for(timedelta(minutes=5), [order_id])
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == S.ORDER_STATE_INVOICED
        assert world.erp.postings[order_id] == 1
