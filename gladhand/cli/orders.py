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


@app.command("cancel", epilog='Example: gladhand orders cancel SO-1042 --reason "no longer wanted"')
@told_plainly
def cancel(
    name: OrderName,
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Cancel an order, and tell what that does in its phase."""
    from gladhand.cli.ending import cancelled, show_ending

    answer = asked(home, lambda client: cancelled(client, name, reason))
    show_ending(answer.order, answer.consequence_text, as_json)


@app.command("dispose", epilog="Example: gladhand orders dispose SO-1042 --as DESTROY")
@told_plainly
def dispose(
    name: OrderName,
    becomes: Annotated[str, typer.Option("--as", help="RETURN, RESHIP, DESTROY or CREDIT_ONLY.")],
    goods: Annotated[str, typer.Option("--goods", help="Which decision of the order, by its id.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Decide what becomes of goods that nobody kept, in place of the policy."""
    from gladhand.cli.ending import disposed, show_ending
    from logistics.order.v1.order_pb2 import Disposition

    wanted = f"DISPOSITION_{becomes.upper()}"
    if wanted not in dict(Disposition.items()) or wanted == "DISPOSITION_UNSPECIFIED":
        raise typer.BadParameter("one of RETURN, RESHIP, DESTROY, CREDIT_ONLY", param_hint="--as")
    order = asked(home, lambda client: disposed(client, name, goods, Disposition.Value(wanted)))
    show_ending(order, "It is decided what becomes of the goods.", as_json)


@app.command("claim", epilog='Example: gladhand orders claim SO-1042 --line 1=10 --reason "broken under the foil"')
@told_plainly
def claim(
    name: OrderName,
    line: Annotated[list[str], typer.Option("--line", help="Line and quantity that is asked back, as LINE=QUANTITY.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Ask accepted goods back after the billing gate had opened."""
    from gladhand.cli.ending import claimed, show_ending

    answer = asked(home, lambda client: claimed(client, name, line, reason))
    show_ending(answer.order, f"Claim {answer.claim_id} is recorded.", as_json)


@app.command("credit", epilog="Examples: gladhand orders credit SO-1042; gladhand orders credit SO-1042 --decline")
@told_plainly
def credit(
    name: OrderName,
    claim_id: Annotated[str, typer.Option("--claim", help="Which claim; needed where several are open.")] = "",
    decline: Annotated[bool, typer.Option("--decline", help="Credit nothing.")] = False,
    note: Annotated[str, typer.Option("--note", help="Why, in a sentence.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Approve or decline the credit memo that a claim proposes."""
    from gladhand.cli.ending import credited, show_ending

    order = asked(home, lambda client: credited(client, name, claim_id, note, decline=decline))
    told = "Nothing is credited." if decline else "The credit memo is approved and will be posted."
    show_ending(order, told, as_json)
