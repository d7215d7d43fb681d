"""`gladhand loads`: what a vehicle carries out, stop by stop."""

from __future__ import annotations

from typing import Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import asked

app = typer.Typer(no_args_is_help=True, help="Loads: what a vehicle carries out, stop by stop.")


@app.command("list")
@told_plainly
def show_all(home: Where = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List loads, newest first."""
    from gladhand.cli.look import show_loads

    show_loads(asked(home, lambda client: client.loads(limit=limit)), as_json)


@app.command("show")
@told_plainly
def show(
    load: Annotated[str, typer.Argument(help="Load id, or how it begins or ends.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show one load with its stops and times."""
    from gladhand.cli.look import show_load

    show_load(asked(home, lambda client: client.load(load)), as_json)
