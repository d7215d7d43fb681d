"""`gladhand holds`: what blocks, where, and who may release it."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import asked

app = typer.Typer(no_args_is_help=True, help="Holds: what blocks, where, and who may release it.")

Order = Annotated[str, typer.Option("--order", help="The order, by its id.")]
Load = Annotated[str, typer.Option("--load", help="The load, by its id.")]
Stop = Annotated[str, typer.Option("--stop", help="The stop of the load, by its id.")]
Line = Annotated[str, typer.Option("--line", help="The line of the order.")]
Invoice = Annotated[str, typer.Option("--invoice", help="The invoice, by its id.")]


@app.command("list")
@told_plainly
def show_all(
    home: Where = None,
    limit: Limit = 50,
    every: Annotated[bool, typer.Option("--all", help="Also those that are released or ended.")] = False,
    order: Order = "",
    as_json: AsJson = False,
) -> None:
    """List holds that block, newest first."""
    from gladhand.cli.trouble import show_holds

    show_holds(asked(home, lambda client: client.holds(limit=limit, every=every, order_id=order)), as_json)


@app.command(
    "place", epilog="Example: gladhand holds place --order 018f… --gate billing --kind finance -r 'credit check'"
)
@told_plainly
def place(
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, in a sentence.")],
    gate: Annotated[
        list[str], typer.Option("--gate", help="planning, dispatch, delivery or billing; repeat for more.")
    ],
    kind: Annotated[str, typer.Option(help="operational, compliance, customer, finance or data_quality.")] = (
        "operational"
    ),
    order: Order = "",
    load: Load = "",
    stop: Stop = "",
    line: Line = "",
    invoice: Invoice = "",
    four_eyes: Annotated[bool, typer.Option("--four-eyes", help="Another person must release it.")] = False,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Place a hold. When it answers, it blocks."""
    from gladhand.cli.trouble import gate_of, kind_of, show_hold
    from logistics.exception.v1.hold_pb2 import Hold

    wanted = Hold(
        kind=kind_of(kind),
        gates=[gate_of(each) for each in gate],
        order_id=order,
        load_id=load,
        stop_id=stop,
        line_id=line,
        invoice_id=invoice,
        four_eyes=four_eyes,
        reason=reason,
    )
    show_hold(asked(home, lambda client: client.place_hold(wanted, str(uuid.uuid4()))), as_json)


@app.command("release", epilog="Example: gladhand holds release 018f… --evidence 'paid on 3 March'")
@told_plainly
def release(
    hold: Annotated[str, typer.Argument(help="The hold, by its id.")],
    evidence: Annotated[str, typer.Option("--evidence", "-e", help="What makes it right to go on.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Release a hold; what waited for it goes on."""
    from gladhand.cli.trouble import show_hold

    show_hold(asked(home, lambda client: client.release_hold(hold, evidence, str(uuid.uuid4()))), as_json)


@app.command(
    "blocked-by", epilog="Ends with 1 where something blocks. Example: gladhand holds blocked-by billing --order 018f…"
)
@told_plainly
def blocked_by(
    gate: Annotated[str, typer.Argument(help="planning, dispatch, delivery or billing.")],
    order: Order = "",
    load: Load = "",
    stop: Stop = "",
    line: Line = "",
    invoice: Invoice = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Tell what blocks a gate of an order, line, load, stop or invoice, and who may release it."""
    from gladhand.cli.failure import Exit
    from gladhand.cli.trouble import gate_of, show_blockers
    from logistics.orchestrator.v1.orchestrator_service_pb2 import BlockedByRequest

    request = BlockedByRequest(
        order_id=order, load_id=load, stop_id=stop, line_id=line, invoice_id=invoice, gate=gate_of(gate)
    )
    answer = asked(home, lambda client: client.blocked_by(request))
    show_blockers(answer, as_json)
    if answer.blocked:
        raise typer.Exit(Exit.FAILED)
