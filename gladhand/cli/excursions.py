"""`gladhand excursions`: goods that were not kept as cold as they must be, and what is decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import asked

if TYPE_CHECKING:
    from gladhand.cli.ask import Orchestrator
    from logistics.exception.v1 import Excursion

app = typer.Typer(no_args_is_help=True, help="Excursions: goods that were not kept as cold as they must be.")

_Excursion = Annotated[str, typer.Argument(help="Excursion id, or how it begins or ends.")]


@app.command("list", epilog="Examples: gladhand excursions list --state IN_REVIEW; gladhand excursions list --json")
@told_plainly
def show_all(
    home: Where = None,
    limit: Limit = 50,
    state: Annotated[str, typer.Option(help="Only this state, for example IN_REVIEW.")] = "",
    as_json: AsJson = False,
) -> None:
    """List excursions, newest first."""
    from gladhand.cli.cold_chain import excursions, show_excursions, state_of

    states = [state_of(state)] if state else []
    show_excursions(asked(home, lambda client: excursions(client, limit=limit, states=states)), as_json)


@app.command("show")
@told_plainly
def show(name: _Excursion, home: Where = None, as_json: AsJson = False) -> None:
    """Show one excursion: verdict, key figures of the curve, gaps, probes, doors and the decision."""
    from gladhand.cli.cold_chain import excursion, show_excursion

    show_excursion(asked(home, lambda client: excursion(client, name)), as_json)


@app.command(
    "decide",
    epilog="Examples: gladhand excursions decide 4f2a release --by quinn --evidence 'stability budget: 6 h left'; "
    "gladhand excursions decide 4f2a credit --off '150 permille' --by quinn --evidence 'sold as second quality'; "
    "gladhand excursions decide 4f2a reject --destroy --by quinn --evidence 'laboratory: spoilt'",
)
@told_plainly
def decide(
    name: _Excursion,
    outcome: Annotated[str, typer.Argument(help="release, credit or reject.")],
    evidence: Annotated[str, typer.Option(help="What makes it right, in a sentence.")],
    by: Annotated[str, typer.Option(help="Who decides; not who dispatched the load.")],
    off: Annotated[str, typer.Option(help="With credit: 'EUR 120.50', or '150 permille' of what is accepted.")] = "",
    destroy: Annotated[bool, typer.Option("--destroy", help="With reject: destroy instead of sending back.")] = False,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Decide a compliance review: the order is let go, or its goods are rejected."""
    from gladhand.cli.cold_chain import decided, decision_of, excursion, show_excursion

    decision = decision_of(outcome, evidence, by, off=off, destroy=destroy)

    async def ask(client: Orchestrator) -> Excursion:
        found = await excursion(client, name)
        return await decided(client, found.excursion_id, decision)

    show_excursion(asked(home, ask), as_json)
