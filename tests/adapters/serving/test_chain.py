from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gladhand import errors
from gladhand.calls import remaining
from gladhand.client import call
from gladhand.decider import Rejected
from logistics.error.v1 import error_reason_pb2
from tests.adapters.serving.trial import Trial, compiled

pb2, _ = compiled()


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    packed = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    found = {}
    for detail in status_pb2.Status.FromString(packed).details:
        kind = detail.TypeName().rpartition(".")[2]
        found[kind] = getattr(error_details_pb2, kind)()
        detail.Unpack(found[kind])
    return found


async def refused(answer: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer
    return caught.value


async def test_a_call_is_answered_with_its_correlation_id(bare: Any, trial: Trial) -> None:
    pending = bare.Read(pb2.ReadRequest(name="a"), metadata=(("x-correlation-id", "order-journey-1"),))
    assert (await pending).text == "read a"
    assert dict(await pending.trailing_metadata())["x-correlation-id"] == "order-journey-1"
    assert trial.calls[0].correlation_id == "order-journey-1"


async def test_an_http_style_request_id_is_taken_as_correlation(bare: Any, trial: Trial) -> None:
    await bare.Read(pb2.ReadRequest(), metadata=(("x-request-id", "edge-request-7"),))
    assert trial.calls[0].correlation_id == "edge-request-7"


@pytest.mark.parametrize("offered", ["short", "a" * 129, "two words of text"])
async def test_an_unfit_correlation_id_is_replaced(bare: Any, trial: Trial, offered: str) -> None:
    await bare.Read(pb2.ReadRequest(), metadata=(("x-correlation-id", offered),))
    assert trial.calls[0].correlation_id[14] == "7"


async def test_violations_name_field_paths_and_rules(bare: Any, trial: Trial) -> None:
    request = pb2.ReadRequest(
        name="x" * 17,
        places=[pb2.Place(), pb2.Place(city="Constantinople")],
        by_code={"eu": pb2.Place(city="Constantinople")},
        **{"from": 3},
        to=2,
    )
    error = await refused(bare.Read(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Constantinople" not in str(error.details())
    found = details(error)
    assert {(v.field, v.reason) for v in found["BadRequest"].field_violations} == {
        ("name", "string.max_len"),
        ("places[1].city", "string.max_len"),
        ('by_code["eu"].city', "string.max_len"),
        ("", "trial.from_before_to"),
    }
    assert found["ErrorInfo"].reason == "CONTRACT_VIOLATION"
    assert found["ErrorInfo"].domain == "gladhand"
    assert trial.calls == []


async def test_a_refusal_names_32_violations_at_most(bare: Any) -> None:
    error = await refused(bare.Read(pb2.ReadRequest(places=[pb2.Place(city="too long a city")] * 100)))
    found = details(error)
    assert len(found["BadRequest"].field_violations) == 32
    assert found["ErrorInfo"].metadata["violations"] == "100"


async def test_a_long_refusal_reaches_its_caller(bare: Any, trial: Trial) -> None:
    async def refuse(_request: Any) -> Any:
        violations = [errors.Violation(f"lines[{n}]", "ü" * 2000, "r") for n in range(1000)]
        raise errors.InvalidArgument("ü" * 20_000, violations=violations)

    trial.on_read = refuse
    error = await refused(bare.Read(pb2.ReadRequest()))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field == "lines[0]"


async def test_bytes_that_are_no_message_are_refused_with_the_type_wanted(running: Any) -> None:
    async with grpc.aio.insecure_channel(running.target) as plain:
        for path in ("/trial.v1.TrialService/Read", "/trial.v1.TrialService/Write"):
            send: Any = plain.unary_unary(path)
            error = await refused(send(b"\xff\xff\xff\xff"))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert details(error)["ErrorInfo"].reason == "MALFORMED_MESSAGE"
            assert "trial.v1." in details(error)["ErrorInfo"].metadata["type"]


async def test_an_unknown_method_is_refused_with_what_is_served(running: Any) -> None:
    async with grpc.aio.insecure_channel(running.target) as plain:
        send: Any = plain.unary_unary("/trial.v1.TrialService/Vanish")
        error = await refused(send(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "trial.v1.TrialService" in str(error.details())
    assert details(error)["ErrorInfo"].reason == "NOT_SUPPORTED"


async def test_a_message_above_the_limit_is_refused(serve: Any) -> None:
    running = await serve(max_message_bytes=2048)
    async with grpc.aio.insecure_channel(running.target) as plain:
        error = await refused(compiled()[1].TrialServiceStub(plain).Read(pb2.ReadRequest(name="x" * 4096)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_call_without_deadline_gets_the_policys(bare: Any, trial: Trial) -> None:
    async def hang(_request: Any) -> Any:
        left = remaining()
        assert left is not None
        assert 0 < left <= 0.3
        await asyncio.Event().wait()

    trial.on_read = hang
    error = await refused(bare.Read(pb2.ReadRequest()))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert details(error)["ErrorInfo"].metadata["method"] == "/trial.v1.TrialService/Read"


async def test_the_callers_deadline_is_kept_even_where_it_is_longer(bare: Any, trial: Trial) -> None:
    await bare.Read(pb2.ReadRequest(), timeout=60)
    left = trial.calls[0].remaining()
    assert left is not None
    assert 30 < left < 61


async def test_work_stops_when_the_callers_deadline_passes(bare: Any, trial: Trial) -> None:
    ended = asyncio.Event()

    async def hang(_request: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    trial.on_read = hang
    error = await refused(bare.Read(pb2.ReadRequest(), timeout=0.1))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_timeout_of_the_work_itself_is_a_fault_and_not_the_deadline(bare: Any, trial: Trial) -> None:
    async def impatient(_request: Any) -> Any:
        raise TimeoutError("the ERP's own")

    trial.on_read = impatient
    error = await refused(bare.Read(pb2.ReadRequest()))
    assert error.code() is grpc.StatusCode.INTERNAL


async def test_a_stream_keeps_the_policys_deadline(bare: Any, trial: Trial) -> None:
    closed = asyncio.Event()

    async def stall(_request: Any) -> Any:
        try:
            yield pb2.ReadResponse(count=1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    trial.on_watch = stall
    answers = bare.Count(pb2.ReadRequest())
    assert (await answers.read()).count == 1
    error = await refused(answers.read())
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(closed.wait(), 5)


async def test_streams_of_every_form_are_answered(bare: Any) -> None:
    write = pb2.WriteRequest(request_id="018f3f8e-7e5c-7c3a-8e2d-0f6d8a6b1c2d", name="a")
    assert [answer.count async for answer in bare.Count(pb2.ReadRequest(to=3))] == [0, 1, 2]
    assert (await bare.Gather(iter([write, write]))).count == 2
    talk = bare.Talk(iter([pb2.ReadRequest(name="a"), pb2.ReadRequest(name="b")]))
    assert [answer.text async for answer in talk] == ["a", "b"]


async def test_each_message_of_a_stream_is_checked(bare: Any) -> None:
    good = pb2.WriteRequest(request_id="018f3f8e-7e5c-7c3a-8e2d-0f6d8a6b1c2d", name="a")
    error = await refused(bare.Gather(iter([good, pb2.WriteRequest(name="b")])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert {v.field for v in details(error)["BadRequest"].field_violations} == {"request_id"}


async def test_a_refusal_of_a_decider_travels_as_its_reason_says(bare: Any, trial: Trial) -> None:
    async def reject(request: Any) -> Any:
        reason = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{request.name}")
        raise Rejected(reason, "not now", {"order_id": "o-1", "state": "ORDER_STATE_DRAFT"})

    trial.on_read = reject
    error = await refused(bare.Read(pb2.ReadRequest(name="STOCK_SHORT")))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    found = details(error)
    assert found["ErrorInfo"].metadata["order_id"] == "o-1"
    assert found["PreconditionFailure"].violations[0].subject == "ORDER_STATE_DRAFT"
    error = await refused(bare.Read(pb2.ReadRequest(name="ORDER_NOT_FOUND")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert details(error)["ResourceInfo"].resource_name == "o-1"


async def test_a_fault_shows_its_correlation_id_and_nothing_else(
    bare: Any, trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(_request: Any) -> Any:
        raise RuntimeError("password is swordfish")

    trial.on_read = crash
    error = await refused(bare.Read(pb2.ReadRequest(), metadata=(("x-correlation-id", "find-me-there"),)))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "swordfish" not in f"{error.details()}{error.trailing_metadata()}"
    assert details(error)["ErrorInfo"].metadata["correlation_id"] == "find-me-there"
    assert any("swordfish" in str(getattr(record, "facts", "")) for record in caplog.records)


async def test_a_step_of_admission_may_refuse_and_may_add(serve: Any, trial: Trial) -> None:
    async def later(call: Any, context: Any) -> None:
        call.principal = "carrier-7"

    def guard(call: Any, context: Any) -> None:
        call.trailing.append(("deprecation", "true"))
        if call.method.name == "Write":
            raise errors.PermissionDenied("no trial.write scope", metadata={"scope": "trial.write"})

    async def extra(process: Any) -> None:
        process.admit(later)
        process.admit(guard)

    running = await serve(extra)
    async with grpc.aio.insecure_channel(running.target) as plain:
        stub = compiled()[1].TrialServiceStub(plain)
        pending = stub.Read(pb2.ReadRequest())
        await pending
        error = await refused(stub.Write(pb2.WriteRequest()))
    assert dict(await pending.trailing_metadata())["deprecation"] == "true"
    assert trial.calls[0].principal == "carrier-7"
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert dict(error.trailing_metadata() or ())["deprecation"] == "true"


async def test_errors_come_back_at_our_client_as_what_they_were(ours: Any, trial: Trial) -> None:
    async def conflict(_request: Any) -> Any:
        raise errors.Conflict("somebody was first", retry_after_s=0.25, metadata={"order_id": "o-1"})

    trial.on_read = conflict
    with pytest.raises(errors.Conflict) as caught:
        await call(ours.Read(pb2.ReadRequest()))
    assert caught.value.reason == "VERSION_CONFLICT"
    assert caught.value.retry_after_s == 0.25
    assert caught.value.metadata == {"order_id": "o-1"}
