"""What the orchestrator does when the road tells of an estimate or of a breakdown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gladhand import ids
from gladhand.bus.port import Delivery
from gladhand.execute import Executor
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore, VirtualClock
from gladhand.validation import check
from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import ExceptionKind, ExceptionState
from logistics.load.v1 import (
    AssignLoad,
    DeliveryEvent,
    DeliveryReason,
    DepartStop,
    DispatchLoad,
    Load,
    LoadState,
    Milestone,
    PlanLoad,
    ResumeLoad,
)
from logistics.process.v1 import MilestonePolicy, ProcessPolicy
from logistics.type.v1 import Classifier
from services.orchestrator.deciders import exception, load
from services.orchestrator.exceptions import exception_id_of
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import FixedPolicies
from services.orchestrator.processes.holds import HoldRipple
from services.orchestrator.processes.observations import Observations
from services.orchestrator.processes.proofs import Proofs
from tests.unit.orchestrator.deciders.freight import FIRST, LOAD, PICKUP, START, at, crew, truck, when

RISK = exception_id_of(ExceptionKind.EXCEPTION_KIND_ETA_RISK, FIRST)


class NoStops:
    """A book of stops with nothing in it: no proof is handed in here."""

    async def load_of_stop(self, stop_id: str) -> str | None:
        return None


async def _nobody(order_id: str, event_id: str) -> None:
    """Nothing is driven here."""


class Road:
    """One load that left its pickup, whose first delivery closes at minute 100."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START + timedelta(hours=1))
        policy = ProcessPolicy(
            name="trial", version=1, milestones=MilestonePolicy(arrival_grace=Duration(seconds=5 * 60))
        )
        policies = FixedPolicies(policy)
        broker = MemoryBroker(self.clock)
        store = MemoryEventStore(broker)
        self.journal = Journal(Executor(store, self.clock, validate=check), self.clock, policies)
        holds = HoldRipple(self.journal, MemoryBus(broker, self.clock), _nobody)
        self.observations = Observations(self.journal, policies, Proofs(self.journal, NoStops(), policies, holds))

    async def wish(self, *wishes: Message) -> None:
        for number, wish in enumerate(wishes):
            request = ids.derive(LOAD, "story", wish.DESCRIPTOR.name, str(number))
            await self.journal.load(LOAD, wish, Cause(request_id=request, region="us"))

    async def load(self) -> Load:
        found = (await self.journal.find(load.DECIDER, LOAD)).state.load
        assert found is not None
        return found

    async def exception(self, exception_id: str) -> LogisticsException | None:
        return (await self.journal.find(exception.DECIDER, exception_id)).state.exception

    async def risk(self) -> str:
        found = await self.exception(RISK)
        return ExceptionState.Name(found.state).removeprefix("EXCEPTION_STATE_") if found is not None else "none"

    async def tell(self, seen: DeliveryEvent) -> None:
        delivery = Delivery("logistics.observation.us", seen.SerializeToString(), {}, "OBSERVATIONS", 1, START)
        await self.observations.handle(delivery)

    async def expect(self, minute: float, *, made: float, epoch: int = 1) -> None:
        seen = _seen(Milestone.MILESTONE_ETA_UPDATED, made, f"{minute}/{made}/{epoch}", epoch=epoch)
        seen.stop_id = FIRST
        seen.classifier = Classifier.CLASSIFIER_ESTIMATED
        seen.estimated_time.CopyFrom(at(minute))
        await self.tell(seen)


@pytest.fixture
async def road() -> Road:
    made = Road()
    planned = truck()
    planned.stops[1].window.end_time.CopyFrom(at(100))
    await made.wish(
        PlanLoad(load=planned),
        AssignLoad(assignment=crew()),
        DispatchLoad(dispatch_reference="D-1", epoch=1),
        DepartStop(stop_id=PICKUP, time=when(30)),
    )
    return made


def _seen(milestone: Milestone.ValueType, minute: float, name: str, *, epoch: int = 1) -> DeliveryEvent:
    return DeliveryEvent(
        delivery_event_id=ids.derive(LOAD, "seen", name),
        milestone=milestone,
        load_id=LOAD,
        vehicle_id="truck-1",
        epoch=epoch,
        occur_time=at(minute),
        receive_time=at(minute),
        classifier=Classifier.CLASSIFIER_ACTUAL,
        region="us",
    )


def _breakdown(minute: float, *, epoch: int = 1) -> DeliveryEvent:
    return _seen(Milestone.MILESTONE_BREAKDOWN, minute, f"breakdown {minute}", epoch=epoch)


def _about(seen: DeliveryEvent, kind: ExceptionKind.ValueType) -> str:
    return exception_id_of(kind, LOAD, seen.delivery_event_id)


async def test_a_risk_opens_beyond_the_grace_recovers_and_comes_back(road: Road) -> None:
    await road.expect(104, made=31)
    assert await road.risk() == "none"
    await road.expect(106, made=32)
    assert await road.risk() == "OPEN"
    await road.expect(99, made=33)
    assert await road.risk() == "RESOLVED"
    await road.expect(140, made=34)
    assert await road.risk() in {"OPEN", "REOPENED"}


async def test_a_late_estimate_that_was_made_earlier_neither_opens_nor_settles(road: Road) -> None:
    await road.expect(140, made=40)
    await road.expect(60, made=35)
    assert await road.risk() == "OPEN"
    assert (await road.load()).stops[1].estimated_arrival_time == at(140)


async def test_an_estimate_of_an_assignment_that_never_was_is_unmatched(road: Road) -> None:
    await road.expect(140, made=40, epoch=2)
    assert await road.risk() == "none"
    message = ids.derive(LOAD, "seen", "140/40/2")
    assert await road.exception(exception_id_of(ExceptionKind.EXCEPTION_KIND_UNMATCHED_EVENT, message)) is not None


async def test_a_breakdown_opens_its_exception_and_interrupts_once(road: Road) -> None:
    seen = _breakdown(45)
    await road.tell(seen)
    found = await road.load()
    assert found.state == LoadState.LOAD_STATE_INTERRUPTED
    told = await road.exception(_about(seen, ExceptionKind.EXCEPTION_KIND_BREAKDOWN))
    assert told is not None
    assert (told.load_id, told.vehicle_id) == (LOAD, "truck-1")
    await road.wish(ResumeLoad())
    await road.tell(seen)
    assert (await road.load()).state == LoadState.LOAD_STATE_IN_TRANSIT
    await road.tell(_breakdown(50))
    assert (await road.load()).state == LoadState.LOAD_STATE_INTERRUPTED


async def test_an_accident_is_told_as_one(road: Road) -> None:
    seen = _breakdown(45)
    seen.reason = DeliveryReason.DELIVERY_REASON_ACCIDENT
    await road.tell(seen)
    assert await road.exception(_about(seen, ExceptionKind.EXCEPTION_KIND_ACCIDENT)) is not None
    assert await road.exception(_about(seen, ExceptionKind.EXCEPTION_KIND_BREAKDOWN)) is None


async def test_a_breakdown_of_a_vehicle_that_does_not_carry_the_load_stops_nothing(road: Road) -> None:
    seen = _breakdown(45, epoch=2)
    await road.tell(seen)
    assert (await road.load()).state == LoadState.LOAD_STATE_IN_TRANSIT
    assert await road.exception(_about(seen, ExceptionKind.EXCEPTION_KIND_BREAKDOWN)) is not None
