"""What `gladhand tender` asks and shows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation

import typer
from google.protobuf.duration_pb2 import Duration

from gladhand.cli import words
from gladhand.cli.ask import Orchestrator
from gladhand.cli.failure import Exit, Failure
from gladhand.cli.output import as_dict, print_json, screen, table
from gladhand.client import call
from logistics.load.v1 import CarrierAnswer, Load, LoadState, TenderOffer, TenderState
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.type.v1 import Money

_NANOS = Decimal(1_000_000_000)
_UNDECIDED = (
    LoadState.LOAD_STATE_TENDERED,
    LoadState.LOAD_STATE_TENDER_DECLINED,
    LoadState.LOAD_STATE_TENDER_EXPIRED,
    LoadState.LOAD_STATE_COUNTERED,
)


def offer_to(carrier: str, rate: str, minutes: int) -> api.OfferToCarrier:
    """Return what was typed as an offer. Raises BadParameter where it is none."""
    wish = api.OfferToCarrier(carrier_scac=carrier.upper())
    if rate:
        wish.rate.CopyFrom(money(rate))
    if minutes:
        within = Duration()
        within.FromTimedelta(timedelta(minutes=minutes))
        wish.respond_within.CopyFrom(within)
    return wish


def money(text: str) -> Money:
    """Return an amount of a currency, as USD 950.50. Raises BadParameter where it is none."""
    currency, _, number = text.strip().partition(" ")
    try:
        units, nanos = divmod(Decimal(number) * _NANOS, _NANOS)
    except InvalidOperation as error:
        raise typer.BadParameter(f"{text!r} is no amount, as USD 950.50 is", param_hint="--rate") from error
    if nanos != int(nanos) or units < 0:
        raise typer.BadParameter("an amount is positive and has nine decimals at most", param_hint="--rate")
    return Money(currency=currency.upper(), units=int(units), nanos=int(nanos))


async def waiting(client: Orchestrator, *, limit: int, everything: bool) -> list[Load]:
    """Return loads that wait for a carrier, newest first; `everything`: those too that were offered once."""
    found: list[Load] = []
    token = ""
    while len(found) < limit:
        states = () if everything else _UNDECIDED
        page = await call(client.stub.ListLoads(api.ListLoadsRequest(page_size=200, page_token=token, states=states)))
        found.extend(load for load in page.loads if load.tenders)
        token = page.next_page_token
        if not token:
            break
    return found[:limit]


def newest(found: Load, carrier: str) -> TenderOffer:
    """Return the newest offer of a load to a carrier. Raises Failure where there is none."""
    own = [offer for offer in found.tenders if offer.carrier_scac == carrier.upper()]
    if not own:
        remedy = f"see who was asked: gladhand tender show {found.load_id}"
        raise Failure(f"load {found.load_id} was never offered to {carrier.upper()}", remedy, Exit.NOT_FOUND)
    return max(own, key=lambda offer: offer.tender_revision)


async def decided(
    client: Orchestrator,
    name: str,
    by: str,
    *,
    take_answer: api.TakeAnswer | None = None,
    take_back: api.TakeOffersBack | None = None,
    offer: api.OfferToCarrier | None = None,
    own_fleet: api.UseOwnFleet | None = None,
) -> Load:
    """Decide, and return the load as it then is. Raises the GladhandError that the service meant."""
    load = await client.load(name)
    request = api.DecideTenderRequest(
        request_id=str(uuid.uuid4()),
        load_id=load.load_id,
        decided_by=by,
        take_answer=take_answer,
        take_back=take_back,
        offer=offer,
        own_fleet=own_fleet,
    )
    return (await call(client.stub.DecideTender(request))).load


async def answered(
    client: Orchestrator,
    name: str,
    carrier: str,
    answer: str,
    *,
    rate: str = "",
    conditions: str = "",
    reason: str = "",
    reference: str = "",
    vehicle: str = "",
) -> Load:
    """Answer for a carrier, and return the load as it then is. Raises the GladhandError that the service meant."""
    load = await client.load(name)
    offer = newest(load, carrier)
    request = api.RespondToTenderRequest(
        request_id=str(uuid.uuid4()),
        load_id=load.load_id,
        tender_id=offer.tender_id,
        tender_revision=offer.tender_revision,
        carrier_scac=offer.carrier_scac,
        answer=CarrierAnswer.Value(f"CARRIER_ANSWER_{answer}"),
        conditions=conditions,
        reason=reason,
        carrier_reference=reference,
        vehicle_id=vehicle,
    )
    if rate:
        request.counter_rate.CopyFrom(money(rate))
    done = await call(client.stub.RespondToTender(request))
    read = api.GetLoadRequest(load_id=load.load_id, at_least_version=done.version)
    return (await call(client.stub.GetLoad(read))).load


def show_offered(loads: Sequence[Load], as_json: bool) -> None:
    """List loads with their offers."""
    if as_json:
        print_json([as_dict(load) for load in loads])
        return
    ids = [load.load_id for load in loads]
    rows = [
        (
            words.short(load.load_id, ids), words.load_state(load), load.carrier_scac,
            " ".join(f"{offer.carrier_scac}:{_state(offer)}" for offer in load.tenders),
            words.moment(load.update_time),
        )
        for load in loads
    ]  # fmt: skip
    screen().print(table(("load", "state", "carrier", "offers", "updated"), rows))
    print("its offers: gladhand tender show LOAD   answer: gladhand tender accept|decline|counter LOAD CARRIER")


def show_offers(load: Load, as_json: bool) -> None:
    """Show every offer of a load."""
    if as_json:
        print_json(as_dict(load))
        return
    console = screen()
    facts = [
        ("load id", load.load_id), ("state", words.load_state(load)), ("carrier", load.carrier_scac),
        ("own fleet", "was chosen" if load.own_fleet_chosen else ""),
    ]  # fmt: skip
    console.print(table(("field", "value"), [fact for fact in facts if fact[1]]))
    rows = [
        (
            offer.tender_revision, offer.carrier_scac, _state(offer), _amount(offer.offered_rate),
            _amount(offer.counter_rate), _amount(offer.agreed_rate), words.moment(offer.respond_by_time),
            words.moment(offer.answer_time), offer.conditions or offer.reason,
        )
        for offer in load.tenders
    ]  # fmt: skip
    columns = ("#", "carrier", "state", "#offered", "#asked", "#agreed", "answer by", "answered", "said")
    console.print(table(columns, rows))


def _state(offer: TenderOffer) -> str:
    return words.enum_word(TenderState, offer.state, "TENDER_STATE_")


def _amount(rate: Money) -> str:
    if not rate.currency:
        return ""
    return f"{rate.currency} {Decimal(rate.units) + Decimal(rate.nanos) / _NANOS:,.2f}"
