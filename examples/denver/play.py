"""The demo from the first sale to the last invoice number, and the account of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from examples.denver.desk import (
    ENDED,
    DemoError,
    current_orders,
    let_time_pass,
    loads_of,
    place_orders,
    wait_decided,
    wait_dispatched,
    waited_for,
)  # fmt: skip
from examples.denver.driver import Driver, is_open
from examples.denver.ledger import LoggedOrder, SaleInErp, orders_in_log, sales_in_erp
from examples.denver.orders import DemoOrder, orders_of
from examples.denver.show import Teller
from examples.denver.stage import Stage
from examples.denver.story import begin_or_resume, finish
from gladhand.cli.output import table
from gladhand.cli.words import load_state, order_state
from gladhand.errors import Unavailable
from logistics.order.v1.order_pb2 import Order

_DECIDED_S: Final = 60.0
_DISPATCHED_S: Final = 60.0
_STILL_S: Final = 90.0
"""How long nothing may change before the demo gives up. Seconds of the world."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the account: what the ERP and the log say of one order."""

    demo: DemoOrder
    sale: SaleInErp | None
    logged: LoggedOrder | None

    @property
    def invoiced(self) -> bool:
        """Whether Tryton has a posted invoice for it."""
        return self.sale is not None and bool(self.sale.invoices)

    @property
    def rejected(self) -> bool:
        """Whether the log says so, and Tryton has no invoice."""
        return self.logged is not None and bool(self.logged.rejected) and not self.invoiced

    @property
    def surplus(self) -> int:
        """Posted invoices beyond the one, in Tryton or in the log."""
        in_erp = len(self.sale.invoices) if self.sale is not None else 0
        in_log = len(self.logged.posted) if self.logged is not None else 0
        return max(in_erp - 1, in_log - 1, 0)

    @property
    def agrees(self) -> bool:
        """Whether the ERP and the log name the same invoices."""
        in_erp = set(self.sale.invoices) if self.sale is not None else set()
        return in_erp == set(self.logged.posted if self.logged is not None else ())


async def play(stage: Stage, teller: Teller, seed: int, count: int) -> list[Result]:
    """Play it. Raises DemoError, DriveError, GladhandError, TrytonError."""
    story, resumed = begin_or_resume(stage.story_file, seed, count, stage.clock.now())
    orders = orders_of(story)
    references = [order.sale.reference for order in orders]
    if resumed:
        teller.done(f"taking up run {story.run} again, which did not end")
    with teller.step(f"1  A clerk confirms {len(orders)} sales in Tryton"):
        await place_orders(stage, orders, teller)
    with teller.step("2  The gateway finds them; the orchestrator checks customer, place, stock and window"):
        decided = await wait_decided(stage, references, teller, _DECIDED_S)
    with teller.step("3  Loads are planned, assigned and dispatched"):
        await wait_dispatched(stage, references, teller, _DISPATCHED_S)
    refusing = frozenset(decided[each.sale.reference].order_id for each in orders if each.refuse_part)
    with teller.step("4  Trucks drive recorded tracks, trackers report, drivers hand in proofs; invoices are posted"):
        await _finish_all(stage, teller, Driver(stage, seed, refusing, teller.done), references)
    finish(stage.story_file)
    return await account(stage, orders)


async def _finish_all(stage: Stage, teller: Teller, driver: Driver, references: Sequence[str]) -> None:
    """Drive what is dispatched, wait for what follows, and again, until every order has ended."""
    driven: set[str] = set()
    last_change = time.monotonic()
    seen = ""
    while True:
        try:
            orders = await current_orders(stage, references)
            loads = [load for load in await stage.orchestrator.loads() if is_open(load) and load.load_id not in driven]
        except Unavailable as error:
            orders, loads = {}, []
            teller.pending(str(error))
        left = [order for order in orders.values() if order.state not in ENDED]
        if orders and not left:
            break
        if loads:
            with teller.bar(f"{len(loads)} loads on the road") as bar:
                await driver.drive(loads, lambda share: bar.update(bar.task_ids[0], completed=share))
            driven.update(load.load_id for load in loads)
        now = " ".join(f"{order.order_id}={order.state}/{order.version}" for order in orders.values())
        if loads or now != seen:
            seen, last_change = now, time.monotonic()
        elif time.monotonic() - last_change > _STILL_S:
            raise DemoError(waited_for(await _reasons(stage, left)))
        if left:
            teller.pending("waiting for " + ", ".join(f"{_name(order)} ({order_state(order)})" for order in left))
        await let_time_pass(stage)
    sent = driver.figures
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted((sent.by_kind or {}).items()))
    teller.done(f"{sent.sent} positions sent ({kinds}), {sent.refused} refused by the gateway; {sent.proofs} proofs")


