"""`gladhand tender`: which carrier drives a load, what carriers answer, and what people decide about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gladhand.cli.failure import told_plainly
from gladhand.cli.options import AsJson, Limit, Where
from gladhand.cli.running import asked

if TYPE_CHECKING:
    from gladhand.cli.ask import Orchestrator
    from logistics.load.v1 import Load

app = typer.Typer(
    no_args_is_help=True, help="Offers of loads to carriers: who was asked, who answered what, who has it."
)

_Load = Annotated[str, typer.Argument(help="Load id, or how it begins or ends.")]
_Carrier = Annotated[str, typer.Argument(help="The carrier's code (SCAC), for example SWFT.")]
_By = Annotated[str, typer.Option(help="Who decides.")]
_Reference = Annotated[str, typer.Option(help="The carrier's own number for the load.")]
_Vehicle = Annotated[str, typer.Option(help="The vehicle that the carrier sends.")]


@app.command("list", epilog="Examples: gladhand tender list; gladhand tender list --all --json")
@told_plainly
def show_all(
    home: Where = None,
    limit: Limit = 50,
    everything: Annotated[bool, typer.Option("--all", help="Also loads that are decided.")] = False,
    as_json: AsJson = False,
) -> None:
    """List loads that wait for a carrier, newest first."""
    from gladhand.cli.tendering import show_offered, waiting

    show_offered(asked(home, lambda client: waiting(client, limit=limit, everything=everything)), as_json)


@app.command("show")
@told_plainly
def show(load: _Load, home: Where = None, as_json: AsJson = False) -> None:
    """Show every offer of one load, with its answer."""
    from gladhand.cli.tendering import show_offers

    show_offers(asked(home, lambda client: client.load(load)), as_json)


@app.command("offer", epilog="Example: gladhand tender offer 4f2a ODFL --rate 'USD 1200' --minutes 60 --by quinn")
@told_plainly
def offer(
    load: _Load,
    carrier: _Carrier,
    by: _By,
    rate: Annotated[str, typer.Option(help="What is offered, as 'USD 1200'; without it a rate must be agreed.")] = "",
    minutes: Annotated[int, typer.Option(min=0, help="How long the carrier may think; 0: as the policy says.")] = 0,
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Offer a load to a carrier of your choice."""
    from gladhand.cli.tendering import decided, offer_to, show_offers

    wish = offer_to(carrier, rate, minutes)
    show_offers(asked(home, lambda client: decided(client, load, by, offer=wish)), as_json)


@app.command("accept", epilog="Example: gladhand tender accept 4f2a SWFT --vehicle T-77")
@told_plainly
def accept(
    load: _Load,
    carrier: _Carrier,
    reference: _Reference = "",
    vehicle: _Vehicle = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Answer for a carrier: it takes the load as offered."""
    _answer(load, carrier, "ACCEPTED", home, as_json, reference=reference, vehicle=vehicle)


@app.command("decline")
@told_plainly
def decline(
    load: _Load,
    carrier: _Carrier,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Answer for a carrier: it does not take the load, or gives it back."""
    _answer(load, carrier, "DECLINED", home, as_json, reason=reason)


@app.command(
    "counter",
    epilog="Examples: gladhand tender counter 4f2a SWFT --rate 'USD 950'; "
    "gladhand tender counter 4f2a SWFT --conditions 'tail lift at the dock'",
)
@told_plainly
def counter(
    load: _Load,
    carrier: _Carrier,
    rate: Annotated[str, typer.Option(help="What it asks, as 'USD 950'.")] = "",
    conditions: Annotated[str, typer.Option(help="Under which conditions it takes the load.")] = "",
    reference: _Reference = "",
    vehicle: _Vehicle = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Answer for a carrier: it wants another rate, or takes the load under conditions."""
    answer = "COUNTERED" if rate else "CONDITIONAL"
    _answer(
        load, carrier, answer, home, as_json, rate=rate, conditions=conditions, reference=reference, vehicle=vehicle
    )


@app.command("take", epilog="Example: gladhand tender take 4f2a SWFT --by quinn --note 'it is urgent'")
@told_plainly
def take(
    load: _Load,
    carrier: _Carrier,
    by: _By,
    note: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Take a carrier's counter-offer, conditions or bid: it has the load."""
    from gladhand.cli.tendering import decided, newest, show_offers
    from logistics.orchestrator.v1 import TakeAnswer

    async def ask(client: Orchestrator) -> Load:
        found = await client.load(load)
        wish = TakeAnswer(tender_id=newest(found, carrier).tender_id, note=note)
        return await decided(client, found.load_id, by, take_answer=wish)

    show_offers(asked(home, ask), as_json)


@app.command("withdraw", epilog="Example: gladhand tender withdraw 4f2a SWFT --by quinn --reason 'too dear'")
@told_plainly
def withdraw(
    load: _Load,
    by: _By,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    carrier: Annotated[str, typer.Argument(help="The carrier; without it every open offer is taken back.")] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Take offers back; the next carriers of the policy are asked."""
    from gladhand.cli.tendering import decided, newest, show_offers
    from logistics.orchestrator.v1 import TakeOffersBack

    async def ask(client: Orchestrator) -> Load:
        found = await client.load(load)
        named = [newest(found, carrier).tender_id] if carrier else []
        return await decided(client, found.load_id, by, take_back=TakeOffersBack(tender_ids=named, reason=reason))

    show_offers(asked(home, ask), as_json)


@app.command("own-fleet", epilog="Example: gladhand tender own-fleet 4f2a --by quinn --reason 'our truck is back'")
@told_plainly
def own_fleet(
    load: _Load,
    by: _By,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Let the own fleet drive; every open offer is taken back."""
    from gladhand.cli.tendering import decided, show_offers
    from logistics.orchestrator.v1 import UseOwnFleet

    wish = UseOwnFleet(reason=reason)
    show_offers(asked(home, lambda client: decided(client, load, by, own_fleet=wish)), as_json)


def _answer(load: str, carrier: str, answer: str, home: Where, as_json: bool, **told: str) -> None:
    from gladhand.cli.tendering import answered, show_offers

    show_offers(asked(home, lambda client: answered(client, load, carrier, answer, **told)), as_json)
