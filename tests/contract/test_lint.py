"""The contract passes every lint rule of the plugin: what `make check` says by buf, the tests say by themselves."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from gladhand.contracts.model import read
from gladhand.contracts.plugin.checking import LINTS
from tests.contract import catalog


@pytest.mark.parametrize("rule", LINTS)
def test_it_has_nothing_to_complain_about(rule: str) -> None:
    contract = read(FileDescriptorProto.FromString(file.serialized_pb) for file in catalog.files())
    assert contract.methods
    assert [remark.sentence for remark in LINTS[rule](contract)] == []
