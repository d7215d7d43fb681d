"""Reading and writing across two versions of an envelope, on bytes alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType, Stamp, UnknownEvent
from gladhand.errors import ContractError
from gladhand.log.upcasting import NoOldForm, Succession, succeed
from gladhand.validation import violations
from logistics.exception import v1
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.deciders import hold as old_decider
from tests.adapters.versions.hold_v2 import DECIDER, NEW, OLD, SUCCESSIONS, UNTOLD, follow, v2
from tools.corpus import entry
from tools.corpus.folding import fold

HOLD = "018f0000-0000-7000-8000-0000000000aa"


@pytest.fixture(autouse=True)
def at_rest() -> Iterator[None]:
    """No translation before and after, since an envelope type lives as long as the process."""
    NEW.translation = None
    yield
    NEW.translation = None


def stamped(kind: EnvelopeType[Any], body: Message, version: int = 1) -> Any:
    return kind.stamp(
        body,
        Stamp(
            str(uuid4()), region="us", correlation_id="c", causation_id="b",
            actor=Actor(kind=ActorKind.ACTOR_KIND_PERSON, id="anna"),
        ),
        aggregate_id=HOLD,
        event_id=str(uuid4()),
        version=version,
        recorded=datetime(2026, 3, 2, tzinfo=UTC),
    )  # fmt: skip


def old_hold(**more: Any) -> v1.Hold:
    return v1.Hold(
        **{"hold_id": HOLD, "order_id": "o", "gates": [v1.GATE_BILLING], "reason": "warm", "region": "us", **more}
    )


def new_hold() -> Any:
    return v2.Hold(
        hold_id=HOLD,
        target=v2.Target(load_id="l"),
        gates=[v1.GATE_BILLING],
        reason=v2.Reason(code="WARM", text="goods were warm"),
        region="us",
    )


SHARED = ("event_id", "hold_id", "version", "occur_time", "record_time", "correlation_id", "causation_id",
          "request_id", "actor", "region")  # fmt: skip


def test_an_old_event_is_read_in_new_words_with_its_own_ids_and_lineage() -> None:
    follow(speak_old=True)
    written = stamped(OLD, v1.HoldPlaced(hold=old_hold()))
    read = NEW.decode(OLD.encode(written))
    assert [name for name in SHARED if getattr(read, name) != getattr(written, name)] == []
    assert NEW.body(read).name == "placed"
    assert read.placed.hold.target.order_id == "o"
    assert (read.placed.hold.reason.code, read.placed.hold.reason.text) == (UNTOLD, "warm")
    assert read.WhichOneof("past") is None
    assert violations(read) == ()


def test_an_upcaster_may_look_at_the_whole_event() -> None:
    follow(speak_old=True)
    read = NEW.decode(OLD.encode(stamped(OLD, v1.HoldReleased(evidence="seen"), 2)))
    assert (read.released.released_by, read.released.evidence) == ("anna", "seen")


def test_a_new_event_is_one_message_that_both_versions_read() -> None:
    follow(speak_old=True)
    written = stamped(NEW, v2.HoldPlaced(hold=new_hold()))
    payload = NEW.encode(written)
    by_old, by_new = OLD.decode(payload), NEW.decode(payload)
    assert [name for name in SHARED if getattr(by_old, name) != getattr(written, name)] == []
    assert by_old.placed.hold.load_id == "l"
    assert by_old.placed.hold.reason == "WARM: goods were warm"
    assert by_new == written, "what was added for old readers is no part of the event"
    assert OLD.subject(by_old) == NEW.subject(by_new), "old filters still match"


def test_once_no_old_reader_is_left_the_old_form_is_left_out() -> None:
    follow(speak_old=False)
    payload = NEW.encode(stamped(NEW, v2.HoldExpired()))
    with pytest.raises(UnknownEvent):
        OLD.knows(OLD.decode(payload))
    assert NEW.knows(NEW.decode(payload))


def test_what_old_readers_have_no_word_for_is_refused_unless_it_may_be_ignored() -> None:
    follow(speak_old=True)
    event = stamped(NEW, v2.HoldExtended(), 2)
    with pytest.raises(NoOldForm, match=r"readers of logistics\.exception\.v1\.HoldEvent are live"):
        NEW.encode(event)
    event.may_ignore = True
    assert not OLD.knows(OLD.decode(NEW.encode(event)))
    follow(speak_old=False)
    event.may_ignore = False
    assert NEW.knows(NEW.decode(NEW.encode(event)))


def test_without_a_succession_an_old_event_stops_the_reader_instead_of_being_lost() -> None:
    payload = OLD.encode(stamped(OLD, v1.HoldExpired()))
    with pytest.raises(UnknownEvent):
        NEW.knows(NEW.decode(payload))


def test_a_body_of_a_third_version_stops_both(repository: Path) -> None:
    follow(speak_old=True)
    event = stamped(NEW, v2.HoldExpired())
    event.ClearField("body")
    for kind in (OLD, NEW):
        with pytest.raises(UnknownEvent):
            kind.knows(kind.decode(event.SerializeToString() + b"\xfa\x7c\x00"))


def test_every_old_log_of_the_corpus_folds_too(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    follow(speak_old=True)
    logs = [(name, log) for aggregate, name, log in entry.logs("v1.0.0") if aggregate == "hold"]
    for _name, log in logs:
        *_, (_event, was) = fold(old_decider.DECIDER, log.payloads)
        *_, (_event, now) = fold(DECIDER, log.payloads)
        assert v2.HoldState.Name(now.hold.state) == v1.HoldState.Name(was.hold.state)
        assert now.hold.target.order_id == was.hold.order_id
    assert len(logs) > 2


def test_there_and_back_is_the_same() -> None:
    for succession in SUCCESSIONS:
        old = (
            succession.old(hold=old_hold()) if "hold" in succession.old.DESCRIPTOR.fields_by_name else succession.old()
        )
        event = stamped(NEW, v2.HoldExpired())
        assert succession.down(succession.up(old, event)) == old


class TestWhatDoesNotFit:
    def test_an_old_body_without_succession_is_named(self) -> None:
        with pytest.raises(ContractError, match=r"v1\.HoldReleased has no succession"):
            succeed(v2.HoldEvent, v1.HoldEvent, SUCCESSIONS[0], SUCCESSIONS[2], speak_old=True)

    def test_a_successor_under_another_token_is_named(self) -> None:
        wrong = replace(SUCCESSIONS[1], new=v2.HoldExtended)
        with pytest.raises(ContractError, match="must keep the token released"):
            succeed(v2.HoldEvent, v1.HoldEvent, SUCCESSIONS[0], wrong, SUCCESSIONS[2], speak_old=True)

    def test_a_successor_that_is_no_body_is_named(self) -> None:
        wrong: Succession[Any, Any] = replace(SUCCESSIONS[0], new=v2.Hold)
        with pytest.raises(ContractError, match=r"v2\.Hold is no body of it"):
            succeed(v2.HoldEvent, v1.HoldEvent, wrong, *SUCCESSIONS[1:], speak_old=True)

    def test_another_aggregate_is_named(self) -> None:
        with pytest.raises(ContractError, match="its aggregate is hold, was exception"):
            succeed(v2.HoldEvent, v1.ExceptionEvent, *SUCCESSIONS, speak_old=True)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda message: setattr(field(message, "version"), "number", 90), "field 3 must stay version"),
            (lambda message: setattr(field(message, "expired_v1"), "number", 150), r"HoldExpired under number 102"),
            (lambda message: message.field.remove(field(message, "placed_v1")), r"lacks .*HoldPlaced under number 100"),
        ],
    )
    def test_a_moved_field_is_named(self, change: Any, told: str) -> None:
        with pytest.raises(ContractError, match=told):
            succeed(changed(change), v1.HoldEvent, *SUCCESSIONS, speak_old=True)


def field(message: descriptor_pb2.DescriptorProto, name: str) -> Any:
    return next(each for each in message.field if each.name == name)


def changed(change: Any) -> type[Message]:
    """The envelope of version 2 in a contract in which it was changed."""
    pool, seen = descriptor_pool.DescriptorPool(), set[str]()

    def add(file: Any) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for needed in file.dependencies:
            add(needed)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            if proto.package == "logistics.exception.v2" and message.name == "HoldEvent":
                change(message)
        pool.Add(proto)

    add(v2.DESCRIPTOR)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("logistics.exception.v2.HoldEvent"))
