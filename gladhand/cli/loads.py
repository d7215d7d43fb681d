"""`gladhand loads`: what a vehicle carries out, stop by stop."""

from __future__ import annotations

from typing import Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import asked

app = typer.Typer(no_args_is_help=True, help="Loads: what a vehicle carries out, stop by stop.")

_Load = Annotated[str, typer.Argument(help="Load id, or how it begins or ends.")]
_Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, in a sentence.")]


@app.command("list")
@told_plainly
def show_all(home: Where = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List loads, newest first."""
    from gladhand.cli.look import show_loads

    show_loads(asked(home, lambda client: client.loads(limit=limit)), as_json)


@app.command("show")
@told_plainly
def show(
    load: _Load,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show one load with its stops and times."""
    from gladhand.cli.look import show_load

    show_load(asked(home, lambda client: client.load(load)), as_json)


@app.command("interrupt", epilog="Example: gladhand loads interrupt 4f2a -r 'engine failed on I-25'")
@told_plainly
def interrupt(
    load: _Load,
    reason: _Reason,
    accident: Annotated[bool, typer.Option("--accident", help="An accident; otherwise a breakdown.")] = False,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Tell that the vehicle cannot go on: the load waits, and a BREAKDOWN or ACCIDENT is opened."""
    from gladhand.cli.road import interrupted, show_on_the_road

    show_on_the_road(asked(home, lambda client: interrupted(client, load, reason, accident=accident)), as_json)


@app.command("resume", epilog="Example: gladhand loads resume 4f2a -r 'repaired at the roadside'")
@told_plainly
def resume(load: _Load, reason: _Reason = "", home: Where = None, as_json: AsJson = False) -> None:
    """Let the same vehicle go on."""
    from gladhand.cli.road import resumed, show_on_the_road

    show_on_the_road(asked(home, lambda client: resumed(client, load, reason)), as_json)


@app.command("reassign", epilog="Example: gladhand loads reassign 4f2a --vehicle truck-7 --out-of-service -r breakdown")
@told_plainly
def reassign(
    load: _Load,
    *,
    vehicle: Annotated[str, typer.Option("--vehicle", help="The vehicle that takes over; else the same.")] = "",
    driver: Annotated[str, typer.Option("--driver", help="The driver who takes over; else the same.")] = "",
    out_of_service: Annotated[
        bool, typer.Option("--out-of-service", help="The old vehicle can no longer drive.")
    ] = False,
    epoch: Annotated[int, typer.Option("--epoch", min=0, help="The assignment that ends; else the one in force.")] = 0,
    reason: _Reason = "breakdown",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Let another vehicle or driver take over an interrupted load; the fleet is asked next."""
    from gladhand.cli.road import reassigned, show_on_the_road
    from logistics.load.v1.load_pb2 import Reassignment

    if not vehicle and not driver:
        raise typer.BadParameter("name who takes over: --vehicle, --driver or both")
    wanted = Reassignment(vehicle_id=vehicle, driver_id=driver, reason=reason, vehicle_out_of_service=out_of_service)
    show_on_the_road(asked(home, lambda client: reassigned(client, load, wanted, epoch)), as_json)


@app.command("hand-over", epilog="Example: gladhand loads hand-over 4f2a --seal 771204 --celsius 4.5")
@told_plainly
def hand_over(
    load: _Load,
    seal: Annotated[
        list[str] | None, typer.Option("--seal", help="A seal of the new vehicle; repeat for more.")
    ] = None,
    celsius: Annotated[float | None, typer.Option("--celsius", help="Temperature of the goods as they passed.")] = None,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Tell that all goods on board passed to the vehicle that takes over. Count differences go over gRPC."""
    from gladhand.cli.road import handed_over, show_on_the_road

    show_on_the_road(asked(home, lambda client: handed_over(client, load, seal or [], celsius)), as_json)


@app.command("answer-for-hours", epilog="Example: gladhand loads answer-for-hours 4f2a --by dora -r 'paper log'")
@told_plainly
def answer_for_hours(
    load: _Load,
    reason: _Reason,
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Answer for a driver whose hours are not known to be enough: the load is dispatched all the same."""
    from gladhand.cli.road import answered_for, show_on_the_road

    show_on_the_road(asked(home, lambda client: answered_for(client, load, reason, by)), as_json)


@app.command("replan", epilog="Example: gladhand loads replan 4f2a -r 'road closed' --at 39.74,-104.99")
@told_plainly
def replan(
    load: _Load,
    reason: _Reason,
    at: Annotated[str, typer.Option("--at", help="Where the vehicle is: latitude,longitude.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a new plan of the stops that are not locked. It is in force once the fleet or the driver took it."""
    from gladhand.cli.road import point_of, replanned, show_on_the_road

    position = point_of(at)
    show_on_the_road(asked(home, lambda client: replanned(client, load, reason, position)), as_json)


@app.command("answer-plan", epilog="Example: gladhand loads answer-plan 4f2a --refuse -r 'low bridge'")
@told_plainly
def answer_plan(
    load: _Load,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it: the old plan stays.")] = False,
    reason: _Reason = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Answer the plan that waits, for the fleet system or the driver."""
    from gladhand.cli.road import answered, show_on_the_road

    show_on_the_road(asked(home, lambda client: answered(client, load, reason, accepted=not refuse)), as_json)
