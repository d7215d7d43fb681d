"""The `gladhand` command. Commands import what they need when they run, so that `--help` is instant."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gladhand.cli.bus import app as bus_app
from gladhand.cli.contracts import app as contracts_app
from gladhand.cli.failure import INTERRUPTED, Exit, Failure, no_mesh, told_by_child, told_plainly
from gladhand.cli.home import VARIABLE, Home, clone_root
from gladhand.cli.tokens import app as tokens_app

if TYPE_CHECKING:
    from gladhand.cli.ask import Orchestrator
    from gladhand.cli.mesh.state import MeshState

T = TypeVar("T")

_EXITS = "Exit codes: 0 done, 1 failed or not all well, 2 wrong usage, 3 no mesh runs, 4 not found."

_INSECURE = "--insecure: this mesh goes without TLS; everybody on this machine can read and send everything"

app = typer.Typer(
    name="gladhand",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Couples an ERP and a fleet on this machine, and shows what goes on between them.",
    epilog=f"Begin with: gladhand demo. Every command takes --help; those that show something take --json. {_EXITS}",
)
orders_app = typer.Typer(no_args_is_help=True, help="Orders as the orchestrator knows them.")
loads_app = typer.Typer(no_args_is_help=True, help="Loads: what a vehicle carries out, stop by stop.")
letters_app = typer.Typer(no_args_is_help=True, help="Messages that no attempt could handle: look, fix, replay.")
app.add_typer(orders_app, name="orders")
app.add_typer(loads_app, name="loads")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(contracts_app, name="contracts")
app.add_typer(bus_app, name="bus")
app.add_typer(tokens_app, name="token")

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


def _mesh(home: Path | None) -> MeshState:
    from gladhand.cli.mesh.start import current

    mesh = current(Home.chosen(home))
    if mesh is None:
        raise no_mesh()
    return mesh


def _asked(home: Path | None, question: Callable[[Orchestrator], Awaitable[T]]) -> T:
    """Ask the orchestrator of the running mesh."""
    from gladhand.cli.ask import orchestrator
    from gladhand.cli.mesh.certificates import operator

    mesh = _mesh(home)

    async def ask() -> T:
        async with orchestrator(mesh.target("orchestrator"), operator(mesh)) as client:
            return await question(client)

    return asyncio.run(ask())


@app.command(epilog="Examples: gladhand up --detach; gladhand up (Ctrl-C drains and stops).")
@told_plainly
def up(
    home: Where = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background.")] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Go without TLS: everybody on this machine can read and send everything.")
    ] = False,
) -> None:
    """Start the mesh: JetStream, Tryton and the four services, supervised and restarted.

    The first start makes a certificate authority and certificates under the mesh's directory, in secure/.
    """
    from gladhand.cli.mesh import start
    from gladhand.cli.mesh.state import Phase
    from gladhand.cli.output import screen
    from gladhand.cli.progress import MeshView

    place, console = Home.chosen(home), screen(stderr=True)
    if insecure:
        console.print(f"[yellow]WARNING: {_INSECURE}[/]", highlight=False)
    with MeshView(console) as view:
        mesh = (start.detach if detach else start.serve)(place, view, insecure=insecure)
    if detach:
        console.print("The mesh is ready. Look: gladhand status, gladhand logs   Stop: gladhand down", highlight=False)
    elif mesh.phase is not Phase.STOPPED:
        raise start.MeshStartError(mesh.failure)


@app.command()
@told_plainly
def down(home: Where = None) -> None:
    """Drain the mesh and stop it. Data stays; the next `gladhand up` goes on with it."""
    from gladhand.cli.mesh.start import halt
    from gladhand.cli.output import screen
    from gladhand.cli.progress import MeshView

    console = screen(stderr=True)
    with MeshView(console) as view:
        stopped = halt(Home.chosen(home), view)
    console.print("stopped" if stopped else "nothing runs here")


@app.command(epilog="Ends with 1 where something is not well, with 3 where no mesh runs.")
@told_plainly
def status(home: Where = None, as_json: AsJson = False) -> None:
    """Show each process, its address and health, the mesh's clock and the log."""
    from gladhand.cli.look import show_status

    if not asyncio.run(show_status(_mesh(home), as_json)):
        raise typer.Exit(Exit.FAILED)


