"""`gladhand contracts`: one module for each kind of question about the contract."""

from __future__ import annotations

import typer

from gladhand.cli.contracts import drawing

app = typer.Typer(no_args_is_help=True, help="The contract: draw it, compare it, release it, see who lives by it.")
drawing.add_to(app)
