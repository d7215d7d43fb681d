"""Who may decide about cold goods that were warm, and who may not: over gRPC, by tokens, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import grpc
import pytest
from nats.aio.client import Client

from gladhand.client import call
from gladhand.errors import GladhandError, InvalidArgument, NotFound, PermissionDenied
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.server import ServiceProcess
from gladhand.testing import VirtualClock, eventually
from logistics.exception.v1 import (
    ColdChainFigures,
    ColdChainFinding,
    ColdChainVerdict,
    Excursion,
    ExcursionDecision,
    ExcursionOutcome,
    ExcursionState,
)
from logistics.load.v1 import Load, LoadDispatched, LoadPlanned
from logistics.orchestrator.v1 import (
    DecideExcursionRequest,
    GetExcursionRequest,
    ListExcursionsRequest,
    ListHoldsRequest,
    OrchestratorServiceStub,
    SubmitOrderRequest,
)
from logistics.order.v1 import Order
from logistics.type.v1 import Actor, ActorKind, Money, TemperatureProfile
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.read_model.story import Story, name
from tests.adapters.serving.door import Issuer, bearer
from tests.simulation.world import an_order

if TYPE_CHECKING:
    from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

Stub: TypeAlias = "OrchestratorServiceAsyncStub"
RELEASED = ExcursionOutcome.EXCURSION_OUTCOME_RELEASED


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
async def stub(settings: OrchestratorSettings, issuer: Issuer) -> AsyncIterator[Stub]:
    guarded = settings.model_copy(update={"jwks": str(issuer.jwks)})
    async with (
        ServiceProcess("orchestrator", guarded).serving(build) as running,
        grpc.aio.insecure_channel(running.target) as channel,
    ):
        yield OrchestratorServiceStub(channel)


def who(issuer: Issuer, sub: str, scope: str) -> Any:
    return bearer(issuer.token(sub=sub, scope=scope))


def cold_order(number: str, setpoint: float = 5) -> Order:
    sold = an_order(number)
    sold.lines[0].profile.CopyFrom(TemperatureProfile(min_celsius=2, max_celsius=8, setpoint_celsius=setpoint))
    return sold


@pytest.fixture
async def breach(stub: Stub, issuer: Issuer, nats_connection: Client) -> Excursion:
    """An excursion that waits for a decision about goods on a load that dora sent out."""
    clerk = who(issuer, "clerk", "orders.write")
    submitted = SubmitOrderRequest(request_id=str(uuid4()), order=cold_order("SO-C"))
    order_id = (await call(stub.SubmitOrder(submitted, metadata=clerk))).order.order_id
    load_id = name("load cold")
    finding = ColdChainFinding(
        finding_id=str(uuid4()),
        load_id=load_id,
        order_id=order_id,
        line_id="1",
        revision=1,
        verdict=ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH,
        profile=TemperatureProfile(min_celsius=2, max_celsius=8),
        figures=ColdChainFigures(peak_celsius=14, coverage_percent=100, samples=9),
        region="us",
    )
    finding.figures.ride_start_time.GetCurrentTime()
    finding.judge_time.GetCurrentTime()
    subject = f"logistics.observation.us.{load_id}.cold_chain"
    await nats_connection.jetstream().publish(subject, finding.SerializeToString())
    reader = who(issuer, "reader", "excursions.read")

    async def waiting() -> Excursion | None:
        states = [ExcursionState.EXCURSION_STATE_IN_REVIEW]
        page = await call(stub.ListExcursions(ListExcursionsRequest(states=states), metadata=reader))
        return page.excursions[0] if page.excursions else None

    found = await eventually(waiting, within=20)
    assert found is not None
    return found


def decision(excursion_id: str, **more: Any) -> DecideExcursionRequest:
    told = {"outcome": RELEASED, "evidence": "stability budget: 6 hours", **more}
    return DecideExcursionRequest(
        request_id=str(uuid4()), excursion_id=excursion_id, decision=ExcursionDecision(**told)
    )


async def refusal(answer: Any) -> GladhandError:
    with pytest.raises(GladhandError) as caught:
        await call(answer)
    return caught.value


async def test_a_reviewer_decides_and_a_dispatcher_does_not(
    stub: Stub, issuer: Issuer, breach: Excursion, nats_connection: Client
) -> None:
    wish = decision(breach.excursion_id)
    for scope, word in (
        ("holds.release exceptions.write", "compliance.review"),
        ("compliance.review loads.write", "loads.write"),
    ):
        refused = await refusal(stub.DecideExcursion(wish, metadata=who(issuer, "dora", scope)))
        assert isinstance(refused, PermissionDenied)
        assert word in refused.message
    quinn = who(issuer, "quinn", "compliance.review")
    named = decision(breach.excursion_id, decided_by="somebody else")
    decided = (await call(stub.DecideExcursion(named, metadata=quinn))).excursion
    assert decided.state == ExcursionState.EXCURSION_STATE_RELEASED
    assert decided.decision.decided_by == "quinn", "a token's subject goes before what the request says"
    again = (await call(stub.DecideExcursion(named, metadata=quinn))).excursion
    assert again.version == decided.version
    reader = who(issuer, "reader", "excursions.read holds.read")
    request = GetExcursionRequest(excursion_id=breach.excursion_id, at_least_version=decided.version)
    assert (await call(stub.GetExcursion(request, metadata=reader))).excursion.decision.evidence

    async def lifted() -> bool:
        held = await call(stub.ListHolds(ListHoldsRequest(order_id=breach.order_id), metadata=reader))
        return [hold.released_by for hold in held.holds] == ["quinn"]

    await eventually(lifted, within=20)


async def test_whoever_sent_the_load_out_may_not_decide_whatever_the_scopes(
    stub: Stub, issuer: Issuer, breach: Excursion, nats_connection: Client
) -> None:
    story = Story(JetStreamEventStore(nats_connection, source="test"), VirtualClock())
    await story.tell("load", breach.load_id, LoadPlanned(load=Load(load_id=breach.load_id, region="us")))
    story.actor = Actor(kind=ActorKind.ACTOR_KIND_PERSON, id="dora")
    await story.tell("load", breach.load_id, LoadDispatched(dispatch_reference="D-1", epoch=1))
    dora = who(issuer, "dora", "compliance.review")
    refused = await refusal(stub.DecideExcursion(decision(breach.excursion_id), metadata=dora))
    assert isinstance(refused, PermissionDenied)
    assert "dora dispatched load" in refused.message
    quinn = who(issuer, "quinn", "compliance.review")
    credit = decision(
        breach.excursion_id,
        outcome=ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT,
        credit=Money(currency="USD", units=20),
    )
    decided = (await call(stub.DecideExcursion(credit, metadata=quinn))).excursion
    assert decided.state == ExcursionState.EXCURSION_STATE_RELEASED_WITH_CREDIT


async def test_what_is_not_there_or_says_too_little_is_refused(stub: Stub, issuer: Issuer) -> None:
    quinn = who(issuer, "quinn", "compliance.review excursions.read")
    missing = await refusal(stub.DecideExcursion(decision(str(uuid4())), metadata=quinn))
    assert isinstance(missing, NotFound)
    assert missing.reason == "EXCURSION_NOT_FOUND"
    unseen = await refusal(stub.GetExcursion(GetExcursionRequest(excursion_id=str(uuid4())), metadata=quinn))
    assert unseen.reason == "EXCURSION_NOT_FOUND"
    mute = await refusal(stub.DecideExcursion(decision(str(uuid4()), evidence=""), metadata=quinn))
    assert isinstance(mute, InvalidArgument)


async def test_a_setpoint_outside_of_its_range_is_refused_at_intake(stub: Stub, issuer: Issuer) -> None:
    clerk = who(issuer, "clerk", "orders.write")
    request = SubmitOrderRequest(request_id=str(uuid4()), order=cold_order("SO-B", setpoint=-15))
    refused = await refusal(stub.SubmitOrder(request, metadata=clerk))
    assert isinstance(refused, InvalidArgument)
    assert "setpoint_celsius must lie between min_celsius and max_celsius" in str(refused)
