from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from gladhand import errors
from gladhand.calls import correlated
from gladhand.client import call, channel, stream
from gladhand.statuses import from_rpc_error
from tests.adapters.serving.trial import Trial, careless, compiled

pb2, stubs = compiled()


async def test_correlation_and_deadline_go_along(ours: Any, trial: Trial) -> None:
    with correlated("order-journey-1", timeout_s=0.2):
        await call(ours.Write(pb2.WriteRequest(request_id=str(uuid4()), name="a"), timeout=30))
    served = trial.calls[0]
    assert served.correlation_id == "order-journey-1"
    left = served.remaining()
    assert left is not None
    assert left <= 0.2


async def test_a_call_inside_a_call_inherits_both(serve: Any, trial: Trial) -> None:
    inner, outer = await serve(), None
    async with channel(inner.target, pb2.DESCRIPTOR) as onward:
        first = True

        async def forward(request: Any) -> Any:
            nonlocal first
            if not first:
                return pb2.ReadResponse(text="inner")
            first = False
            return await call(stubs.TrialServiceStub(onward).Read(request, timeout=60))

        trial.on_read = forward
        outer = stubs.TrialServiceStub(onward).Read(
            pb2.ReadRequest(), timeout=5, metadata=(("x-correlation-id", "order-journey-2"),)
        )
        assert (await outer).text == "inner"
    assert [served.correlation_id for served in trial.calls] == ["order-journey-2"] * 2
    assert trial.calls[1].deadline is not None
    assert trial.calls[1].deadline - trial.calls[0].deadline < 1


async def test_without_any_deadline_the_policys_is_sent(ours: Any, trial: Trial) -> None:
    await call(ours.Write(pb2.WriteRequest(request_id=str(uuid4()), name="a")))
    left = trial.calls[0].remaining()
    assert left is not None
    assert 5 < left < 11


async def test_a_deadline_that_has_passed_sends_nothing(ours: Any, trial: Trial) -> None:
    with correlated("order-journey-3", timeout_s=0), pytest.raises(errors.DeadlineExceeded):
        await call(ours.Read(pb2.ReadRequest()))
    assert trial.calls == []


async def test_an_endless_stream_has_no_deadline(ours: Any, trial: Trial) -> None:
    answers = [answer.count async for answer in stream(ours.Watch(pb2.ReadRequest(to=2)))]
    assert answers == [0, 1]
    assert trial.calls[0].deadline is None


async def test_a_stream_raises_what_the_server_meant(ours: Any, trial: Trial) -> None:
    async def fail(_request: Any) -> Any:
        yield pb2.ReadResponse(count=1)
        raise errors.NotFound("order", "o-1")

    trial.on_watch = fail
    answers = stream(ours.Watch(pb2.ReadRequest()))
    assert (await anext(answers)).count == 1
    with pytest.raises(errors.NotFound) as caught:
        await anext(answers)
    assert (caught.value.reason, caught.value.resource_name) == ("ORDER_NOT_FOUND", "o-1")


async def test_what_may_be_repeated_is_repeated_while_the_server_is_unavailable(ours: Any, trial: Trial) -> None:
    attempts = 0

    async def flaky(_request: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise errors.Unavailable("come back")
        return pb2.WriteResponse(count=7)

    trial.on_write = flaky
    assert (await call(ours.Append(pb2.WriteRequest(request_id=str(uuid4()), name="a")))).count == 7
    assert attempts == 3


async def test_repetition_has_an_end(ours: Any, trial: Trial) -> None:
    async def down(_request: Any) -> Any:
        raise errors.Unavailable("come back")

    trial.on_write = down
    with pytest.raises(errors.Unavailable):
        await call(ours.Append(pb2.WriteRequest(request_id=str(uuid4()), name="a")))
    assert len(trial.calls) == 4


async def test_what_may_not_be_repeated_is_not(ours: Any, trial: Trial) -> None:
    async def ambiguous(_request: Any) -> Any:
        raise errors.Ambiguous("it may have happened")

    trial.on_write = ambiguous
    with pytest.raises(errors.Ambiguous):
        await call(ours.Append(pb2.WriteRequest(request_id=str(uuid4()), name="a")))
    assert len(trial.calls) == 1


async def test_a_server_that_is_not_there_is_unavailable(unused_port: int) -> None:
    async with channel(f"127.0.0.1:{unused_port}", pb2.DESCRIPTOR) as nobody:
        with pytest.raises(errors.Unavailable) as caught:
            await call(stubs.TrialServiceStub(nobody).Append(pb2.WriteRequest(request_id=str(uuid4()), name="a")))
    assert caught.value.reason == ""


async def test_a_contract_without_policy_gets_no_channel() -> None:
    with pytest.raises(errors.ContractError, match="CarelessService/Silent"):
        async with channel("127.0.0.1:1", careless()[0].DESCRIPTOR):
            pytest.fail("it must not open")


async def test_details_that_are_garbage_leave_the_code(unused_port: int) -> None:
    garbage = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff\xff"))
    error = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), garbage, "no such thing")
    assert isinstance(from_rpc_error(error), errors.NotFound)


async def test_a_caller_that_gives_up_is_not_an_error_of_the_server(ours: Any, trial: Trial) -> None:
    begun = asyncio.Event()

    async def hang(_request: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    trial.on_write = hang
    pending = asyncio.ensure_future(call(ours.Append(pb2.WriteRequest(request_id=str(uuid4()), name="a"))))
    await begun.wait()
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
