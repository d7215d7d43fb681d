"""`gladhand dead-letters`: messages that no attempt could handle."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import running_mesh

app = typer.Typer(no_args_is_help=True, help="Messages that no attempt could handle: look, fix, replay.")


@app.command("list")
@told_plainly
def show_all(
    home: Where = None,
    consumer: Annotated[str, typer.Option(help="Only letters of this consumer.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    from gladhand.cli import letters

    asyncio.run(letters.show_all(running_mesh(home).bus(), consumer or None, limit, as_json))


@app.command("show")
@told_plainly
def show(
    letter: Annotated[int, typer.Argument(help="Number of the letter.")],
    home: Where = None,
    as_json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="Add the message as it is, personal data and all.")] = False,
) -> None:
    """Show one dead letter with its message, what is personal blotted out."""
    from gladhand.cli import letters

    asyncio.run(letters.show_one(running_mesh(home).bus(), letter, as_json, raw))


@app.command("replay", epilog="Examples: gladhand dead-letters replay 3; gladhand dead-letters replay 3 4 5")
@told_plainly
def replay(
    numbers: Annotated[list[int], typer.Argument(metavar="LETTER...", help="Numbers of the letters.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Send letters back to the consumer that failed, and to nobody else."""
    from gladhand.cli import letters

    asyncio.run(letters.replay(running_mesh(home).bus(), numbers, as_json))
