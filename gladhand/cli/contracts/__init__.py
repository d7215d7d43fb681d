"""Commands about the contract itself. None of them needs a running mesh unless it says so."""

from __future__ import annotations

import typer

from gladhand.cli.contracts import comparing, deploying, drawing

app = typer.Typer(no_args_is_help=True, help="The contract: draw it, compare it, release it, see who lives by it.")
drawing.add_to(app)
comparing.add_to(app)
deploying.add_to(app)
