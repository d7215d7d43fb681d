"""Several replicas behind one name: who gets the calls, and what happens to a call whose replica is silent."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from gladhand import errors
from gladhand.client import call, channel
from gladhand.testing.waiting import eventually
from tests.adapters.calls.conftest import SERVICE, Replica, Replicas
from tests.adapters.serving.trial import Trial, compiled

pb2, stubs = compiled()
Start = Callable[..., Awaitable[Replica]]


def write() -> Any:
    return pb2.WriteRequest(request_id=str(uuid4()), name="a")


def hang(trial: Trial) -> list[str]:
    """Have the replica answer nothing; the list tells what became of each call there."""
    seen: list[str] = []

    async def silent(_request: Any) -> Any:
        seen.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    trial.on_read = trial.on_write = silent
    return seen


async def test_calls_are_spread_evenly(two: Replicas) -> None:
    for _ in range(10):
        await call(two.stub.Append(write()))
    assert two.calls() == [5, 5]


async def test_an_unready_replica_gets_no_calls_until_it_is_ready_again(two: Replicas) -> None:
    unready = two.each[1]
    await unready.process.mark_serving(SERVICE, serving=False)

    async def left_alone() -> bool:
        before = two.calls()[1]
        for _ in range(4):
            await call(two.stub.Append(write()))
        return two.calls()[1] == before

    await eventually(left_alone)
    before = two.calls()
    for _ in range(20):
        await call(two.stub.Append(write()))
    assert [now - then for now, then in zip(two.calls(), before, strict=True)] == [20, 0]
    await unready.process.mark_serving(SERVICE, serving=True)

    async def back() -> bool:
        await call(two.stub.Append(write()))
        return two.calls()[1] > before[1]

    await eventually(back)


async def test_another_service_that_cannot_serve_changes_nothing(two: Replicas) -> None:
    await two.each[1].process.mark_serving("grpc.health.v1.Health", serving=False)
    for _ in range(10):
        await call(two.stub.Append(write()))
    assert two.calls() == [5, 5]


async def test_a_drained_replica_loses_its_calls_and_none_of_them_fails(two: Replicas) -> None:
    stopping = asyncio.ensure_future(two.each[0].stop())
    answers = await asyncio.gather(*(call(two.stub.Append(write())) for _ in range(20)))
    assert len(answers) == 20
    await stopping
    before = two.calls()
    await asyncio.gather(*(call(two.stub.Append(write())) for _ in range(10)))
    assert two.calls()[0] == before[0]


async def test_a_call_whose_replica_is_silent_is_answered_by_the_other(two: Replicas) -> None:
    seen = hang(two.each[0].trial)
    answers = await asyncio.gather(*(call(two.stub.Append(write(), timeout=3)) for _ in range(6)))
    assert len(answers) == 6
    assert two.passage.hedges >= 3
    assert two.passage.breaker.opened == 0
    await eventually(lambda: seen.count("begun") == seen.count("ended") > 0)
    assert two.passage.in_flight == 0


async def test_a_copy_has_the_time_that_is_left_and_not_more(two: Replicas) -> None:
    for replica in two.each:
        hang(replica.trial)
    with pytest.raises(errors.DeadlineExceeded):
        await call(two.stub.Append(write(), timeout=1))
    deadlines = sorted(served.deadline or 0 for replica in two.each for served in replica.trial.calls)
    assert len(deadlines) == 4
    assert deadlines[-1] - deadlines[0] < 0.25
    assert two.passage.hedges == 3


async def test_a_first_copy_that_is_merely_slow_still_wins(two: Replicas) -> None:
    first_answer = asyncio.Event()

    async def slow(_request: Any) -> Any:
        await first_answer.wait()
        return pb2.WriteResponse(count=1)

    async def never(_request: Any) -> Any:
        first_answer.set()
        await asyncio.Event().wait()

    two.each[0].trial.on_write, two.each[1].trial.on_write = slow, never
    answers = await asyncio.gather(*(call(two.stub.Append(write(), timeout=5)) for _ in range(2)))
    assert [answer.count for answer in answers] == [1, 1]


async def test_a_copy_that_is_refused_for_now_does_not_end_the_call(two: Replicas) -> None:
    async def busy(_request: Any) -> Any:
        raise errors.Conflict("somebody was first")

    go_on = asyncio.Event()

    async def slow(_request: Any) -> Any:
        await go_on.wait()
        return pb2.WriteResponse(count=1)

    two.each[0].trial.on_write, two.each[1].trial.on_write = slow, busy
    answers = [asyncio.ensure_future(call(two.stub.Append(write(), timeout=5))) for _ in range(2)]
    # The one that began at the busy replica ends there; of the other, a copy was refused there too.
    await eventually(lambda: two.calls()[1] >= 2)
    assert sorted(answer.done() for answer in answers) == [False, True]
    go_on.set()
    ends = await asyncio.gather(*answers, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "WriteResponse"]


async def test_giving_up_a_call_gives_up_all_its_copies(two: Replicas) -> None:
    seen = [hang(replica.trial) for replica in two.each]
    pending = asyncio.ensure_future(call(two.stub.Append(write(), timeout=5)))
    await eventually(lambda: all(seen))
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    await eventually(lambda: all(each.count("begun") == each.count("ended") for each in seen))
    assert two.passage.in_flight == 0


async def test_what_may_not_be_repeated_is_sent_once(two: Replicas) -> None:
    for replica in two.each:
        hang(replica.trial)
    with pytest.raises(errors.DeadlineExceeded):
        await call(two.stub.Roll(pb2.ReadRequest(), timeout=1))
    assert sum(two.calls()) == 1

    async def down(_request: Any) -> Any:
        raise errors.Unavailable("come back")

    for replica in two.each:
        replica.trial.on_read = down
    with pytest.raises(errors.Unavailable):
        await call(two.stub.Roll(pb2.ReadRequest(), timeout=1))
    assert sum(two.calls()) == 2
    assert two.passage.hedges == 0


async def test_with_one_replica_there_is_nobody_to_send_a_copy_to(replica: Start) -> None:
    one = await replica()
    hang(one.trial)
    async with channel(one.running.target, pb2.DESCRIPTOR) as opened:
        with pytest.raises(errors.DeadlineExceeded):
            await call(stubs.TrialServiceStub(opened).Append(write(), timeout=0.5))
    assert len(one.trial.calls) == 1


async def test_an_answer_of_a_copied_call_has_metadata_and_code(two: Replicas) -> None:
    sent = two.stub.Append(write())
    ended: list[Any] = []
    sent.add_done_callback(ended.append)
    assert (await sent).count >= 1
    assert await sent.code() is grpc.StatusCode.OK
    assert "x-correlation-id" in dict(await sent.trailing_metadata())
    assert (sent.done(), sent.cancelled(), sent.cancel()) == (True, False, False)
    assert ended == [sent]


@pytest.mark.parametrize("form", ["ipv4:127.0.0.1:{}", "dns:///localhost:{}", "localhost:{}", "static:127.0.0.1:{}"])
async def test_a_service_is_found_by_every_form_of_target(replica: Start, form: str) -> None:
    one = await replica()
    async with channel(form.format(one.running.port), pb2.DESCRIPTOR) as opened:
        assert (await call(stubs.TrialServiceStub(opened).Read(pb2.ReadRequest(name="a")))).text == "read a"


class Names(asyncio.DatagramProtocol):
    """A name server that knows the IPv4 addresses of one name, whatever it is asked for."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        self.asked += 1
        end = data.index(b"\0", 12) + 5
        is_a = data[end - 4 : end - 2] == b"\0\1"
        records = [b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(each) for each in self.addresses if is_a]
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0)
        self.transport.sendto(head + data[12:end] + b"".join(records), sender)


@pytest.fixture
async def names() -> AsyncIterator[Names]:
    loop = asyncio.get_running_loop()
    transport, found = await loop.create_datagram_endpoint(
        lambda: Names("127.0.0.1", "127.0.0.2"), local_addr=("127.0.0.1", 0)
    )
    yield found
    transport.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has every address of 127.0.0.0/8")
async def test_a_name_with_two_addresses_has_two_replicas(replica: Start, names: Names) -> None:
    one = await replica()
    two = await replica(host="127.0.0.2", port=one.running.port)
    server = names.transport.get_extra_info("sockname")[1]
    async with channel(f"dns://127.0.0.1:{server}/orders.test:{one.running.port}", pb2.DESCRIPTOR) as opened:
        stub = stubs.TrialServiceStub(opened)

        async def both() -> bool:
            await call(stub.Append(write()))
            return bool(one.trial.calls and two.trial.calls)

        await eventually(both)
        await two.stop()
        before = len(two.trial.calls)
        for _ in range(10):
            await call(stub.Append(write()))
    assert len(two.trial.calls) == before
    assert names.asked > 0
