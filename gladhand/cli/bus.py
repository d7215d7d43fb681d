"""`gladhand bus`: who may do what on the bus of a local mesh."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.home import Home
from gladhand.cli.options import AsJson, Where

if TYPE_CHECKING:
    from gladhand.cli.mesh.identity import Identity

_RELOADS: Final = 10
_RELOAD_S: Final = 1.0

app = typer.Typer(no_args_is_help=True, help="The bus: who may read what of the mesh's events.")
credentials_app = typer.Typer(no_args_is_help=True, help="Credentials of readers: other teams' consumers of events.")
app.add_typer(credentials_app, name="credentials")


@credentials_app.command(
    "create", epilog="Example: gladhand bus credentials create billing-team --reads invoice,order, then give the file."
)
@told_plainly
def create(
    name: Annotated[str, typer.Argument(help="The reader's name: 2 to 32 of a-z, 0-9, _ and -.")],
    reads: Annotated[
        str,
        typer.Option(
            help="Comma between: order, load, pod, invoice, exception, hold, excursion, fulfilment, wave, telemetry, "
            "observation."
        ),
    ],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Let a reader in: a seed file that reads exactly these events, and has a durable consumer of its own name.

    Again with other events changes what it reads; the file stays the same.
    """
    from gladhand.cli.mesh.access import Access
    from gladhand.cli.output import print_json

    place = Home.chosen(home)
    wanted = [each.strip() for each in reads.split(",") if each.strip()]
    file = Access(place).add_reader(name, wanted)
    reloaded = _in_force(place, file)
    if as_json:
        print_json({"name": name, "reads": wanted, "credentials": str(file), "in_force": reloaded})
        return
    print(f"{name} reads {', '.join(wanted)} with {file}")
    print("in force now" if reloaded else "in force at the next gladhand up")


@credentials_app.command("list")
@told_plainly
def show(home: Where = None, as_json: AsJson = False) -> None:
    """List the readers and what they read."""
    from gladhand.cli.mesh.access import Access
    from gladhand.cli.output import print_json, screen, table

    access = Access(Home.chosen(home))
    readers = access.readers()
    if as_json:
        print_json(
            [
                {"name": name, "reads": reads, "credentials": str(access.credentials(name))}
                for name, reads in readers.items()
            ]
        )
        return
    if not readers:
        print("no readers; let one in: gladhand bus credentials create NAME --reads order,load")
        return
    rows = [(name, ", ".join(reads), access.credentials(name)) for name, reads in readers.items()]
    screen().print(table(("reader", "reads", "credentials"), rows))


@credentials_app.command("remove")
@told_plainly
def remove(name: Annotated[str, typer.Argument(help="The reader's name.")], home: Where = None) -> None:
    """Let a reader in no more, and throw its seed away. A connection that it holds is closed."""
    from gladhand.cli.mesh.access import Access

    place = Home.chosen(home)
    Access(place).remove_reader(name)
    server = _server(place)
    if server is not None:
        os.kill(server.pid, signal.SIGHUP)
    print(f"{name} is out" if server is not None else f"{name} is out at the next gladhand up")


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _server(home: Home) -> Identity | None:
    from gladhand.cli.mesh.start import current

    mesh = current(home)
    found = mesh.processes["nats"].identity if mesh is not None and "nats" in mesh.processes else None
    return found if found is not None and found.alive else None


def _in_force(home: Home, credentials: Path) -> bool:
    """Have the running server read its authorization anew until it lets the reader in; False where none runs.

    nats-server 2.15.1 connects a new account to JetStream only at the second reload. Raises Unavailable, StartRefused.
    """
    from gladhand.bus.connection import connected
    from gladhand.bus.request import Unanswered, ask
    from gladhand.cli.mesh.start import current
    from gladhand.errors import StartRefused, Unavailable

    mesh, server = current(home), _server(home)
    if mesh is None or server is None:
        return False
    settings = replace(mesh.bus(first_connect=_RELOAD_S), credentials=credentials)

    async def try_once() -> bool:
        try:
            async with connected(settings) as connection:
                await ask(connection, "$JS.API.STREAM.INFO.KV_CLOCK", b"", None, _RELOAD_S)
        except (Unanswered, StartRefused):
            return False
        return True

    # Refusals are what is waited out here; the last one is told below.
    with _quiet(logging.getLogger("gladhand.bus.connection")):
        for _ in range(_RELOADS):
            os.kill(server.pid, signal.SIGHUP)
            if asyncio.run(try_once()):
                return True
    raise Unavailable(f"the server does not let {credentials.stem} in; look at gladhand logs nats")
