"""`gladhand policy`: what regions and customers demand, checked, put in force, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Where
from gladhand.cli.running import asked

app = typer.Typer(
    no_args_is_help=True,
    help="Policies: what a region, a business unit or a customer demands. Files are YAML; see docs/policies.md.",
)

_Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Policy files, the lowest layer first.")
]
_Side = Annotated[str, typer.Argument(help="A layer as name or name@version, or a policy file.")]


@app.command("list", epilog="Examples: gladhand policy list; gladhand policy list us (every version of it)")
@told_plainly
def show_all(
    name: Annotated[str, typer.Argument(help="A layer of which every version is wanted.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """List the layers that are in force, the lowest first, or every version of one, the newest first."""
    from gladhand.cli.layers import listed, show_layers

    show_layers(asked(home, lambda client: listed(client, name)), as_json)


@app.command(
    "show",
    epilog="Examples: gladhand policy show us@2; gladhand policy show --order 14; "
    "gladhand policy show --region eu --erp tryton --customer C-7",
)
@told_plainly
def show(
    layer: Annotated[str, typer.Argument(help="A layer, as name or name@version.")] = "",
    *,
    order: Annotated[str, typer.Option("--order", help="The policy under which this order runs.")] = "",
    region: Annotated[str, typer.Option("--region", help="What an order of this region would get now.")] = "",
    erp: Annotated[str, typer.Option("--erp", help="With --customer or --cost-center: the ERP instance.")] = "",
    customer: Annotated[str, typer.Option("--customer", help="What an order of this customer would get now.")] = "",
    cost_center: Annotated[str, typer.Option("--cost-center", help="What its orders would get now.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show one layer as it was written, or what all layers together demand and which says what."""
    from gladhand.cli.layers import Whose, effective, one, show_effective, show_layer

    whose = Whose(order=order, region=region, erp=erp, customer=customer, cost_center=cost_center)
    if bool(layer) == whose.told():
        raise typer.BadParameter("name either a layer, or whose policy: --order, --region, --customer, --cost-center")
    if layer:
        show_layer(asked(home, lambda client: one(client, layer)), as_json)
    else:
        show_effective(asked(home, lambda client: effective(client, whose)), as_json)


@app.command(
    "check",
    epilog="Ends with 1 where a file is refused. Examples: gladhand policy check us.yaml; "
    "gladhand policy check --offline deploy/policies/*.yaml",
)
@told_plainly
def check(
    files: _Files,
    offline: Annotated[
        bool, typer.Option("--offline", help="Without a mesh: all files together on top of the built-in default.")
    ] = False,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Check files against the contract and all that is in force, and change nothing.

    A policy under which an order could be billed without proof, or could never end, is refused with the shortest way
    to the harm.
    """
    from gladhand.cli.layers import checked, checked_offline, show_verdicts

    verdicts = checked_offline(files) if offline else asked(home, lambda client: checked(client, files))
    show_verdicts(verdicts, as_json)


@app.command(
    "apply",
    epilog="Example: gladhand policy apply us.yaml --expect 2 -r 'detention after 90 minutes, as the shippers agreed'",
)
@told_plainly
def apply(
    files: _Files,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, in a sentence, for whoever reads it later.")],
    expect: Annotated[
        int | None, typer.Option("--expect", min=0, help="Refuse unless this version is in force; one file only.")
    ] = None,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Put files in force for orders that come from now on.

    Running orders keep what was in force when they came, unless the file says `applies_to_running: true`. The same
    content again makes no new version.
    """
    from gladhand.cli.layers import applied, show_verdicts

    if expect is not None and len(files) > 1:
        raise typer.BadParameter("it goes with one file", param_hint="--expect")
    show_verdicts(asked(home, lambda client: applied(client, files, reason, expect)), as_json)


@app.command(
    "diff",
    epilog="Ends with 1 where they differ. Examples: gladhand policy diff us.yaml (with what is in force); "
    "gladhand policy diff us@1 us@2; gladhand policy diff us eu",
)
@told_plainly
def diff(
    first: _Side,
    second: Annotated[
        str, typer.Argument(help="The other; where left out, FIRST is compared with what is in force of it.")
    ] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show which values two layers set differently."""
    from gladhand.cli.failure import Exit
    from gladhand.cli.layers import differences, show_differences, side_of

    one, other = side_of(first), side_of(second) if second else None
    if other is None and not one.document:
        raise typer.BadParameter("name two layers, or one file", param_hint="SECOND")
    before, after, found = asked(home, lambda client: differences(client, one, other))
    show_differences(before, after, found, as_json)
    if found:
        raise typer.Exit(Exit.FAILED)
