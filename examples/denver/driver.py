"""Drives the open loads: trackers report over HTTP as they do in the field, and drivers hand in proofs of delivery.

Time is the mesh's: the trips' hours pass in seconds because the shared clock is moved on step by step, and every
position carries the time at which it was taken. Nothing else is shortened.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import httpx

from examples.denver import pictures
from examples.denver.noise import Kind, Sending, disturb
from examples.denver.roads import Place, denver
from examples.denver.stage import Stage
from examples.denver.trip import Call, Proof, Trip, merge, plan_trip
from examples.denver.wire import Handover, Tracker, osmand_query, pod_form, traccar_json
from gladhand.client import call
from logistics.dispatch.v1.dispatch_service_pb2 import GetVehicleRequest
from logistics.load.v1.load_pb2 import Load, LoadState, Stop, StopKind, StopState

STEP_S: Final = 15.0
PACE: Final = 200.0
"""Seconds of the mesh for one second of the world."""
_BETWEEN_TRIPS: Final = dt.timedelta(minutes=10)
_ATTEMPTS: Final = 8
_PAUSE_S: Final = 0.5
_OPEN: Final = (
    LoadState.LOAD_STATE_DISPATCHED,
    LoadState.LOAD_STATE_AT_PICKUP,
    LoadState.LOAD_STATE_IN_TRANSIT,
    LoadState.LOAD_STATE_AT_DELIVERY,
)
_ENDED: Final = (
    StopState.STOP_STATE_DEPARTED,
    StopState.STOP_STATE_SKIPPED,
    StopState.STOP_STATE_CANCELLED,
    StopState.STOP_STATE_FAILED,
)
_REFUSED_PART: Final = Decimal(2)


class DriveError(Exception):
    """The edge gateway did not take what a tracker or phone sent; the message carries its own words."""


@dataclass(slots=True)
class Figures:
    """What was sent and how it was answered."""

    sent: int = 0
    refused: int = 0
    proofs: int = 0
    by_kind: dict[str, int] | None = None

    def count(self, kind: Kind, *, refused: bool) -> None:
        """One more position."""
        self.sent += 1
        self.refused += refused
        self.by_kind = self.by_kind or {}
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1


@dataclass(slots=True)
class Run:
    """A load under way: its trip, what its tracker sends, and what its driver will hand in."""

    load: Load
    tracker: Tracker
    trip: Trip
    sendings: list[Sending]
    begins: dt.datetime
    next_sending: int = 0
    next_proof: int = 0

    @property
    def vehicle(self) -> str:
        """The vehicle in charge."""
        return str(self.load.assignments[-1].vehicle_id)

    @property
    def ends(self) -> dt.datetime:
        """When the last position is taken."""
        return self.begins + dt.timedelta(seconds=self.trip.length_s + 30)


def is_open(load: Load) -> bool:
    """Whether a vehicle is to drive it, or to go on driving it."""
    return load.state in _OPEN and bool(_calls(load))


def _calls(load: Load) -> list[Call]:
    """The stops that are still to be made, in driving order."""
    left = [stop for stop in sorted(load.stops, key=lambda s: s.sequence) if stop.state not in _ENDED]
    return merge([
        Call(_place(stop), (stop.stop_id,), (stop.stop_id,) if _needs_proof(stop) else ()) for stop in left
    ])  # fmt: skip


def _place(stop: Stop) -> Place:
    return Place(stop.location.point.latitude, stop.location.point.longitude)


def _needs_proof(stop: Stop) -> bool:
    return (
        stop.kind == StopKind.STOP_KIND_DELIVERY and not stop.pod_ids and stop.state != StopState.STOP_STATE_COMPLETED
    )


class Driver:
    """Drives loads on a stage. `part_refused` names orders whose consignee refuses a part; `told` gets milestones."""

    def __init__(self, stage: Stage, seed: int, part_refused: frozenset[str], told: Callable[[str], None]) -> None:
        self._stage = stage
        self._seed = seed
        self._part_refused = part_refused
        self._told = told
        self.figures = Figures()

    async def drive(self, loads: Sequence[Load], progress: Callable[[float], None] = lambda _: None) -> None:
        """Drive all of them at once, each vehicle one load after the other. Raises DriveError, GladhandError."""
        runs = await self._runs(loads)
        if not runs:
            return
        start = min(run.begins for run in runs)
        end = max(run.ends for run in runs)
        moment = start
        while moment < end:
            began = time.monotonic()
            moment = min(end, moment + dt.timedelta(seconds=STEP_S))
            await self._stage.clock.advance_to(moment)
            await asyncio.gather(*(self._report(run, moment) for run in runs))
            progress((moment - start) / (end - start))
            await asyncio.sleep(max(0.0, STEP_S / PACE - (time.monotonic() - began)))

    async def _runs(self, loads: Sequence[Load]) -> list[Run]:
        """Plan every trip. A vehicle with two loads drives the second when it is back from the first."""
        free_at: dict[str, dt.datetime] = {}
        runs = []
        vehicles = sorted({load.assignments[-1].vehicle_id for load in loads})
        now = self._stage.clock.now()
        for load in sorted(loads, key=lambda each: (each.create_time.seconds, each.load_id)):
            vehicle = load.assignments[-1].vehicle_id
            tracker = await self._tracker(vehicle, vehicles.index(vehicle))
            chance = random.Random(f"trip/{self._seed}/{load.load_id}")
            trip = plan_trip(_calls(load), denver(), chance)
            begins = free_at.get(vehicle, now) + _BETWEEN_TRIPS
            run = Run(load, tracker, trip, disturb(trip, chance), begins)
            free_at[vehicle] = run.ends
            runs.append(run)
        return runs

    async def _tracker(self, vehicle_id: str, number: int) -> Tracker:
        """One of the vehicle's devices; neighbours speak different protocols."""
        answer = await call(self._stage.fleet.GetVehicle(GetVehicleRequest(vehicle_id=vehicle_id)))
        devices = {device.provider: device.device_id for device in answer.vehicle.telematics_devices}
        wanted = ("osmand", "traccar")[number % 2]
        protocol = (
            wanted if wanted in devices else next((each for each in ("osmand", "traccar") if each in devices), "")
        )
        if not protocol:
            raise DriveError(f"vehicle {vehicle_id} has no tracker that speaks OsmAnd or Traccar")
        return Tracker(protocol, devices[protocol], number + 1)

    async def _report(self, run: Run, until: dt.datetime) -> None:
        """Send what the tracker has sent and the driver has handed in by that moment, in the order of time."""
        elapsed = (until - run.begins).total_seconds()
        while run.next_sending < len(run.sendings) and run.sendings[run.next_sending].at <= elapsed:
            sending = run.sendings[run.next_sending]
            await self._hand_in_before(run, sending.at)
            await self._send(run, sending)
            run.next_sending += 1
        await self._hand_in_before(run, elapsed)

    async def _hand_in_before(self, run: Run, elapsed: float) -> None:
        while run.next_proof < len(run.trip.proofs) and run.trip.proofs[run.next_proof].at <= elapsed:
            proof = run.trip.proofs[run.next_proof]
            run.next_proof += 1
            await self._hand_in(run, proof)

    async def _send(self, run: Run, sending: Sending) -> None:
        moment = run.begins + dt.timedelta(seconds=sending.fix.at)
        if run.tracker.protocol == "osmand":
            query = osmand_query(run.tracker, sending.fix, moment)
            answer = await self._asked("GET", "/osmand", params=query)
        else:
            body = traccar_json(run.tracker, sending.fix, moment, buffered=sending.buffered)
            answer = await self._asked("POST", "/traccar", json=body)
        refused = answer.status_code >= 400
        if refused and sending.kind not in {Kind.FUTURE, Kind.NOWHERE}:
            raise DriveError(
                f"{run.vehicle}: a {sending.kind} position was refused: {answer.status_code} {answer.text[:500]}"
            )
        self.figures.count(sending.kind, refused=refused)

    async def _hand_in(self, run: Run, proof: Proof) -> None:
        stop = next(each for each in run.load.stops if each.stop_id == proof.stop_id)
        lines = self._handed_over(stop)
        drivers = run.load.assignments[-1].driver_ids
        moment = run.begins + dt.timedelta(seconds=proof.at)
        form = pod_form(stop.stop_id, run.load.load_id, drivers[0] if drivers else "", moment, proof.place, lines)
        files = {
            "pod": (None, form.encode(), "application/json"),
            "signature": ("signature.png", pictures.signature(stop.stop_id), "image/png"),
            "photo": ("photo.png", pictures.photo(stop.stop_id), "image/png"),
        }
        answer = await self._asked("POST", "/pod", files=files)
        if answer.status_code >= 400 and answer.status_code != httpx.codes.CONFLICT:
            raise DriveError(
                f"the proof for {stop.location.name} was refused: {answer.status_code} {answer.text[:800]}"
            )
        self.figures.proofs += 1
        refused = sum((line.rejected for line in lines), Decimal(0))
        note = f", {refused} refused as DAMAGED" if refused else ""
        self._told(f"{run.vehicle} ({run.tracker.protocol}) at {stop.location.name}: signed{note}")

    def _handed_over(self, stop: Stop) -> list[Handover]:
        lines = [
            Handover(task.order_id, task.line_id, Decimal(task.expected.value), task.expected.unit_code)
            for task in stop.tasks
        ]
        for index, line in enumerate(lines):
            if line.order_id in self._part_refused and line.expected > _REFUSED_PART:
                lines[index] = Handover(line.order_id, line.line_id, line.expected, line.unit, _REFUSED_PART, "DAMAGED")
                break
        return lines

    async def _asked(self, method: str, path: str, **content: object) -> httpx.Response:
        """Send until it is answered: what a tracker does while the server restarts. Raises DriveError at the limit."""
        why = ""
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._stage.edge.request(method, path, **content)  # type: ignore[arg-type]
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < 500 and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    return answer
                why = f"{answer.status_code} {answer.text[:300]}"
            await asyncio.sleep(_PAUSE_S * (attempt + 1))
        raise DriveError(f"{method} {path} got no answer in {_ATTEMPTS} attempts: {why}")
