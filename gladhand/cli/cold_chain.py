"""What `gladhand excursions` asks and shows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import typer
from google.protobuf.duration_pb2 import Duration

from gladhand.cli.ask import Orchestrator
from gladhand.cli.failure import Exit, Failure
from gladhand.cli.output import as_dict, print_json, screen, table
from gladhand.cli.words import enum_word, moment
from gladhand.client import call
from logistics.exception.v1 import (
    ColdChainVerdict,
    CurvePoint,
    CurvePointKind,
    Excursion,
    ExcursionDecision,
    ExcursionOutcome,
    ExcursionState,
)
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.type.v1 import Money

_PAGE = 200
_NANOS = Decimal(1_000_000_000)
_OUTCOMES = {
    "release": ExcursionOutcome.EXCURSION_OUTCOME_RELEASED,
    "credit": ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT,
    "reject": ExcursionOutcome.EXCURSION_OUTCOME_REJECTED,
}


def state_of(word: str) -> ExcursionState.ValueType:
    """Return the state of a name without its prefix. Raises BadParameter where there is none."""
    wanted = f"EXCURSION_STATE_{word.upper()}"
    if wanted not in dict(ExcursionState.items()):
        known = ", ".join(name.removeprefix("EXCURSION_STATE_") for name in ExcursionState.keys()[1:])
        raise typer.BadParameter(f"no state {word!r}; states: {known}", param_hint="--state")
    return ExcursionState.Value(wanted)


def decision_of(outcome: str, evidence: str, by: str, *, off: str, destroy: bool) -> ExcursionDecision:
    """Return what was typed as a decision. Raises BadParameter where it is none."""
    if outcome not in _OUTCOMES:
        raise typer.BadParameter(f"no outcome {outcome!r}; outcomes: {', '.join(_OUTCOMES)}", param_hint="OUTCOME")
    decision = ExcursionDecision(outcome=_OUTCOMES[outcome], evidence=evidence, decided_by=by, destroy=destroy)
    share, _, unit = off.strip().partition(" ")
    if unit == "permille" and share.isdigit() and int(share) <= 1000:
        decision.credit_permille = int(share)
    elif off:
        decision.credit.CopyFrom(_money(off))
    return decision


def _money(text: str) -> Money:
    currency, _, number = text.strip().partition(" ")
    try:
        units, nanos = divmod(Decimal(number) * _NANOS, _NANOS)
    except InvalidOperation as error:
        hint = f"{text!r} is neither an amount, as EUR 120.50, nor a share, as 150 permille"
        raise typer.BadParameter(hint, param_hint="--off") from error
    if nanos != int(nanos) or units < 0:
        raise typer.BadParameter("an amount is positive and has nine decimals at most", param_hint="--off")
    return Money(currency=currency.upper(), units=int(units), nanos=int(nanos))


async def excursions(
    client: Orchestrator, *, limit: int = 0, states: Sequence[ExcursionState.ValueType] = ()
) -> list[Excursion]:
    """Excursions, newest first; all of them where `limit` is 0."""
    found: list[Excursion] = []
    token = ""
    while True:
        request = api.ListExcursionsRequest(page_size=_PAGE, page_token=token, states=states)
        page = await call(client.stub.ListExcursions(request))
        found.extend(page.excursions)
        token = page.next_page_token
        if not token or (limit and len(found) >= limit):
            return found[:limit] if limit else found


async def excursion(client: Orchestrator, name: str) -> Excursion:
    """The excursion with this id, or with the only id that begins or ends so. Raises Failure where none has."""
    known = await excursions(client)
    found = [each for each in known if each.excursion_id.startswith(name) or each.excursion_id.endswith(name)]
    if len(found) != 1:
        raise Failure(f"no excursion {name}", "list them: gladhand excursions list", Exit.NOT_FOUND)
    return found[0]


async def decided(client: Orchestrator, excursion_id: str, decision: ExcursionDecision) -> Excursion:
    """Decide, and return the excursion as it then is. Raises the GladhandError that the service meant."""
    request = api.DecideExcursionRequest(request_id=str(uuid.uuid4()), excursion_id=excursion_id, decision=decision)
    return (await call(client.stub.DecideExcursion(request))).excursion


def show_excursions(found: Sequence[Excursion], as_json: bool) -> None:
    """List excursions."""
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    rows = [
        (
            each.excursion_id, _state(each), _verdict(each), each.line_id, _degrees(each),
            _minutes(each.figures.longest), _minutes(each.figures.cumulative), f"{each.figures.coverage_percent} %",
            moment(each.update_time),
        )
        for each in found
    ]  # fmt: skip
    columns = (
        "excursion id", "state", "verdict", "line", "#peak", "#longest", "#in all", "#covered", "updated",
    )  # fmt: skip
    screen().print(table(columns, rows))
    print("one of them: gladhand excursions show ID   decide: gladhand excursions decide ID release|credit|reject")


def show_excursion(found: Excursion, as_json: bool) -> None:
    """Show one excursion."""
    if as_json:
        print_json(as_dict(found))
        return
    console = screen()
    console.print(table(("field", "value"), [fact for fact in _facts(found) if fact[1]]))
    rows = [
        (each.probe, f"{each.min_celsius:.1f}", f"{each.max_celsius:.1f}", each.samples)
        for each in found.figures.probes
    ]
    console.print(table(("probe", "#lowest", "#highest", "#samples"), rows))
    points = [(moment(each.time), _kind(each), _at(each)) for each in found.figures.curve]
    console.print(table(("when", "what", "#degrees"), points, title="curve, thinned out"))


def _facts(found: Excursion) -> list[tuple[str, str]]:
    figures, profile, decision = found.figures, found.profile, found.decision
    setpoint = f", set to {profile.setpoint_celsius:g}" if profile.HasField("setpoint_celsius") else ""
    gaps = "; ".join(f"{moment(gap.start_time)} to {moment(gap.end_time) or 'now'}" for gap in figures.gaps)
    told = enum_word(ExcursionOutcome, decision.outcome, "EXCURSION_OUTCOME_") if decision.outcome else ""
    return [
        ("excursion id", found.excursion_id), ("order id", found.order_id), ("line", found.line_id),
        ("load id", found.load_id), ("vehicles", " ".join(found.vehicle_ids)), ("state", _state(found)),
        ("verdict", _verdict(found) + (" (was breached)" if found.was_breached else "")),
        ("profile", f"{profile.min_celsius:g} to {profile.max_celsius:g} degrees{setpoint}"),
        ("limits", f"{_minutes(profile.consecutive_limit)} in a stretch, {_minutes(profile.cumulative_limit)} in all"),
        ("on board", f"{moment(figures.ride_start_time)} to {moment(figures.ride_end_time) or 'now'}"),
        ("out of range", moment(figures.out_start_time)), ("back in range", moment(figures.out_end_time)),
        ("breach", moment(figures.breach_time)), ("peak", f"{_degrees(found)} {moment(figures.peak_time)}".strip()),
        ("longest stretch", _minutes(figures.longest)), ("in all", _minutes(figures.cumulative)),
        ("covered", f"{figures.coverage_percent} percent by {figures.samples} samples"), ("silent", gaps),
        ("judged up to", moment(figures.newest_sample_time)), ("exception id", found.exception_id),
        ("hold id", found.hold_id),
        ("decide by", moment(found.review_due_time) + (" (overdue)" if found.overdue else "")),
        ("decision", f"{told} by {decision.decided_by}: {decision.evidence}" if told else ""),
    ]  # fmt: skip


def _state(found: Excursion) -> str:
    return enum_word(ExcursionState, found.state, "EXCURSION_STATE_")


def _verdict(found: Excursion) -> str:
    word = enum_word(ColdChainVerdict, found.verdict, "COLD_CHAIN_VERDICT_")
    return f"{word}, SENSOR_LOST" if found.sensor_lost else word


def _degrees(found: Excursion) -> str:
    return f"{found.figures.peak_celsius:.1f}" if found.figures.HasField("peak_celsius") else ""


def _minutes(span: Duration) -> str:
    return f"{span.seconds // 60} min"


def _kind(point: CurvePoint) -> str:
    return enum_word(CurvePointKind, point.kind, "CURVE_POINT_KIND_").lower().replace("_", " ")


def _at(point: CurvePoint) -> str:
    return f"{point.temperature_celsius:.1f}" if point.HasField("temperature_celsius") else ""
