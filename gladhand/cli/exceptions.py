"""`gladhand exceptions`: what went wrong, who sees to it, and until when."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import asked

if TYPE_CHECKING:
    from pathlib import Path

    from logistics.exception.v1.exception_pb2 import Exception as MeshException

app = typer.Typer(no_args_is_help=True, help="What went wrong, who sees to it, and until when.")

Name = Annotated[str, typer.Argument(metavar="EXCEPTION", help="Exception id, or how it begins or ends.")]
Owner = Annotated[str, typer.Option("--owner", help="Who sees to it; whoever calls where left out.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, in a sentence.")]


@app.command("list", epilog="Examples: gladhand exceptions list; gladhand exceptions list --all --json")
@told_plainly
def show_all(
    home: Where = None,
    limit: Limit = 50,
    every: Annotated[bool, typer.Option("--all", help="Also those that are resolved, closed or void.")] = False,
    order: Annotated[str, typer.Option(help="Only those of this order, by its id.")] = "",
    load: Annotated[str, typer.Option(help="Only those of this load, by its id.")] = "",
    as_json: AsJson = False,
) -> None:
    """List exceptions that somebody must act on, newest first."""
    from gladhand.cli.trouble import show_exceptions

    found = asked(home, lambda client: client.exceptions(limit=limit, every=every, order_id=order, load_id=load))
    show_exceptions(found, as_json)


@app.command("show")
@told_plainly
def show(name: Name, home: Where = None, as_json: AsJson = False) -> None:
    """Show one exception with what it stands on and what its kind means."""
    from gladhand.cli.trouble import show_exception

    show_exception(asked(home, lambda client: client.exception(name)), as_json)


@app.command("acknowledge")
@told_plainly
def acknowledge(name: Name, owner: Owner = "", home: Where = None, as_json: AsJson = False) -> None:
    """Take note of it."""
    _change(home, name, "AcknowledgeException", {"owner": owner}, as_json)


@app.command("work")
@told_plainly
def work(name: Name, owner: Owner = "", home: Where = None, as_json: AsJson = False) -> None:
    """Begin to work on it."""
    _change(home, name, "BeginExceptionWork", {"owner": owner}, as_json)


@app.command("resolve", epilog="Example: gladhand exceptions resolve 018f… --code ACCEPTED_SHORT --note 'billed three'")
@told_plainly
def resolve(
    name: Name,
    code: Annotated[str, typer.Option("--code", "-c", help="What was done, in one word.")],
    note: Annotated[str, typer.Option("--note", "-m", help="What was done, in a sentence.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Record that it is put right; what waited for it goes on."""
    _change(home, name, "ResolveException", {"code": code, "note": note}, as_json)


@app.command("close")
@told_plainly
def close(name: Name, home: Where = None, as_json: AsJson = False) -> None:
    """Close it, once it is resolved."""
    _change(home, name, "CloseException", {}, as_json)


@app.command("reopen")
@told_plainly
def reopen(name: Name, reason: Reason, home: Where = None, as_json: AsJson = False) -> None:
    """Record that it came back."""
    _change(home, name, "ReopenException", {"reason": reason}, as_json)


@app.command("void")
@told_plainly
def void(name: Name, reason: Reason, home: Where = None, as_json: AsJson = False) -> None:
    """Record that it was never true."""
    _change(home, name, "VoidException", {"reason": reason}, as_json)


def _change(home: Path | None, name: str, method: str, fields: dict[str, str], as_json: bool) -> None:
    """Call a method on the exception that a name means, and show what became of it."""
    from gladhand.cli.ask import Orchestrator
    from gladhand.cli.trouble import show_exception

    async def ask(client: Orchestrator) -> MeshException:
        exception_id = (await client.exception(name)).exception_id
        return await client.change_exception(method, exception_id, str(uuid.uuid4()), fields)

    show_exception(asked(home, ask), as_json)
