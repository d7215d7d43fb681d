"""Options and arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gladhand.cli.home import VARIABLE

__all__ = ["AsJson", "Limit", "OrderName", "Where"]

Where = Annotated[
    Path | None,
    typer.Option("--home", envvar=VARIABLE, show_default=".gladhand of the clone", help="Directory of the mesh."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")]


def _filled(name: str) -> str:
    if not name.strip():
        raise typer.BadParameter("it is empty; give an order id, sale number, reference or invoice number")
    return name


OrderName = Annotated[
    str,
    typer.Argument(
        metavar="ORDER",
        help="Order id, ERP sale number, customer's reference or invoice number.",
        callback=_filled,
    ),
]
