"""What the demo's customers order: the same for the same seed, as many as are asked for.

The first six always tell the whole story: all three tracks, one order to two addresses, one of which
the consignee refuses a part, and one that cannot be released because nobody knows where it goes.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from deploy.tryton.denver import CUSTOMERS, Customer
from deploy.tryton.order_desk import SaleLine, SaleRequest

FEWEST: Final = 5
WINDOW: Final = dt.timedelta(hours=8)
_GOODS: Final = ("WATER24", "FLOUR25", "COFFEE5", "PAPERA4", "GLOVESM")
_LEAST_OF_EACH: Final = 8
_MOST_OF_EACH: Final = 18
"""An order weighs 100 to 800 kg, so that five do not fit into one of the demo's vans, which carry 1200 kg."""


@dataclass(frozen=True, slots=True)
class DemoOrder:
    """One sale. `refuse_part` has the consignee refuse some of it; `expected` says why it is in the demo."""

    sale: SaleRequest
    expected: str
    refuse_part: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """What stays the same when a run is taken up again after a crash: its name, seed, size and first moment."""

    run: str
    seed: int
    orders: int
    begun: dt.datetime


def orders_of(story: Story) -> list[DemoOrder]:
    """The orders of a run, each with a reference of its own."""
    chance = random.Random(f"orders/{story.seed}")
    told: list[Callable[[Story, random.Random, int], DemoOrder]] = [
        _two_addresses,
        partial(_plain, "C1001"),
        _part_refused,
        partial(_plain, "C1005"),
        _no_place,
        partial(_plain, "C1006"),
    ]
    made = [make(story, chance, number) for number, make in enumerate(told, start=1)]
    while len(made) < story.orders:
        number = len(made) + 1
        made.append(_scarce(story, chance, number) if number % 10 == 0 else _any_order(story, chance, number))
    return made[: story.orders]


def _two_addresses(story: Story, chance: random.Random, number: int) -> DemoOrder:
    customer = _customer("C1002")
    first, second = (place.code for place in customer.deliveries)
    names = _names(customer, (first, second))
    water, coffee = chance.randint(16, 24), chance.randint(6, 12)
    lines = (
        SaleLine("WATER24", Decimal(water), names[0]),
        SaleLine("COFFEE5", Decimal(coffee), names[1]),
        SaleLine("PAPERA4", Decimal(chance.randint(10, 18)), names[1]),
    )
    return DemoOrder(_sale(story, number, customer, lines), "two delivery addresses")


def _part_refused(story: Story, chance: random.Random, number: int) -> DemoOrder:
    customer = _customer("C1004")
    lines = (SaleLine("FLOUR25", Decimal(chance.randint(14, 20))), SaleLine("WATER24", Decimal(chance.randint(8, 14))))
    return DemoOrder(_sale(story, number, customer, lines), "a part refused at the door", refuse_part=True)


def _no_place(story: Story, chance: random.Random, number: int) -> DemoOrder:
    lines = (SaleLine("TENT3X3", Decimal(chance.randint(1, 4))),)
    return DemoOrder(_sale(story, number, _customer("C1009"), lines), "refused: no known place")


def _scarce(story: Story, chance: random.Random, number: int) -> DemoOrder:
    lines = (SaleLine("GENSET2", Decimal(chance.randint(5, 9))),)
    return DemoOrder(_sale(story, number, _customer("C1007"), lines), "refused: too little stock")


def _any_order(story: Story, chance: random.Random, number: int) -> DemoOrder:
    return _plain(f"C100{chance.choice((1, 2, 3, 4, 5, 6, 7))}", story, chance, number)


def _plain(customer: str, story: Story, chance: random.Random, number: int) -> DemoOrder:
    goods = chance.sample(_GOODS, chance.randint(1, 3))
    lines = tuple(SaleLine(product, Decimal(chance.randint(_LEAST_OF_EACH, _MOST_OF_EACH))) for product in goods)
    return DemoOrder(_sale(story, number, _customer(customer), lines), "")


def _sale(story: Story, number: int, customer: Customer, lines: tuple[SaleLine, ...]) -> SaleRequest:
    return SaleRequest(
        customer=customer.code,
        reference=f"PO-{story.run}-{number:03d}",
        warehouse=customer.served_from,
        lines=lines,
        shipping_date=story.begun.date(),
        window=(story.begun, story.begun + WINDOW),
    )


def _customer(code: str) -> Customer:
    return next(customer for customer in CUSTOMERS if customer.code == code)


def _names(customer: Customer, codes: Sequence[str]) -> list[str]:
    """How the order desk names delivery addresses: by what stands on them."""
    return [next(place.name for place in customer.deliveries if place.code == code) for code in codes]
