"""The `gladhand` command. Commands import what they need when they run, so that `--help` is instant."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gladhand.cli.bus import app as bus_app
from gladhand.cli.contracts import app as contracts_app
from gladhand.cli.dead_letters import app as letters_app
from gladhand.cli.exceptions import app as exceptions_app
from gladhand.cli.excursions import app as excursions_app
from gladhand.cli.failure import INTERRUPTED, Exit, Failure, told_by_child, told_plainly
from gladhand.cli.holds import app as holds_app
from gladhand.cli.home import Home, clone_root
from gladhand.cli.loads import app as loads_app
from gladhand.cli.options import AsJson, OrderName, Where
from gladhand.cli.orders import app as orders_app
from gladhand.cli.policy import app as policy_app
from gladhand.cli.running import asked, running_mesh
from gladhand.cli.tender import app as tender_app
from gladhand.cli.tokens import app as tokens_app

if TYPE_CHECKING:
    from gladhand.cli.ask import Orchestrator

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
app.add_typer(orders_app, name="orders")
app.add_typer(loads_app, name="loads")
app.add_typer(excursions_app, name="excursions")
app.add_typer(exceptions_app, name="exceptions")
app.add_typer(holds_app, name="holds")
app.add_typer(policy_app, name="policy")
app.add_typer(tender_app, name="tender")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(contracts_app, name="contracts")
app.add_typer(bus_app, name="bus")
app.add_typer(tokens_app, name="token")


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

    if not asyncio.run(show_status(running_mesh(home), as_json)):
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

    asked(home, ask)


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
    mesh = running_mesh(home)
    print(json.dumps({"home": str(place.root), "nats_url": mesh.nats_url, "ports": mesh.ports}))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
