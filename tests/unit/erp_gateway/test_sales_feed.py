from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.errors import Unavailable
from services.erp_gateway.adapters.port import SaleCondition
from services.erp_gateway.sales_feed import FeedOptions, SalesFeed
from tests.unit.erp_gateway.shop import Shop


class Watched:
    def __init__(self, settle_s: float = 2.0) -> None:
        self.shop = Shop()
        self.options = FeedOptions(interval_s=1.0, settle_s=settle_s)
        self.feed = self.begin("")

    def begin(self, cursor: str) -> SalesFeed:
        return SalesFeed(self.shop.adapter, self.options, cursor, monotonic=self.shop.clock.monotonic)

    async def told(self, *, after: float = 0.0, settle: bool = True) -> list[tuple[str, SaleCondition]]:
        self.shop.clock.advance(timedelta(seconds=after))
        found = await self.feed.poll()
        for reading in found if settle else ():
            self.feed.settled(reading)
        return [(reading.sale, reading.condition) for reading in found]


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_a_sale_is_told_once_it_has_stood_still(watched: Watched) -> None:
    sale = watched.shop.sell()
    assert await watched.told() == []
    assert await watched.told(after=1.9) == []
    assert await watched.told(after=0.1) == [(sale, SaleCondition.READY)]
    assert await watched.told(after=9.0) == []


async def test_every_change_starts_the_wait_anew(watched: Watched) -> None:
    sale = watched.shop.sell()
    await watched.told()
    watched.shop.change(sale, 6)
    assert await watched.told(after=1.9) == []
    assert await watched.told(after=1.9) == []
    assert await watched.told(after=0.1) == [(sale, SaleCondition.READY)]


async def test_a_sale_being_edited_waits_until_it_changes_again(watched: Watched) -> None:
    sale = watched.shop.sell(confirmed=False)
    assert await watched.told() == []
    assert await watched.told(after=9.0) == []
    watched.shop.erp.touch(sale).condition = SaleCondition.READY
    assert await watched.told() == []
    assert await watched.told(after=2.0) == [(sale, SaleCondition.READY)]


async def test_a_changed_sale_is_told_again_and_a_touched_one_is_not(watched: Watched) -> None:
    sale = watched.shop.sell()
    await watched.told()
    await watched.told(after=2.0)
    watched.shop.erp.touch(sale)
    assert await watched.told() + await watched.told(after=5.0) == []
    watched.shop.change(sale, 7)
    assert await watched.told() + await watched.told(after=5.0) == [(sale, SaleCondition.READY)]


async def test_what_was_not_dealt_with_comes_again(watched: Watched) -> None:
    sale = watched.shop.sell()
    await watched.told()
    assert await watched.told(after=2.0, settle=False) == [(sale, SaleCondition.READY)]
    assert await watched.told() == [(sale, SaleCondition.READY)]


async def test_the_cursor_waits_for_what_is_not_settled(watched: Watched) -> None:
    """A restart from the kept cursor sees the sale again that the crash left open."""
    watched.shop.sell()
    await watched.told()
    await watched.told(after=2.0)
    kept = watched.feed.cursor
    second = watched.shop.sell()
    await watched.told()
    assert watched.feed.cursor == kept
    watched.feed = watched.begin(watched.feed.cursor)
    assert await watched.told() + await watched.told(after=2.0) == [(second, SaleCondition.READY)]
    assert watched.feed.cursor != kept


async def test_an_erp_out_of_reach_loses_no_change(watched: Watched) -> None:
    sale = watched.shop.sell()
    watched.shop.erp.reachable = False
    with pytest.raises(Unavailable):
        await watched.told()
    watched.shop.erp.reachable = True
    assert await watched.told() + await watched.told(after=2.0) == [(sale, SaleCondition.READY)]


async def test_a_read_that_fails_after_the_changes_were_listed_is_made_up_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = watched.shop.sell()
    with monkeypatch.context() as patch:
        patch.setattr(watched.shop.adapter, "_reading", _fail)
        with pytest.raises(Unavailable):
            await watched.told()
    assert await watched.told() + await watched.told(after=2.0) == [(sale, SaleCondition.READY)]


def _fail(_name: str) -> None:
    raise Unavailable("gone in between")
