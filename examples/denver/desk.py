"""The first steps: a clerk places sales in the ERP, and the mesh takes them over."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from examples.denver.ledger import sales_in_erp
from examples.denver.orders import DemoOrder
from examples.denver.show import Teller
from examples.denver.stage import Stage
from gladhand.cli.words import order_state, refusal
from gladhand.errors import Unavailable
from logistics.load.v1.load_pb2 import Load, LoadState
from logistics.order.v1.order_pb2 import Order, OrderState

_LOOK_S: Final = 0.3
_STILL_S: Final = 6.0
_DRIFT_S: Final = 20.0
"""Seconds by which the mesh's clock is moved on at each look while only time is awaited, e.g. a retry's pause."""
ENDED: Final = (
    OrderState.ORDER_STATE_REJECTED,
    OrderState.ORDER_STATE_INVOICED,
    OrderState.ORDER_STATE_CLOSED,
    OrderState.ORDER_STATE_CANCELLED,
)
_RELEASED: Final = (OrderState.ORDER_STATE_REJECTED, *range(OrderState.ORDER_STATE_RELEASED, 19))


class DemoError(Exception):
    """The demo cannot go on; the message lists what is awaited and where to look."""


async def place_orders(stage: Stage, orders: Sequence[DemoOrder], teller: Teller) -> None:
    """Create, quote and confirm each sale, as a clerk does. Repeating it after a crash changes nothing."""
    for number, order in enumerate(orders, start=1):
        teller.pending(f"sale {number} of {len(orders)}: {order.sale.reference}")
        placed = await stage.desk.place(order.sale)
        goods = ", ".join(f"{line.quantity} {line.product}" for line in order.sale.lines)
        note = f"  ({order.expected})" if order.expected else ""
        teller.done(f"sale {placed.number}  {order.sale.reference}  {order.sale.customer}  {goods}{note}")


async def current_orders(stage: Stage, references: Sequence[str]) -> dict[str, Order]:
    """What the orchestrator has of them, by the customer's reference."""
    answers = await asyncio.gather(*(stage.orchestrator.orders(reference=each, limit=1) for each in references))
    return {reference: found[0] for reference, found in zip(references, answers, strict=True) if found}


async def wait_decided(stage: Stage, references: Sequence[str], teller: Teller, within_s: float) -> dict[str, Order]:
    """Wait until each is released or rejected. Raises DemoError."""

    def missing(found: Mapping[str, Order]) -> list[str]:
        return [f"{each}: {order_state(found[each])}" for each in references if found[each].state not in _RELEASED]

    found = await _wait(stage, references, missing, teller, within_s)
    for reference, order in found.items():
        reason = refusal(order)
        teller.done(f"{reference}  {order_state(order)}" + (f"  {reason}" if reason else ""))
    return found


async def wait_dispatched(stage: Stage, references: Sequence[str], teller: Teller, within_s: float) -> list[Load]:
    """Wait until each order that was not rejected rides, show the plan and what the ERP knows of it.

    Where every vehicle is taken, the others wait for a later wave: once nothing moves any more, one dispatched load is
    enough to go on. Raises DemoError.
    """

    def missing(found: Mapping[str, Order]) -> list[str]:
        open_orders = {each: found[each] for each in references if found[each].state not in ENDED}
        waiting = {each: order for each, order in open_orders.items() if order.state <= OrderState.ORDER_STATE_PLANNED}
        return [f"{each}: {order_state(order)}" for each, order in waiting.items()]

    found = await _wait(stage, references, missing, teller, within_s, enough=_some_ride)
    loads = await loads_of(stage, list(found.values()))
    teller.plan(loads)
    await _show_dispatches(stage, references, found, teller)
    return loads


def _some_ride(found: Mapping[str, Order]) -> bool:
    return any(order.state > OrderState.ORDER_STATE_PLANNED for order in found.values())


async def loads_of(stage: Stage, orders: Sequence[Order]) -> list[Load]:
    """The loads on which they ride, each once."""
    answers = await asyncio.gather(*(stage.orchestrator.loads(order_id=order.order_id) for order in orders))
    loads = {load.load_id: load for found in answers for load in found}
    return sorted(
        (load for load in loads.values() if load.state != LoadState.LOAD_STATE_CANCELLED), key=lambda each: each.load_id
    )


async def _show_dispatches(stage: Stage, references: Sequence[str], found: Mapping[str, Order], teller: Teller) -> None:
    """Ask the ERP, not us, whether it knows of the dispatch."""
    wanted = {each for each in references if OrderState.ORDER_STATE_DISPATCHED <= found[each].state < 18}
    deadline = time.monotonic() + 20.0
    while True:
        sales = await sales_in_erp(stage.desk.session, references)
        untold = sorted(each for each in wanted if each not in sales or not sales[each].dispatches)
        if not untold:
            break
        if time.monotonic() > deadline:
            raise DemoError(f"Tryton shows no dispatch for {', '.join(untold)}; look: gladhand trace {untold[0]}")
        teller.pending(f"waiting for the dispatch confirmation in Tryton: {', '.join(untold)}")
        await asyncio.sleep(_LOOK_S)
    told = ", ".join(f"sale {sales[each].number}: {'/'.join(sales[each].dispatches)}" for each in sorted(wanted))
    teller.done(f"Tryton shows the dispatch on its shipments: {told}")


async def _wait(
    stage: Stage,
    references: Sequence[str],
    missing: Callable[[Mapping[str, Order]], list[str]],
    teller: Teller,
    within_s: float,
    enough: Callable[[Mapping[str, Order]], bool] = lambda _: False,
) -> dict[str, Order]:
    """Look until nothing is missing, or until what there is is enough and has not changed for a while."""
    deadline = time.monotonic() + within_s
    found: dict[str, Order] = {}
    seen, still_since = "", time.monotonic()
    while True:
        try:
            found = await current_orders(stage, references)
            left = [f"{each}: not seen yet" for each in references if each not in found] or missing(found)
        except Unavailable as error:  # a service is being restarted
            left = [str(error)]
        now = " ".join(f"{order.order_id}/{order.version}" for order in found.values())
        if now != seen:
            seen, still_since = now, time.monotonic()
        if not left or (time.monotonic() - still_since > _STILL_S and enough(found)):
            return found
        if time.monotonic() > deadline:
            raise DemoError(waited_for(left))
        teller.pending("waiting for " + "; ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else ""))
        await asyncio.sleep(_LOOK_S)


def waited_for(left: Sequence[str]) -> str:
    """What to say when time is up."""
    return "not all orders got there in time:\n  " + "\n  ".join(left) + "\nlook: gladhand orders list, gladhand logs"


async def let_time_pass(stage: Stage) -> None:
    """Move the mesh's clock on a little: what waits for a time of its own gets there."""
    await stage.clock.advance_to(stage.clock.now() + dt.timedelta(seconds=_DRIFT_S))
    await asyncio.sleep(_LOOK_S)
