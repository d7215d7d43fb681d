"""`gladhand orders`: orders as the orchestrator knows them."""

from __future__ import annotations

from typing import Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, OrderName, Where
from gladhand.cli.running import asked

app = typer.Typer(no_args_is_help=True, help="Orders as the orchestrator knows them.")


@app.command("list", epilog="Examples: gladhand orders list --state REJECTED; gladhand orders list -n 200 --json")
@told_plainly
def show_all(
    home: Where = None,
    limit: Limit = 50,
    state: Annotated[str, typer.Option(help="Only this state, for example INVOICED.")] = "",
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    from gladhand.cli.look import show_orders
    from logistics.order.v1.order_pb2 import OrderState

    wanted = f"ORDER_STATE_{state.upper()}"
    if state and wanted not in dict(OrderState.items()):
        known = ", ".join(name.removeprefix("ORDER_STATE_") for name in OrderState.keys()[1:])
        raise typer.BadParameter(f"no state {state!r}; states: {known}", param_hint="--state")
    states = [OrderState.Value(wanted)] if state else []
    show_orders(asked(home, lambda client: client.orders(limit=limit, states=states)), as_json)


@app.command("show")
@told_plainly
def show(name: OrderName, home: Where = None, as_json: AsJson = False) -> None:
    """Show one order with its lines and quantities."""
    from gladhand.cli.look import show_order

    show_order(asked(home, lambda client: client.order(name)), as_json)