@app.command(epilog="Examples: gladhand demo --orders 12 --seed 7; gladhand demo --json | jq .invoices")
@told_plainly
def demo(
    home: Where = None,
    orders: Annotated[int, typer.Option("--orders", "-n", min=5, max=200, help="How many sales to place.")] = 6,
    seed: Annotated[int, typer.Option("--seed", "-s", help="The same seed makes the same orders and noise.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Take orders from a real ERP to posted invoices, along recorded drives. Starts the mesh where none runs."""
    from gladhand.cli.mesh import start
    from gladhand.cli.output import screen
    from gladhand.cli.progress import MeshView

    place, console = Home.chosen(home), screen(stderr=True)
    running = start.current(place)
    with MeshView(console) as view:
        if running is None:
            console.print("Starting the mesh")
            start.detach(place, view)
        elif not running.ready:
            start.wait_ready(place, view)
    line = [sys.executable, "-m", "examples.denver", "--home", str(place.root), "--orders", str(orders)]
    line += ["--seed", str(seed), *(["--json"] if as_json else [])]
    with subprocess.Popen(line, cwd=clone_root()) as child, told_by_child():
        child.wait()
    if child.returncode:
        raise typer.Exit(child.returncode if child.returncode == INTERRUPTED else Exit.FAILED)


@app.command(epilog="Examples: gladhand trace 14; gladhand trace INV-2026-0007 --json")
@told_plainly
def trace(name: OrderName, home: Where = None, as_json: AsJson = False) -> None:
    """Show every event and effect of an order as a tree, with causes, times and services."""
    from gladhand.cli.look import show_journey

    async def ask(client: Orchestrator) -> None:
        order = await client.order(name)
        show_journey(order, await client.journey(order.order_id), as_json)

    _asked(home, ask)


@orders_app.command(
    "list", epilog="Examples: gladhand orders list --state REJECTED; gladhand orders list -n 200 --json"
)
@told_plainly
def orders_list(
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
    show_orders(_asked(home, lambda client: client.orders(limit=limit, states=states)), as_json)


@orders_app.command("show")
@told_plainly
def orders_show(name: OrderName, home: Where = None, as_json: AsJson = False) -> None:
    """Show one order with its lines and quantities."""
    from gladhand.cli.look import show_order

    show_order(_asked(home, lambda client: client.order(name)), as_json)


@loads_app.command("list")
@told_plainly
def loads_list(home: Where = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List loads, newest first."""
    from gladhand.cli.look import show_loads

    show_loads(_asked(home, lambda client: client.loads(limit=limit)), as_json)


@loads_app.command("show")
@told_plainly
def loads_show(
    load: Annotated[str, typer.Argument(help="Load id, or how it begins or ends.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show one load with its stops and times."""
    from gladhand.cli.look import show_load

    show_load(_asked(home, lambda client: client.load(load)), as_json)


@letters_app.command("list")
@told_plainly
def letters_list(
    home: Where = None,
    consumer: Annotated[str, typer.Option(help="Only letters of this consumer.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    from gladhand.cli import letters

    asyncio.run(letters.show_all(_mesh(home).bus(), consumer or None, limit, as_json))


@letters_app.command("show")
@told_plainly
def letters_show(
    letter: Annotated[int, typer.Argument(help="Number of the letter.")],
    home: Where = None,
    as_json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="Add the message as it is, personal data and all.")] = False,
) -> None:
    """Show one dead letter with its message, what is personal blotted out."""
    from gladhand.cli import letters

    asyncio.run(letters.show_one(_mesh(home).bus(), letter, as_json, raw))


@letters_app.command("replay", epilog="Examples: gladhand dead-letters replay 3; gladhand dead-letters replay 3 4 5")
@told_plainly
def letters_replay(
    numbers: Annotated[list[int], typer.Argument(metavar="LETTER...", help="Numbers of the letters.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Send letters back to the consumer that failed, and to nobody else."""
    from gladhand.cli import letters

    asyncio.run(letters.replay(_mesh(home).bus(), numbers, as_json))


@app.command(epilog="Examples: gladhand logs -f; gladhand logs orchestrator -n 200")
@told_plainly
def logs(
    service: Annotated[str, typer.Argument(help="Name of a process as in `gladhand status`; all where left out.")] = "",
    home: Where = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of the newest lines of each.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line on stdout.")] = False,
) -> None:
    """Show what the processes write. Works after a crash too: the files stay."""
    from gladhand.cli.logs import LogsMissingError, show

    try:
        show(Home.chosen(home), service, lines, follow=follow, as_json=as_json)
    except LogsMissingError as error:
        raise Failure(str(error), "names: gladhand status", Exit.NOT_FOUND) from error
    except KeyboardInterrupt:
        raise typer.Exit(Exit.DONE) from None


@app.command("where", hidden=True)
def where(home: Where = None) -> None:
    """Print the directory and addresses of the mesh, for scripts."""
    place = Home.chosen(home)
    mesh = _mesh(home)
    print(json.dumps({"home": str(place.root), "nats_url": mesh.nats_url, "ports": mesh.ports}))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
