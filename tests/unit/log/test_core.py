"""Clock, ids, envelopes, subjects, backoff, dead letters and the given-when-then kit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gladhand import ids
from gladhand.bus.deadletters import DeadLetter, redrive_headers, restored
from gladhand.bus.port import Backoff, Delivery, aggregate_key
from gladhand.bus.pull import acked_fields
from gladhand.bus.subjects import matches
from gladhand.bus.timers import _stamp, due_of
from gladhand.clock import SystemClock, WarpClock
from gladhand.decider import Rejected
from gladhand.envelope import BadToken, Envelopes, EnvelopeType, Subject, UnknownEvent
from gladhand.lifecycle import IllegalTransition
from gladhand.testing import VirtualClock, given
from logistics.error.v1 import error_reason_pb2
from tests.adapters.log.parcel import DECIDER, KIND, Close, Note, ParcelEvent, Register, Scan, Ship, event, pb

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
REQUEST = "0195b5a0-1111-7000-8000-000000000001"


def test_new_ids_are_version_7_and_carry_the_clock() -> None:
    clock = VirtualClock(NOON)
    made = UUID(ids.new_id(clock, lambda n: b"\xff" * n))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(NOON.timestamp() * 1000)
    assert str(made).endswith("bfff-ffffffffffff")


def test_ids_made_later_sort_later_to_the_microsecond() -> None:
    clock = VirtualClock(NOON)
    made = []
    for _ in range(3000):
        made.append(ids.new_id(clock))
        clock.advance(timedelta(microseconds=1))
    assert made == sorted(made)
    assert len(set(made)) == 3000


def test_an_event_id_repeats_with_its_request_and_nothing_else() -> None:
    first = ids.event_id(REQUEST, "a")
    assert first == ids.event_id(REQUEST, "a", 0)
    others = {ids.event_id(REQUEST, "b"), ids.event_id(REQUEST, "a", 1), ids.event_id(ids.new_id(), "a")}
    assert len(others | {first}) == 4
    assert UUID(first).version == 5
    with pytest.raises(ValueError, match="UUID"):
        ids.event_id("no uuid", "a")


def test_derived_ids_keep_their_parts_apart() -> None:
    assert ids.derive(REQUEST, "a", "b") == ids.derive(REQUEST, "a", "b")
    made = {ids.derive(REQUEST, *parts) for parts in (("a", "b"), ("a/b",), ("a%2Fb",), ("a",), ("b", "a"), ("a", ""))}
    assert len(made) == 6
    with pytest.raises(ValueError, match="part"):
        ids.derive(REQUEST)


def test_the_system_clock_is_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
    assert SystemClock().monotonic() <= SystemClock().monotonic()


def test_a_warped_clock_only_ever_gains() -> None:
    base = VirtualClock(NOON)
    clock = WarpClock(base)
    assert clock.now() == NOON
    assert clock.grow_to(timedelta(hours=1))
    assert not clock.grow_to(timedelta(minutes=59))
    assert clock.now() == NOON + timedelta(hours=1)
    assert clock.offset_for(NOON + timedelta(hours=3)) == timedelta(hours=3)
    assert clock.offset_for(NOON) == timedelta(hours=1)
    assert clock.monotonic() == base.monotonic()


def test_a_virtual_clock_moves_when_told_and_never_back() -> None:
    clock = VirtualClock(NOON)
    moves: list[datetime] = []
    clock.on_advance(lambda: moves.append(clock.now()))
    clock.advance(timedelta(seconds=5))
    clock.advance_to(NOON)
    assert clock.now() == NOON + timedelta(seconds=5)
    assert clock.monotonic() == 5
    assert moves == [clock.now()] * 2
    with pytest.raises(ValueError, match="back"):
        clock.advance(timedelta(seconds=-1))


def test_an_envelope_type_reads_its_routing_from_the_descriptor() -> None:
    assert (KIND.aggregate, KIND.stream, KIND.id_field) == ("parcel", "PARCELS", "parcel_id")
    assert KIND.bodies["closed"].token == "closed"
    assert KIND.bodies["closed"].type_name == "gladhand.test.v1.Closed"
    assert KIND.all_subjects == "logistics.parcel.>"
    assert KIND.subjects_of("shipped") == "logistics.parcel.*.*.shipped"
    assert KIND.history_subjects("p1") == "logistics.parcel.*.p1.>"
    shipped = event(pb.Shipped(), "p1", 1)
    assert KIND.subject(shipped) == "logistics.parcel.eu.p1.shipped"
    assert Subject.parse(KIND.subject(shipped)) == Subject("parcel", "eu", "p1", "shipped")
    assert str(Subject.parse(KIND.subject(shipped))) == KIND.subject(shipped)
    assert EnvelopeType.of(ParcelEvent) is KIND


@pytest.mark.parametrize("bad", ["", "logistics.parcel.eu.p1", "other.parcel.eu.p1.shipped", "logistics.a.b.c.d.e"])
def test_other_subjects_are_no_events(bad: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        Subject.parse(bad)


def test_what_is_no_envelope_or_body_is_refused() -> None:
    with pytest.raises(ValueError, match="not an event envelope"):
        EnvelopeType(pb.Person)
    with pytest.raises(TypeError, match="no body"):
        KIND.wrap(pb.Person(name="x"))


def test_an_empty_body_is_set_and_a_decision_is_never_shared() -> None:
    wrapped = KIND.wrap(pb.Shipped())
    assert wrapped.WhichOneof("body") == "shipped"
    whole = ParcelEvent(noted=pb.Noted(text="a"))
    copied = KIND.wrap(whole)
    copied.noted.text = "b"
    assert whole.noted.text == "a"


def test_an_unknown_body_stops_unless_it_may_be_ignored() -> None:
    newer = pb.NewerParcelEvent(event_id="e", repainted=pb.Noted(text="x"))
    with pytest.raises(UnknownEvent):
        KIND.knows(KIND.decode(newer.SerializeToString()))
    newer.may_ignore = True
    read = KIND.decode(newer.SerializeToString())
    assert not KIND.knows(read)
    assert KIND.knows(event(pb.Shipped(), "p1", 1))
    assert pb.NewerParcelEvent.FromString(read.SerializeToString()) == newer


@pytest.mark.parametrize("region", ["", "e", "EU", "eu-west", "x" * 17, "e.u"])
def test_a_bad_region_never_becomes_a_subject(region: str) -> None:
    shipped = event(pb.Shipped(), "p1", 1)
    shipped.region = region
    with pytest.raises(BadToken) as caught:
        KIND.subject(shipped)
    assert caught.value.violations[0].field == "region"


def test_a_catalogue_finds_the_type_by_subject() -> None:
    envelopes = Envelopes(ParcelEvent)
    shipped = event(pb.Shipped(), "p1", 1)
    assert envelopes.decode(KIND.subject(shipped), shipped.SerializeToString()) == shipped
    assert [kind.name for kind in envelopes] == ["gladhand.test.v1.ParcelEvent"]
    assert envelopes.get("logistics.unknown.eu.x.y") is None
    with pytest.raises(KeyError):
        envelopes.decode("logistics.unknown.eu.x.y", b"")


@pytest.mark.parametrize(
    ("wanted", "subject", "expected"),
    [
        ("a.b", "a.b", True), ("a.*", "a.b", True), ("a.*", "a.b.c", False), ("a.>", "a.b.c", True),
        ("a.>", "a", False), (">", "a", True), ("a.*.c.>", "a.b.c.d", True), ("a.*.c.>", "a.b.x.d", False),
        ("a.b.c", "a.b", False),
    ],
)  # fmt: skip
def test_filters_match_as_the_server_matches(wanted: str, subject: str, expected: bool) -> None:
    assert matches(wanted, subject) is expected


def test_backoff_grows_is_bounded_and_jitters_downwards() -> None:
    backoff = Backoff(first=1, factor=2, longest=10, jitter=0.5)
    assert [backoff.delay(attempt, 0.0) for attempt in range(1, 6)] == [1, 2, 4, 8, 10]
    assert backoff.delay(1, 0.999) > 0.5
    assert backoff.delay(10_000, 0.0) == 10


def delivery(subject: str = "logistics.parcel.eu.p1.shipped", **headers: str) -> Delivery:
    return Delivery(subject, b"\x00\xff", headers, "PARCELS", 7, NOON, attempt=3)


def test_the_key_of_an_event_is_its_aggregate_and_of_anything_else_its_subject() -> None:
    assert aggregate_key(delivery()) == "parcel.p1"
    assert aggregate_key(delivery("logistics.due.pod.o1")) == "logistics.due.pod.o1"
    assert delivery().message_id == "PARCELS/7"
    assert delivery(**{"Nats-Msg-Id": "m"}).message_id == "m"


def test_a_dead_letter_survives_its_way_back() -> None:
    original = delivery(**{"Nats-Msg-Id": "m", "X-Kind": "osm"})
    seen = (NOON, NOON + timedelta(seconds=3))
    letter = DeadLetter.of(original, "planner", reason="bad", poison=True, seen=seen)
    assert DeadLetter.decode(letter.encode()) == letter
    assert letter.dead_subject == "logistics.deadletter.planner.PARCELS"
    sent = Delivery("logistics.redrive.planner.1", letter.payload, redrive_headers(letter), "REDRIVE", 1, NOON)
    again = restored(sent)
    assert (again.subject, again.stream, again.sequence) == (original.subject, "PARCELS", 7)
    assert (again.message_id, again.headers, again.payload) == ("m", original.headers, original.payload)
    assert (again.redrives, again.attempt) == (1, 1)
    assert restored(original) is original


def test_timer_stamps_round_up_and_deliveries_read_back() -> None:
    assert _stamp(NOON) == "2026-03-01T12:00:00.124000Z"
    assert _stamp(NOON.replace(microsecond=0)) == "2026-03-01T12:00:00.000000Z"
    fired = Delivery("logistics.due.pod.o1", b"p", {"Gladhand-Due": NOON.isoformat()}, "TIMERS", 1, NOON)
    assert (due_of(fired).kind, due_of(fired).key, due_of(fired).due_time) == ("pod", "o1", NOON)
    with pytest.raises(ValueError, match="no timer"):
        due_of(delivery())


class Reply:
    def __init__(self, reply: str) -> None:
        self.reply = reply


@pytest.mark.parametrize("prefix", ["$JS.ACK.ORDERS.me", "$JS.ACK.hub.HASH.ORDERS.me"])
def test_both_layouts_of_a_reply_are_read(prefix: str) -> None:
    message: Any = Reply(f"{prefix}.2.30.4.1700000000000000000.5" + (".rnd" if "hub" in prefix else ""))
    assert acked_fields(message) == (2, 30, 4, 1_700_000_000_000_000_000, 5)


def test_a_refusal_carries_the_short_name_of_its_reason() -> None:
    refused = Rejected(error_reason_pb2.ERROR_REASON_STOCK_SHORT, "three are missing", {"sku": "X"})
    assert (refused.reason, refused.number, refused.metadata) == (
        "STOCK_SHORT",
        error_reason_pb2.ERROR_REASON_STOCK_SHORT,
        {"sku": "X"},
    )
    with pytest.raises(ValueError, match="no value"):
        Rejected(99_999, "?")


def test_given_when_then_tells_a_story() -> None:
    parcel = given(DECIDER, pb.Registered(weight_g=5, pieces=["a"]))
    shipped = parcel.when(Ship()).then(pb.Shipped())
    shipped.when(Ship()).then_nothing()
    shipped.when(Scan("a")).then_event("scanned").when(Scan("a")).then_nothing()
    shipped.when(Note("n")).then(ParcelEvent(noted=pb.Noted(text="n")))
    done = shipped.when(Close()).then(pb.Closed())
    assert (done.version, done.state.weight_g) == (3, 5)
    parcel.when(Close()).then_rejected("TRANSITION_NOT_ALLOWED")
    assert given(DECIDER).when(Register(0)).then_rejected(1).metadata == {"weight_g": "0"}
    assert parcel.when(Register()).then_illegal().event == "registered"


def test_given_when_then_notices_what_is_wrong() -> None:
    parcel = given(DECIDER, pb.Registered(weight_g=5))
    with pytest.raises(AssertionError, match="not the expected"):
        parcel.when(Note("a")).then(pb.Noted(text="b"))
    with pytest.raises(AssertionError, match="nothing happened"):
        parcel.when(Note("a")).then_event("noted").when(Note("a")).then(pb.Noted(text="a"))
    with pytest.raises(AssertionError, match="expected nothing"):
        parcel.when(Ship()).then_nothing()
    with pytest.raises(AssertionError, match="not refused"):
        parcel.when(Ship()).then_rejected(1)
    with pytest.raises(AssertionError, match="expected closed"):
        parcel.when(Ship()).then_event("closed")
    with pytest.raises(AssertionError, match="legal step"):
        parcel.when(Ship()).then_illegal()
    with pytest.raises(IllegalTransition):
        given(DECIDER, pb.Shipped())
