"""Every RPC is a read or can be repeated safely; the lint rules let a contract say that neither is so."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from logistics.contract.v1 import policy
from tests.contract import catalog

every_method = pytest.mark.parametrize("method", catalog.methods(), ids=lambda method: str(method.full_name))


@every_method
def test_it_is_a_read_or_it_can_be_repeated(method: MethodDescriptor) -> None:
    options = method.GetOptions()
    assert options.idempotency_level in {MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT}
    changes = options.idempotency_level == MethodOptions.IDEMPOTENT
    # A stream of requests has no end that could be repeated as a whole: its messages are told apart by their content.
    assert options.Extensions[policy].requires_request_id == (changes and not method.client_streaming)
