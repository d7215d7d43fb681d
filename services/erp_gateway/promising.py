"""Who gets scarce stock: first come, first served, among the sales that wait for goods (pure).

An ERP may promise nothing while a delivery waits (Tryton does not), so the gateway reckons it: sales in the order of
their ids take what they need if all of it is there; a sale that cannot be served whole takes nothing (its order is
refused).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Demand:
    """Goods of one product that a waiting sale still needs from a warehouse; ``sale`` 0 for other needs."""

    sale: int
    sku: str
    quantity: Decimal


def left_after(
    on_hand: Mapping[str, Decimal], demands: Iterable[Demand], before_sale: int | None = None
) -> dict[str, Decimal]:
    """What is left of ``on_hand`` once earlier sales are served; all of them, or those before ``before_sale``."""
    needs: dict[int, dict[str, Decimal]] = {}
    for demand in demands:
        if before_sale is None or demand.sale < before_sale:
            of_sale = needs.setdefault(demand.sale, {})
            of_sale[demand.sku] = of_sale.get(demand.sku, Decimal(0)) + demand.quantity
    left = dict(on_hand)
    for _, wanted in sorted(needs.items()):
        if all(left.get(sku, Decimal(0)) >= quantity for sku, quantity in wanted.items()):
            for sku, quantity in wanted.items():
                left[sku] -= quantity
    return left
