"""`gladhand contracts diagram`: the lifecycles of the installed contract as Mermaid diagrams."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gladhand.cli.failure import Exit, Failure, told_plainly
from gladhand.cli.home import clone_root

PAGE = Path("docs/contract/lifecycles.md")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        epilog="Examples: gladhand contracts diagram OrderState; gladhand contracts diagram --write (writes the page "
        "of all into docs/contract). Mermaid is drawn by GitHub, GitLab and most editors."
    )(diagram)


@told_plainly
def diagram(
    lifecycle: Annotated[
        str,
        typer.Argument(
            metavar="[LIFECYCLE]",
            help="Name of a state enum, short (OrderState) or full (logistics.order.v1.OrderState). Without it: all.",
        ),
    ] = "",
    write: Annotated[
        bool, typer.Option("--write", help=f"Write the page of all lifecycles to {PAGE} of the clone instead.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print {name: diagram} as one JSON document on stdout.")
    ] = False,
) -> None:
    """Draw the lifecycles that the contract declares, as Mermaid state diagrams."""
    from gladhand.cli.output import print_json
    from gladhand.contracts.installed import files
    from gladhand.contracts.lifecycles import lifecycles
    from gladhand.contracts.mermaid import drawing, page

    tables = lifecycles(files())
    if write:
        if lifecycle or as_json:
            raise typer.BadParameter("--write writes the page of all lifecycles; leave the name and --json out")
        print(f"{_target(page(tables))} written")
        return
    chosen = [table for table in tables if lifecycle in ("", table.enum, table.enum.rpartition(".")[2])]
    if not chosen:
        known = ", ".join(table.enum.rpartition(".")[2] for table in tables)
        raise Failure(f"the contract declares no lifecycle {lifecycle!r}", f"it declares: {known}", Exit.NOT_FOUND)
    if as_json:
        print_json({table.enum: drawing(table) for table in chosen})
    elif lifecycle:
        print(drawing(chosen[0]), end="")
    else:
        print("\n".join(f"%% {table.enum}\n{drawing(table)}" for table in chosen), end="")


def _target(text: str) -> Path:
    root = clone_root()
    if not (root / "proto").is_dir():
        raise Failure(f"{root} is no clone to write into", "run it in a clone, or print it without --write")
    target = root / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return PAGE
