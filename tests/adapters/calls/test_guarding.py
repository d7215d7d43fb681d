"""What protects a caller from a system that does not answer, and what an operator sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from gladhand import errors, metrics
from gladhand.breaker import BreakerState
from gladhand.calls import remaining
from gladhand.cli import traffic
from gladhand.client import call, channel
from gladhand.passage import passages
from gladhand.testing.waiting import eventually
from logistics.server.v1 import server_service_pb2 as api
from logistics.server.v1 import server_service_pb2_grpc as rpc
from tests.adapters.calls.conftest import Replica
from tests.adapters.serving.trial import compiled

pb2, stubs = compiled()
Start = Callable[..., Awaitable[Replica]]


def write() -> Any:
    return pb2.WriteRequest(request_id=str(uuid4()), name="a")


async def status(target: str) -> api.GetServerStatusResponse:
    async with channel(target, api.DESCRIPTOR) as opened:
        return await call(rpc.ServerServiceStub(opened).GetServerStatus(api.GetServerStatusRequest()))


async def test_a_breaker_opens_tries_again_and_closes(replica: Start) -> None:
    gone = await replica()
    await gone.stop()
    async with channel(gone.running.target, pb2.DESCRIPTOR) as opened:
        stub = stubs.TrialServiceStub(opened)
        [passage] = passages()
        states = [passage.breaker.state]
        for _ in range(5):
            with pytest.raises(errors.Unavailable) as caught:
                await call(stub.Append(write()))
            assert caught.value.reason == ""
        states.append(passage.breaker.state)
        with pytest.raises(errors.Unavailable, match="did not answer the last calls") as refused:
            await call(stub.Append(write()))
        assert refused.value.reason == "CIRCUIT_OPEN"
        assert refused.value.metadata == {"target": gone.running.target}
        assert 0 < (refused.value.retry_after_s or 0) <= 2

        back = await replica(port=gone.running.port)

        async def answered() -> bool:
            try:
                return bool((await call(stub.Append(write()))).count)
            except errors.Unavailable:
                return False

        await eventually(answered, within=20)
        states.append(passage.breaker.state)
        assert states == [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.CLOSED]
        assert passage.breaker.opened >= 1
        assert len(back.trial.calls) == 1


async def test_an_open_breaker_travels_with_its_reason_and_pause_and_trips_no_other(replica: Start) -> None:
    gone, middle = await replica(), await replica()
    await gone.stop()
    async with (
        channel(gone.running.target, pb2.DESCRIPTOR) as onward,
        channel(middle.running.target, pb2.DESCRIPTOR) as outer,
    ):

        async def forward(request: Any) -> Any:
            return await call(stubs.TrialServiceStub(onward).Roll(request))

        middle.trial.on_read = forward
        reasons = []
        for _ in range(8):
            with pytest.raises(errors.Unavailable) as caught:
                await call(stubs.TrialServiceStub(outer).Roll(pb2.ReadRequest(), timeout=5))
            reasons.append((caught.value.reason, caught.value.retry_after_s is not None))
        assert reasons[-3:] == [("CIRCUIT_OPEN", True)] * 3
        states = {passage.name: passage.breaker.state for passage in passages()}
    assert states == {gone.running.target: BreakerState.OPEN, middle.running.target: BreakerState.CLOSED}


async def test_refusals_never_open_a_breaker(replica: Start) -> None:
    one = await replica()

    async def refuse(_request: Any) -> Any:
        raise errors.FailedPrecondition("not now")

    one.trial.on_write = refuse
    async with channel(one.running.target, pb2.DESCRIPTOR) as opened:
        for _ in range(20):
            with pytest.raises(errors.FailedPrecondition):
                await call(stubs.TrialServiceStub(opened).Append(write()))
        assert passages()[0].breaker.state is BreakerState.CLOSED
        assert passages()[0].codes == {"FAILED_PRECONDITION": 20}


async def test_a_full_passage_refuses_at_once_and_lets_calls_through_again(replica: Start) -> None:
    one = await replica()
    go_on = asyncio.Event()

    async def wait(_request: Any) -> Any:
        await go_on.wait()
        return pb2.WriteResponse(count=1)

    one.trial.on_write = wait
    async with channel(one.running.target, pb2.DESCRIPTOR, most_in_flight=3) as opened:
        stub = stubs.TrialServiceStub(opened)
        watching = stub.Watch(pb2.ReadRequest(to=1))  # has no end of its own, so takes no place
        waiting = [asyncio.ensure_future(call(stub.Append(write()))) for _ in range(3)]
        await eventually(lambda: passages()[0].in_flight == 3)
        with pytest.raises(errors.ResourceFull, match=r"3 calls to .* are under way") as caught:
            await call(stub.Append(write()))
        assert (caught.value.reason, caught.value.metadata["most"]) == ("RESOURCE_FULL", "3")
        go_on.set()
        await asyncio.gather(*waiting)
        await call(stub.Append(write()))
        assert [answer.count async for answer in watching] == [0]
    assert len(one.trial.calls) == 5


async def test_a_deadline_reaches_the_second_server_and_ends_the_work_there(replica: Start) -> None:
    first, second = await replica(), await replica()
    left: list[float | None] = []
    ended = asyncio.Event()

    async def endless(_request: Any) -> Any:
        left.append(remaining())
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with channel(second.running.target, pb2.DESCRIPTOR) as onward:

        async def forward(request: Any) -> Any:
            return await call(stubs.TrialServiceStub(onward).Append(request, timeout=60))

        first.trial.on_write, second.trial.on_write = forward, endless
        async with channel(first.running.target, pb2.DESCRIPTOR) as outer:
            with pytest.raises(errors.DeadlineExceeded):
                await call(stubs.TrialServiceStub(outer).Append(write(), timeout=0.5))
        await asyncio.wait_for(ended.wait(), 5)
        await eventually(lambda: all(passage.in_flight == 0 for passage in passages()))
    assert [limit is not None and limit <= 0.5 for limit in left] == [True]


async def test_a_server_tells_what_it_served_and_how_its_ways_are(replica: Start) -> None:
    one, gone = await replica(), await replica()
    await gone.stop()
    fails = True

    async def once_down(_request: Any) -> Any:
        nonlocal fails
        if fails:
            fails = False
            raise errors.Unavailable("come back")
        return pb2.WriteResponse(count=1)

    one.trial.on_write = once_down
    async with (
        channel(one.running.target, pb2.DESCRIPTOR) as opened,
        channel(gone.running.target, pb2.DESCRIPTOR) as no,
    ):
        await call(stubs.TrialServiceStub(opened).Append(write()))
        with pytest.raises(errors.Unavailable):
            await call(stubs.TrialServiceStub(no).Roll(pb2.ReadRequest()))
        told = await status(one.running.target)
    assert told.name == "trial"
    assert told.services == ["trial.v1.TrialService"]
    assert told.start_time.seconds > 0
    [append] = [method for method in told.methods if method.method.endswith("Append")]
    assert (dict(append.codes), append.repeated_calls) == ({"UNAVAILABLE": 1, "OK": 1}, 1)
    targets = {target.target: target for target in told.targets}
    assert dict(targets[one.running.target].codes) == {"OK": 1}
    assert dict(targets[gone.running.target].codes) == {"UNAVAILABLE": 1}
    assert targets[gone.running.target].breaker == api.BREAKER_STATE_CLOSED


async def test_the_command_line_shows_who_calls_whom(replica: Start) -> None:
    one, gone = await replica(), await replica()
    await gone.stop()
    async with channel(one.running.target, pb2.DESCRIPTOR) as opened:
        await call(stubs.TrialServiceStub(opened).Append(write()))
        servers = await traffic.ask({"trial": one.running.target, "other": gone.running.target}, None)
        shown = traffic.targets(servers)
    assert list(servers) == ["trial"]
    cells = {str(column.header): list(column.cells) for column in shown.columns}
    row = cells["to"].index(one.running.target)
    assert (cells["from"][row], cells["calls pass"][row], cells["answered"][row]) == ("trial", "yes", "1")


async def test_metrics_tell_the_same(replica: Start) -> None:
    one = await replica()
    reader = InMemoryMetricReader()
    with metrics.started("trial", None, reader):
        async with channel(one.running.target, pb2.DESCRIPTOR) as opened:
            await call(stubs.TrialServiceStub(opened).Append(write()))
            document: Any = reader.get_metrics_data()
    found = {
        metric.name: [(dict(point.attributes), point.value) for point in metric.data.data_points]
        for resource in document.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    target = {"target": one.running.target}
    assert found["gladhand.target.breaker"] == [(target, 0)]
    assert found["gladhand.target.breaker.opened"] == [(target, 0)]
    assert found["gladhand.target.calls.in_flight"] == [(target, 0)]
    assert found["gladhand.target.calls"] == [({**target, "code": "OK"}, 1)]
    assert ({**target, "sent": "yes"}, 0) in found["gladhand.target.hedges"]


async def test_a_target_that_is_none_opens_no_channel() -> None:
    with pytest.raises(errors.SettingsError, match=r"dns:///name:port"):
        async with channel("a.internal:1,b.internal:1", pb2.DESCRIPTOR):
            pytest.fail("it must not open")
