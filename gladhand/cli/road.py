"""What the commands about loads on the road ask: breakdown, another vehicle, hand-over, hours, new plans."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import typer

from gladhand.cli.ask import Orchestrator
from gladhand.cli.failure import Failure
from gladhand.cli.output import as_dict, print_json, screen, table
from gladhand.client import call
from logistics.load.v1.load_pb2 import Load, Reassignment
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.type.v1.place_pb2 import GeoPoint


def point_of(text: str) -> GeoPoint | None:
    """Return the position that `39.74,-104.99` means, None where nothing was typed. Raises BadParameter."""
    if not text:
        return None
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no position; write latitude,longitude as 39.74,-104.99") from error
    return GeoPoint(latitude=latitude, longitude=longitude)


async def interrupted(client: Orchestrator, name: str, reason: str, *, accident: bool) -> Load:
    """Tell that the vehicle cannot go on."""
    request = api.InterruptLoadRequest(
        request_id=str(uuid.uuid4()),
        load_id=(await client.load(name)).load_id,
        accident=accident,
        reason=reason,
    )
    return (await call(client.stub.InterruptLoad(request))).load


async def resumed(client: Orchestrator, name: str, reason: str) -> Load:
    """Let the same vehicle go on."""
    load_id = (await client.load(name)).load_id
    request = api.ResumeLoadRequest(request_id=str(uuid.uuid4()), load_id=load_id, reason=reason)
    return (await call(client.stub.ResumeLoad(request))).load


async def reassigned(client: Orchestrator, name: str, wanted: Reassignment, epoch: int) -> Load:
    """Ask for another vehicle or driver; the assignment in force ends unless another one is named."""
    found = await client.load(name)
    wanted.expected_epoch = epoch or _in_force(found)
    request = api.ReassignLoadRequest(request_id=str(uuid.uuid4()), load_id=found.load_id, reassignment=wanted)
    return (await call(client.stub.ReassignLoad(request))).load


async def handed_over(client: Orchestrator, name: str, seals: Sequence[str], celsius: float | None) -> Load:
    """Tell that everything on board passed to the vehicle that takes over."""
    load_id = (await client.load(name)).load_id
    request = api.HandOverLoadRequest(
        request_id=str(uuid.uuid4()), load_id=load_id, seal_numbers=seals, temperature_celsius=celsius
    )
    return (await call(client.stub.HandOverLoad(request))).load


async def answered_for(client: Orchestrator, name: str, reason: str, by: str) -> Load:
    """Answer for the driver of the assignment in force."""
    found = await client.load(name)
    request = api.OverrideDriverHoursRequest(
        request_id=str(uuid.uuid4()),
        load_id=found.load_id,
        epoch=_in_force(found),
        reason=reason,
        overridden_by=by,
    )
    return (await call(client.stub.OverrideDriverHours(request))).load


async def replanned(client: Orchestrator, name: str, reason: str, position: GeoPoint | None) -> Load:
    """Ask for a new plan of the stops that are not locked."""
    found = await client.load(name)
    request = api.ReplanLoadRequest(
        request_id=str(uuid.uuid4()),
        load_id=found.load_id,
        expected_plan_version=found.plan_version,
        position=position,
        reason=reason,
    )
    return (await call(client.stub.ReplanLoad(request))).load


async def answered(client: Orchestrator, name: str, reason: str, *, accepted: bool) -> Load:
    """Answer the plan that waits, for the fleet system or the driver."""
    found = await client.load(name)
    if not found.HasField("proposal"):
        raise Failure(f"no plan of load {name} waits for an answer", "look: gladhand loads show LOAD")
    request = api.AnswerPlanRequest(
        request_id=str(uuid.uuid4()),
        load_id=found.load_id,
        plan_version=found.proposal.plan_version,
        accepted=accepted,
        reason=reason,
    )
    return (await call(client.stub.AnswerPlan(request))).load


def show_on_the_road(found: Load, as_json: bool) -> None:
    """Show the state of a load with its assignments and what waits."""
    if as_json:
        print_json(as_dict(found))
        return
    from gladhand.cli import words

    console = screen()
    console.print(f"load {found.load_id} is {words.load_state(found)}, plan {found.plan_version}", highlight=False)
    rows = [
        (
            each.epoch,
            each.vehicle_id,
            ",".join(each.driver_ids),
            words.moment(each.start_time),
            words.moment(each.end_time),
            each.dispatch_reference,
            each.hours.message or each.hours.overridden_by,
        )
        for each in found.assignments
    ]
    console.print(table(("#epoch", "vehicle", "driver", "from", "until", "dispatch", "hours"), rows))
    if found.HasField("reassignment"):
        console.print(f"{found.reassignment.vehicle_id or found.reassignment.driver_id} is asked to take over")
    if found.HasField("proposal"):
        count = len(found.proposal.stops)
        console.print(f"plan {found.proposal.plan_version} with {count} stops waits for its answer", highlight=False)


def _in_force(found: Load) -> int:
    if not found.assignments:
        raise Failure(f"load {found.load_id} has no vehicle yet", "look: gladhand loads show LOAD")
    return int(found.assignments[-1].epoch)
