"""Policies put in force over gRPC on a real server: versions, running orders, refusals, races and restarts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

import grpc
import pytest

from gladhand.client import call
from gladhand.errors import Conflict, FailedPrecondition, GladhandError, InvalidArgument, NotFound
from gladhand.server import ServiceProcess
from gladhand.testing import eventually
from logistics.orchestrator.v1 import (
    ApplyPolicyRequest,
    ApplyPolicyResponse,
    GetEffectivePolicyRequest,
    GetPolicyRequest,
    ListPoliciesRequest,
    OrchestratorServiceStub,
    SubmitOrderRequest,
)
from logistics.order.v1 import Order
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.simulation.world import an_order

if TYPE_CHECKING:
    from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

Stub: TypeAlias = "OrchestratorServiceAsyncStub"


def us(*lines: str) -> str:
    return "name: us\nfor: {region: us}\npolicy:\n" + "".join(f"  {line}\n" for line in lines)


async def apply(
    stub: Stub, document: str, *, request_id: str = "", expected: int | None = None, check_only: bool = False
) -> ApplyPolicyResponse:
    request = ApplyPolicyRequest(
        request_id=request_id or str(uuid4()),
        document=document,
        reason="tried",
        expected_version=expected,
        check_only=check_only,
    )
    return await call(stub.ApplyPolicy(request))


async def submitted(stub: Stub, number: str) -> Order:
    answer = await call(stub.SubmitOrder(SubmitOrderRequest(request_id=str(uuid4()), order=an_order(number))))
    return answer.order


async def test_an_order_keeps_the_version_that_was_in_force_when_it_came(orchestrator: Stub) -> None:
    early = await submitted(orchestrator, "early")
    made = await apply(orchestrator, us("quiet_period: 1h"))
    assert (made.policy.name, made.policy.version, made.created) == ("us", 1, True)
    late = await submitted(orchestrator, "late")
    assert (early.policy_version, late.policy_version) == ("default@1", "default@1+us@1")

    await apply(orchestrator, us("quiet_period: 2h"))
    again = await call(orchestrator.GetEffectivePolicy(GetEffectivePolicyRequest(order_id=late.order_id)))
    assert (again.label, again.policy.quiet_period.seconds) == ("default@1+us@1", 3600)
    now = await call(orchestrator.GetEffectivePolicy(GetEffectivePolicyRequest(region="us")))
    assert (now.label, now.policy.quiet_period.seconds) == ("default@1+us@2", 7200)
    assert {each.path: (each.value, each.layer) for each in now.origins}["quiet_period"] == ("2h", "us@2")


async def test_a_version_that_says_so_takes_running_orders_over(orchestrator: Stub) -> None:
    running = await submitted(orchestrator, "running")
    await apply(orchestrator, us("quiet_period: 2h", "applies_to_running: true"))
    found = await call(orchestrator.GetEffectivePolicy(GetEffectivePolicyRequest(order_id=running.order_id)))
    assert (found.label, found.recorded_label) == ("default@1+us@1", "default@1")
    assert found.policy.quiet_period.seconds == 7200


async def test_the_same_content_and_the_same_request_make_no_new_version(orchestrator: Stub) -> None:
    request_id = str(uuid4())
    first = await apply(orchestrator, us("quiet_period: 1h"), request_id=request_id)
    assert (await apply(orchestrator, us("quiet_period: 1h"), request_id=request_id)) == first
    other = await apply(orchestrator, us("quiet_period: 1h") + "# a comment\n")
    assert (other.policy.version, other.created) == (1, False)
    versions = await call(orchestrator.ListPolicies(ListPoliciesRequest(name="us")))
    assert [(each.version, each.in_force, each.reason) for each in versions.policies] == [(1, True, "tried")]
    assert [(each.path, each.value) for each in versions.policies[0].settings] == [("quiet_period", "1h")]


async def test_a_check_changes_nothing(orchestrator: Stub) -> None:
    found = await apply(orchestrator, us("quiet_period: 1h"), check_only=True)
    assert (found.policy.version, found.created) == (1, False)
    assert list(found.explored) == ["default@1+us@1"]
    with pytest.raises(NotFound):
        await call(orchestrator.GetPolicy(GetPolicyRequest(name="us")))


async def test_what_is_no_policy_or_not_safe_is_refused_and_nothing_is_in_force(orchestrator: Stub) -> None:
    with pytest.raises(InvalidArgument) as invalid:
        await apply(orchestrator, us("quiet_perod: 1h"))
    assert invalid.value.reason == "POLICY_INVALID"
    assert "did you mean quiet_period" in invalid.value.violations[0].description
    with pytest.raises(FailedPrecondition) as unsafe:
        await apply(orchestrator, us("pod_methods: [EDI_ONLY]"))
    assert unsafe.value.reason == "POLICY_UNSAFE"
    assert "the billing gate opens" in unsafe.value.message
    assert [each.name for each in (await call(orchestrator.ListPolicies(ListPoliciesRequest()))).policies] == [
        "default"
    ]


async def test_of_two_who_change_the_same_version_one_is_told_to_look_again(orchestrator: Stub) -> None:
    outcomes = await asyncio.gather(
        *(apply(orchestrator, us(f"quiet_period: {hours}h"), expected=0) for hours in (1, 2, 3)), return_exceptions=True
    )
    assert [isinstance(each, Conflict) for each in outcomes].count(True) == 2
    with pytest.raises(Conflict, match=r"version 1 of us is in force, not 0"):
        await apply(orchestrator, us("quiet_period: 4h"), expected=0)


async def test_policies_outlive_the_process_and_reach_another_one(
    orchestrator: Stub, settings: OrchestratorSettings
) -> None:
    await apply(orchestrator, us("quiet_period: 1h"))
    beside = settings.model_copy(update={"data_dir": settings.data_dir / "beside"})
    async with (
        ServiceProcess("orchestrator", beside).serving(build) as running,
        grpc.aio.insecure_channel(running.target) as channel,
    ):
        other: Stub = OrchestratorServiceStub(channel)
        assert (await call(other.GetPolicy(GetPolicyRequest(name="us")))).policy.version == 1

        async def followed() -> bool:
            return (await submitted(other, str(uuid4()))).policy_version == "default@1+us@2"

        # It watches: it needs no restart and no question.
        await apply(orchestrator, us("quiet_period: 2h"))
        await eventually(followed)


async def test_an_unknown_layer_is_told(orchestrator: Stub) -> None:
    with pytest.raises(GladhandError) as unknown:
        await call(orchestrator.ListPolicies(ListPoliciesRequest(name="nowhere")))
    assert isinstance(unknown.value, NotFound)
