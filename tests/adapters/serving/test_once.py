from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from gladhand import errors
from gladhand.client import call
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from tests.adapters.serving.trial import Trial, compiled

pb2, stubs = compiled()


def write(request_id: str = "", **fields: Any) -> Any:
    return pb2.WriteRequest(request_id=request_id or str(uuid4()), **{"name": "a", **fields})


async def test_the_same_request_gets_the_first_answer_again(ours: Any, trial: Trial) -> None:
    request = write(labels={"b": "1", "a": "2"})
    first = await call(ours.Write(request))
    again = await call(ours.Write(write(request.request_id.upper(), labels={"a": "2", "b": "1"})))
    assert (first.count, again.count, len(trial.calls)) == (1, 1, 1)


async def test_another_body_under_the_same_id_is_refused_with_the_first_digest(ours: Any, trial: Trial) -> None:
    request = write()
    await call(ours.Write(request))
    with pytest.raises(errors.RequestIdReused) as caught:
        await call(ours.Write(write(request.request_id, name="b")))
    assert caught.value.request_id == request.request_id
    assert len(caught.value.first_digest) == 64
    assert len(trial.calls) == 1


async def test_the_same_id_under_another_method_is_another_request(ours: Any, trial: Trial) -> None:
    request = write()
    await call(ours.Write(request))
    await call(ours.Append(request))
    assert len(trial.calls) == 2


async def test_a_method_that_is_idempotent_itself_is_called_each_time(ours: Any, trial: Trial) -> None:
    request = write()
    answers = [await call(ours.Append(request)) for _ in range(2)]
    assert [answer.count for answer in answers] == [1, 2]
    assert trial.calls[0].request_id == request.request_id


@pytest.mark.parametrize("request_id", ["", "not-a-uuid"])
async def test_a_missing_or_broken_request_id_is_refused_with_its_field(ours: Any, request_id: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await call(ours.Write(pb2.WriteRequest(request_id=request_id, name="a")))
    assert [violation.field for violation in caught.value.violations] == ["request_id"]


async def test_a_twin_in_flight_waits_for_the_first(ours: Any, trial: Trial) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: Any) -> Any:
        begun.set()
        await go_on.wait()
        return pb2.WriteResponse(count=42)

    trial.on_write = slow
    request = write()
    first = asyncio.ensure_future(call(ours.Write(request)))
    await begun.wait()
    twins = [asyncio.ensure_future(call(ours.Write(request))) for _ in range(3)]
    with pytest.raises(errors.RequestIdReused):
        await call(ours.Write(write(request.request_id, name="b")))
    go_on.set()
    assert [answer.count for answer in await asyncio.gather(first, *twins)] == [42] * 4
    assert len(trial.calls) == 1


async def test_a_definite_refusal_is_judged_anew(ours: Any, trial: Trial) -> None:
    async def refuse(_request: Any) -> Any:
        raise errors.FailedPrecondition("not yet", reason="STOCK_SHORT")

    trial.on_write = refuse
    request = write()
    with pytest.raises(errors.FailedPrecondition):
        await call(ours.Write(request))
    trial.on_write = None
    assert (await call(ours.Write(write(request.request_id, name="b")))).count == 2


@pytest.mark.parametrize("fault", [errors.Ambiguous("who knows"), RuntimeError("bug"), errors.Unavailable("gone")])
async def test_after_an_unclear_end_only_the_same_request_runs_again(ours: Any, trial: Trial, fault: Exception) -> None:
    async def fail(_request: Any) -> Any:
        raise fault

    trial.on_write = fail
    request = write()
    with pytest.raises(errors.GladhandError):
        await call(ours.Write(request))
    trial.on_write = None
    with pytest.raises(errors.RequestIdReused):
        await call(ours.Write(write(request.request_id, name="b")))
    assert (await call(ours.Write(request))).count >= 2


async def test_a_call_broken_off_frees_its_id_for_the_same_request(bare: Any, ours: Any, trial: Trial) -> None:
    begun = asyncio.Event()

    async def hang(_request: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    trial.on_write = hang
    request = write()
    pending = bare.Write(request)
    waiting = asyncio.ensure_future(pending.code())
    await begun.wait()
    pending.cancel()
    assert await waiting is grpc.StatusCode.CANCELLED
    trial.on_write = None
    assert (await call(ours.Write(request))).count == 2


async def test_a_twin_gives_up_at_its_own_deadline(ours: Any, trial: Trial) -> None:
    begun = asyncio.Event()

    async def hang(_request: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    trial.on_write = hang
    request = write()
    first = asyncio.ensure_future(call(ours.Write(request, timeout=30)))
    await begun.wait()
    with pytest.raises((errors.DeadlineExceeded, errors.Unavailable)):
        await call(ours.Write(request, timeout=0.2))
    first.cancel()
    assert len(trial.calls) == 1


async def test_a_process_without_a_store_does_not_serve_what_needs_one(trial: Trial) -> None:
    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial)

    with pytest.raises(errors.ContractError, match=r"/trial\.v1\.TrialService/Write requires a request id"):
        async with ServiceProcess("trial", Settings()).serving(build):
            pytest.fail("it must not serve")


async def test_only_methods_that_exist_can_be_idempotent_themselves(trial: Trial) -> None:
    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency={"Wirte"})

    with pytest.raises(errors.ContractError, match="Wirte"):
        async with ServiceProcess("trial", Settings()).serving(build):
            pytest.fail("it must not serve")
