"""The contract of an event store, held by every implementation."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest

from gladhand.bus.port import StreamMissing
from gladhand.bus.refusals import NotPermitted
from gladhand.envelope import BadToken, Envelopes, UnknownEvent
from gladhand.log.port import Conflict, EventTooLarge, LogFull
from tests.adapters.log.mesh import Mesh
from tests.adapters.log.parcel import KIND, ParcelEvent, event, pb


def noted(parcel_id: str, version: int, text: str = "") -> Any:
    return event(pb.Noted(text=text or f"note {version}"), parcel_id, version)


async def filled(mesh: Mesh, parcel_id: str, count: int) -> list[Any]:
    events = [noted(parcel_id, version) for version in range(1, count + 1)]
    expected = 0
    for each in events:
        expected = (await mesh.store.append(KIND, each, expected=expected)).sequence
    return events


async def test_an_aggregate_that_was_never_written_is_empty(mesh: Mesh) -> None:
    assert list(await mesh.store.read(KIND, "nobody")) == []
    assert await mesh.store.last(KIND, "nobody") is None
    assert await mesh.store.last_sequence("PARCELS") == 0


async def test_what_was_appended_is_read_back_in_order_and_whole(mesh: Mesh) -> None:
    events = await filled(mesh, "a", 5)
    read = await mesh.store.read(KIND, "a")
    assert [recorded.event for recorded in read] == events
    assert [recorded.sequence for recorded in read] == [1, 2, 3, 4, 5]
    assert await mesh.store.last(KIND, "a") == read[-1]


async def test_a_read_begins_behind_a_sequence(mesh: Mesh) -> None:
    events = await filled(mesh, "a", 4)
    assert [recorded.event for recorded in await mesh.store.read(KIND, "a", after=2)] == events[2:]
    assert list(await mesh.store.read(KIND, "a", after=4)) == []


async def test_the_expectation_is_about_one_aggregate_whatever_its_events_and_its_neighbours(mesh: Mesh) -> None:
    await filled(mesh, "b", 3)
    first = await mesh.store.append(KIND, event(pb.Registered(weight_g=1), "a", 1), expected=0)
    await filled(mesh, "c", 2)
    second = await mesh.store.append(KIND, event(pb.Shipped(), "a", 2), expected=first.sequence)
    assert (first.sequence, second.sequence) == (4, 7)


async def test_an_aggregate_is_one_in_all_regions(mesh: Mesh) -> None:
    await mesh.store.append(KIND, noted("a", 1), expected=0)
    elsewhere = noted("a", 1)
    elsewhere.region = "us"
    with pytest.raises(Conflict):
        await mesh.store.append(KIND, elsewhere, expected=0)


async def test_a_stale_expectation_is_a_conflict_that_names_what_stands(mesh: Mesh) -> None:
    await filled(mesh, "a", 2)
    with pytest.raises(Conflict) as caught:
        await mesh.store.append(KIND, noted("a", 2), expected=1)
    assert (caught.value.expected, caught.value.sequence) == (1, 2)
    assert len(await mesh.store.read(KIND, "a")) == 2


async def test_expecting_nothing_on_an_aggregate_that_exists_is_a_conflict(mesh: Mesh) -> None:
    await filled(mesh, "a", 1)
    with pytest.raises(Conflict):
        await mesh.store.append(KIND, noted("a", 1), expected=0)


async def test_the_same_append_again_answers_as_repeated_and_stores_nothing(mesh: Mesh) -> None:
    each = noted("a", 1)
    first = await mesh.store.append(KIND, each, expected=0)
    again = await mesh.store.append(KIND, each, expected=0)
    assert (again.sequence, again.repeated, first.repeated) == (first.sequence, True, False)
    assert len(await mesh.store.read(KIND, "a")) == 1


async def test_the_same_append_with_the_expectation_of_now_stores_nothing_either(mesh: Mesh) -> None:
    each = noted("a", 1)
    first = await mesh.store.append(KIND, each, expected=0)
    again = await mesh.store.append(KIND, each, expected=first.sequence)
    assert again.repeated
    assert len(await mesh.store.read(KIND, "a")) == 1


async def test_an_append_repeated_after_others_followed_is_a_conflict_so_that_the_history_is_read(mesh: Mesh) -> None:
    each = noted("a", 1)
    first = await mesh.store.append(KIND, each, expected=0)
    await mesh.store.append(KIND, noted("a", 2), expected=first.sequence)
    with pytest.raises(Conflict):
        await mesh.store.append(KIND, each, expected=0)


async def test_racing_writers_leave_versions_without_gap_or_repeat(mesh: Mesh) -> None:
    async def writer(name: int) -> int:
        won = 0
        while won < 5:
            read = await mesh.store.read(KIND, "a")
            expected, version = (read[-1].sequence, read[-1].event.version) if read else (0, 0)
            try:
                await mesh.store.append(KIND, noted("a", version + 1, f"{name}/{won}"), expected=expected)
            except Conflict:
                continue
            won += 1
        return won

    assert sum(await asyncio.gather(*(writer(name) for name in range(6)))) == 30
    events = [recorded.event for recorded in await mesh.store.read(KIND, "a")]
    assert [each.version for each in events] == list(range(1, 31))
    assert len({each.noted.text for each in events}) == 30


async def test_an_aggregate_longer_than_a_page_is_read_whole(mesh: Mesh) -> None:
    expected = 0
    for version in range(1, 521):
        expected = (await mesh.store.append(KIND, noted("long", version), expected=expected)).sequence
    assert [recorded.event.version for recorded in await mesh.store.read(KIND, "long")] == list(range(1, 521))


async def test_reads_at_the_same_time_do_not_mix(mesh: Mesh) -> None:
    for name in ("a", "b", "c"):
        await filled(mesh, name, 7)
    reads = await asyncio.gather(*(mesh.store.read(KIND, name) for name in ("a", "b", "c") * 20))
    for number, read in enumerate(reads):
        assert {recorded.event.parcel_id for recorded in read} == {"abc"[number % 3]}
        assert len(read) == 7


async def test_an_event_larger_than_nats_takes_is_refused(mesh: Mesh) -> None:
    with pytest.raises(EventTooLarge):
        await mesh.store.append(KIND, noted("a", 1, "x" * (1 << 21)), expected=0)
    assert list(await mesh.store.read(KIND, "a")) == []


async def test_a_full_stream_refuses_clearly_and_loses_nothing(mesh: Mesh) -> None:
    async def fill(most: int) -> int | LogFull:
        for number in range(most):
            try:
                await mesh.store.append(KIND, noted(f"p{number}", 1, "x" * 500_000), expected=0)
            except LogFull as full:
                assert number > 10
                return full
        return most

    assert isinstance(await fill(100), LogFull)
    assert len(await mesh.store.read(KIND, "p1")) == 1
    await mesh.store.append(KIND, noted("small", 1), expected=0)
    assert len(await mesh.store.read(KIND, "small")) == 1


@pytest.mark.parametrize("bad", ["", "a.b", "a b", "*", ">", "x" * 200])
async def test_an_id_that_cannot_stand_in_a_subject_is_refused_before_anything_is_sent(mesh: Mesh, bad: str) -> None:
    with pytest.raises(BadToken):
        await mesh.store.read(KIND, bad)
    with pytest.raises(BadToken):
        await mesh.store.append(KIND, noted(bad, 1), expected=0)


async def test_an_event_without_a_body_is_refused(mesh: Mesh) -> None:
    with pytest.raises(UnknownEvent):
        await mesh.store.append(KIND, ParcelEvent(parcel_id="a", region="eu"), expected=0)


async def test_read_all_brings_every_message_of_the_stream_once_and_ends(mesh: Mesh) -> None:
    await filled(mesh, "a", 30)
    await filled(mesh, "b", 20)
    found = [message async for message in mesh.store.read_all("PARCELS")]
    assert [message.sequence for message in found] == list(range(1, 51))
    envelopes = Envelopes(ParcelEvent)
    decoded: list[Any] = [envelopes.decode(message.subject, message.payload) for message in found]
    assert [each.parcel_id for each in decoded] == ["a"] * 30 + ["b"] * 20
    assert found[0].headers["ce-type"] == "gladhand.test.v1.Noted"
    assert found[0].headers["ce-id"] == found[0].headers["Nats-Msg-Id"] == decoded[0].event_id
    assert found[0].headers["ce-source"] == "test"
    assert found[0].headers["ce-specversion"] == "1.0"


async def test_read_all_begins_anywhere_and_filters(mesh: Mesh) -> None:
    for version in range(1, 11):
        body = pb.Noted(text="n") if version % 2 else pb.Shipped()
        await mesh.store.append(KIND, event(body, f"p{version}", 1), expected=0)
    found = [m.sequence async for m in mesh.store.read_all("PARCELS", start=4, filters=(KIND.subjects_of("noted"),))]
    assert found == [5, 7, 9]
    assert [m async for m in mesh.store.read_all("PARCELS", start=11)] == []


async def test_read_all_of_an_empty_stream_ends_at_once(mesh: Mesh) -> None:
    assert [message async for message in mesh.store.read_all("PARCELS")] == []
    assert [message async for message in mesh.store.read_all("PARCELS", filters=("logistics.parcel.*.z.>",))] == []


async def test_a_stream_that_is_not_there_is_named(mesh: Mesh) -> None:
    with pytest.raises((StreamMissing, NotPermitted), match="NOWHERE"):
        assert [message async for message in mesh.store.read_all("NOWHERE")]


async def test_following_sees_what_is_appended_later(mesh: Mesh) -> None:
    await filled(mesh, "a", 3)
    seen: list[int] = []

    async def follow() -> None:
        async with aclosing(mesh.store.read_all("PARCELS", start=2, follow=True)) as messages:
            async for message in messages:
                seen.append(message.sequence)
                if len(seen) == 4:
                    return

    async with asyncio.timeout(10):
        follower = asyncio.create_task(follow())
        await filled(mesh, "b", 2)
        await follower
    assert seen == [2, 3, 4, 5]


async def test_an_event_id_is_stored_once_even_under_a_true_race(mesh: Mesh) -> None:
    each = noted("a", 1)
    each.event_id = str(uuid4())
    answers = await asyncio.gather(*(mesh.store.append(KIND, each, expected=0) for _ in range(10)))
    assert {answer.sequence for answer in answers} == {1}
    assert sum(not answer.repeated for answer in answers) == 1
    assert len(await mesh.store.read(KIND, "a")) == 1