async def _reasons(stage: Stage, left: Sequence[Order]) -> list[str]:
    reasons = []
    for order in left:
        loads = await loads_of(stage, [order])
        rides = ", ".join(f"load {load.load_id} {load_state(load)}" for load in loads) or "no load"
        holds = f", holds {' '.join(order.hold_ids)}" if order.hold_ids else ""
        reasons.append(f"{_name(order)}: {order_state(order)}, {rides}{holds}; gladhand trace {order.order_id}")
    return reasons


def _name(order: Order) -> str:
    return next((each.value for each in order.references if each.value.startswith("PO-")), str(order.order_id))


async def account(stage: Stage, orders: Sequence[DemoOrder]) -> list[Result]:
    """Count from the ERP and from the log: nothing here comes from memory."""
    references = [order.sale.reference for order in orders]
    sales = await sales_in_erp(stage.desk.session, references)
    logged = await orders_in_log(stage.log, references)
    return [Result(order, sales.get(order.sale.reference), logged.get(order.sale.reference)) for order in orders]


def duplicates(results: Sequence[Result]) -> int:
    """Invoices too many: beyond one for each order, and numbers that the ERP gave twice."""
    numbers = [number for result in results if result.sale is not None for number in set(result.sale.invoices)]
    return sum(result.surplus for result in results) + len(numbers) - len(set(numbers))


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The account as one JSON object."""
    return {
        "orders": len(results),
        "invoiced": sum(result.invoiced for result in results),
        "rejected": sum(result.rejected for result in results),
        "duplicates_posted": duplicates(results),
        "lost": sum(not result.invoiced and not result.rejected for result in results),
        "invoices": [
            {
                "order_id": result.logged.order_id if result.logged is not None else "",
                "erp_order": result.sale.number if result.sale is not None else "",
                "erp_invoice": number,
            }
            for result in results
            for number in (result.sale.invoices if result.sale is not None else ())
        ],
        "refusals": [
            {
                "order_id": result.logged.order_id,
                "erp_order": result.sale.number if result.sale is not None else "",
                "reason": result.logged.rejected,
            }
            for result in results
            if result.logged is not None and result.rejected
        ],
    }


async def show_account(stage: Stage, teller: Teller, results: Sequence[Result]) -> None:
    """The table at the end, and where to look further."""
    found = await current_orders(stage, [result.demo.sale.reference for result in results])
    loads = {load.load_id: load for load in await loads_of(stage, list(found.values()))}
    rows = []
    for result in results:
        order = found.get(result.demo.sale.reference)
        rides = [loads[each] for each in (order.load_ids if order is not None else ()) if each in loads]
        rows.append((
            result.demo.sale.reference,
            order.customer.name if order is not None else result.demo.sale.customer,
            result.sale.number if result.sale is not None else "",
            order_state(order) if order is not None else "",
            " ".join(f"{load.load_id[-8:]} {load.assignments[-1].vehicle_id}" for load in rides if load.assignments),
            ", ".join(result.sale.invoices) if result.invoiced and result.sale is not None else _refused(result),
        ))  # fmt: skip
    columns = ("reference", "customer", "sale", "state", "load", "invoice or refusal")
    teller.console.print(table(columns, rows, title="\nWhat Tryton and the log say"))
    first = results[0].demo.sale.reference
    erp = f"{stage.mesh.url('tryton')}/erp/rpc/"
    for line in (
        f"the way of one order:   {_typed('gladhand')} trace {first}",
        f"all orders and loads:   {_typed('gladhand')} orders list   {_typed('gladhand')} loads list",
        f"processes and logs:     {_typed('gladhand')} status   {_typed('gladhand')} logs -f",
        f"Tryton, as order_clerk: JSON-RPC POST to {erp} (database erp; password in {_credentials(stage)})",
        *([f"whom to trust there:    {stage.mesh.secure / 'ca.pem'}"] if stage.mesh.secure else []),
        f"events as they happen:  {_typed('python')} examples/print_events.py {_bus(stage)}",
        f"the mesh goes on running; stop it: {_typed('gladhand')} down",
    ):
        teller.done(line)


def _bus(stage: Stage) -> str:
    """How a client that is not ours reaches the bus."""
    authority = f" --ca {stage.mesh.secure / 'ca.pem'}" if stage.mesh.secure else ""
    return f"{stage.mesh.nats_url}{authority} --credentials {stage.mesh.credentials}"


def _typed(program: str) -> str:
    """A program beside this interpreter as it can be typed here: relative to the directory where that is inside it."""
    place = Path(sys.executable).with_name(program)
    return str(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)


def _refused(result: Result) -> str:
    return f"refused: {result.logged.rejected}" if result.logged is not None and result.rejected else "nothing"


def _credentials(stage: Stage) -> str:
    return str(stage.home.data("tryton") / "credentials.json")


def is_sound(results: Sequence[Result]) -> bool:
    """Each order ended in exactly one posted invoice or a refusal, and ERP and log agree."""
    ended = all((result.invoiced or result.rejected) and result.agrees for result in results)
    return ended and not duplicates(results)
