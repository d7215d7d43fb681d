"""The demo's orders: the same for the same seed, and always the whole story."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from deploy.tryton.denver import CUSTOMERS, PRODUCTS
from examples.denver.orders import Story, orders_of
from examples.denver.story import begin_or_resume, finish

NOW = dt.datetime(2026, 1, 5, 15, 4, 33, tzinfo=dt.UTC)


def story(orders: int = 6, seed: int = 1) -> Story:
    return Story("ABC123", seed, orders, NOW)


def test_the_same_seed_makes_the_same_orders() -> None:
    assert orders_of(story(20)) == orders_of(story(20))
    assert orders_of(story(20, seed=2)) != orders_of(story(20))


@pytest.mark.parametrize("count", [5, 6, 12, 40])
def test_there_are_as_many_as_asked_for_each_with_its_own_reference(count: int) -> None:
    orders = orders_of(story(count))
    assert len({order.sale.reference for order in orders}) == count


def test_five_tell_the_whole_story() -> None:
    orders = orders_of(story(5))
    assert len({order.sale.customer for order in orders}) >= 3
    assert {order.sale.warehouse for order in orders} == {"HAM", "BAN"}
    assert len({line.product for order in orders for line in order.sale.lines}) >= 3
    assert any(len({line.deliver_to for line in order.sale.lines}) == 2 for order in orders)
    assert any(order.refuse_part for order in orders)
    assert any("refused" in order.expected and not order.refuse_part for order in orders)


def test_every_customer_product_and_address_is_known() -> None:
    customers = {customer.code: customer for customer in CUSTOMERS}
    products = {product.code for product in PRODUCTS}
    for order in orders_of(story(60)):
        names = {place.name for place in customers[order.sale.customer].deliveries}
        for line in order.sale.lines:
            assert line.product in products
            assert line.quantity > 0
            assert line.deliver_to is None or line.deliver_to in names


def test_an_unfinished_run_is_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "demo" / "story.json"
    first, resumed = begin_or_resume(file, 1, 6, NOW)
    assert not resumed
    assert begin_or_resume(file, 1, 6, NOW + dt.timedelta(hours=1)) == (first, True)
    other, resumed = begin_or_resume(file, 2, 6, NOW)
    assert not resumed
    assert other.run != first.run
    finish(file)
    assert not begin_or_resume(file, 2, 6, NOW)[1]


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"run": "A", "seed": 1, "orders": 6, "begun": "x"}'])
def test_a_damaged_memory_begins_a_new_run(tmp_path: Path, content: str) -> None:
    file = tmp_path / "story.json"
    file.write_text(content)
    assert not begin_or_resume(file, 1, 6, NOW)[1]
