"""A third version reads the first through the second: each version knows the one before it and no other."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from gladhand.envelope import EnvelopeType
from gladhand.errors import ContractError
from gladhand.log.upcasting import Succession, succeed
from logistics.exception import v1
from tests.adapters.versions.hold_v2 import NEW, OLD, follow, v2
from tests.adapters.versions.test_upcasting import old_hold, stamped

BODIES = ("HoldPlaced", "HoldReleased", "HoldExpired", "HoldExtended")


def _third() -> Any:
    """Version 3 is version 2 under another name, with the bodies of version 2 among its past."""
    file = descriptor_pb2.FileDescriptorProto()
    v2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = "hold_v3.proto", "logistics.exception.v3"
    file.dependency.append(v2.DESCRIPTOR.name)
    del file.service[:]
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(".exception.v2.", ".exception.v3.")
    (envelope,) = (message for message in file.message_type if message.name == "HoldEvent")
    past = next(place for place, oneof in enumerate(envelope.oneof_decl) if oneof.name == "past")
    for field in [field for field in envelope.field if 200 <= field.number < 300]:
        old = envelope.field.add()
        old.CopyFrom(field)
        old.name, old.json_name, old.oneof_index = f"{field.name}_v2", f"{field.name}V2", past
        old.type_name = field.type_name.replace(".v3.", ".v2.")
        field.number += 100
    pool = descriptor_pool.Default()
    pool.Add(file)
    found = pool.FindFileByName(file.name).message_types_by_name
    return SimpleNamespace(**{name: message_factory.GetMessageClass(kind) for name, kind in found.items()})


v3 = _third()
THIRD: EnvelopeType[Any] = EnvelopeType.of(v3.HoldEvent)


def same(kind: Any) -> Any:
    return lambda body, *_: kind.FromString(body.SerializeToString())


SUCCESSIONS = tuple(
    Succession(old, new, same(new), same(old))
    for old, new in ((getattr(v2, name), getattr(v3, name)) for name in BODIES)
)


@pytest.fixture(autouse=True)
def at_rest() -> Iterator[None]:
    follow(speak_old=True)
    succeed(v3.HoldEvent, v2.HoldEvent, *SUCCESSIONS, speak_old=True)
    yield
    NEW.translation = THIRD.translation = None


def test_an_event_of_the_first_version_comes_through_both_successions() -> None:
    written = stamped(OLD, v1.HoldPlaced(hold=old_hold()))
    read = THIRD.decode(OLD.encode(written))
    assert read.placed.hold.target.order_id == "o"
    assert (read.event_id, read.causation_id) == (written.event_id, written.causation_id)


def test_an_event_of_the_second_version_with_its_old_form_is_read_once() -> None:
    written = stamped(NEW, v2.HoldReleased(released_by="ben"))
    read = THIRD.decode(NEW.encode(written))
    assert read.released.released_by == "ben"
    assert read.WhichOneof("past") is None


def test_the_third_speaks_to_the_second_and_not_to_the_first() -> None:
    payload = THIRD.encode(stamped(THIRD, v3.HoldReleased(released_by="ben")))
    assert NEW.decode(payload).released.released_by == "ben"
    assert OLD.decode(payload).WhichOneof("body") is None


def test_what_the_second_could_read_must_stay_readable() -> None:
    follow(speak_old=True)
    with pytest.raises(ContractError, match=r"which .*HoldEvent read already"):
        succeed(v1.HoldEvent, v2.HoldEvent, speak_old=False)
