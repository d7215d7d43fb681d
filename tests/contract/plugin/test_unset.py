"""Whether the rules of a field refuse a message without it is judged as protovalidate does, over the whole contract."""

from __future__ import annotations

from pathlib import Path

import protovalidate
import pytest
from google.protobuf.message_factory import GetMessageClass

from gladhand.contracts import image, model
from gladhand.contracts.comparison import unset
from gladhand.contracts.comparison.rules import is_present
from tests.contract import catalog


def test_it_agrees_with_protovalidate(repository: Path) -> None:
    contract = model.read(image.load(repository / "proto").file)
    validator, refused, accepted = protovalidate.Validator(), 0, 0
    for descriptor in catalog.messages():
        message = contract.messages.get(str(descriptor.full_name))
        if message is None:
            continue
        paths = [violation.proto.field for violation in validator.collect_violations(GetMessageClass(descriptor)())]
        violated = {path.elements[0].field_name for path in paths if path is not None and path.elements}
        for field in message.fields.values():
            if model.rules_of(field).cel:
                continue  # cannot be read, and counts as refusing
            found = unset.refused(field, implicit=not is_present(field))
            assert found == (field.proto.name in violated), field.name
            refused, accepted = refused + found, accepted + (not found)
    assert min(refused, accepted) > 100


@pytest.mark.parametrize("name", ["logistics.type.v1.Money.currency", "logistics.order.v1.OrderEvent.actor"])
def test_fields_that_are_always_set_are_among_them(name: str, repository: Path) -> None:
    contract = model.read(image.load(repository / "proto").file)
    message, _, short = name.rpartition(".")
    field = contract.messages[message].field(short)
    assert field is not None
    assert unset.refused(field, implicit=not is_present(field))
