"""Every RPC declares its policy, and what changes something can be repeated safely."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from logistics.contract.v1 import (
    LIFE_STAGE_DEPRECATED,
    LIFE_STAGE_UNSPECIFIED,
    RATE_CLASS_UNSPECIFIED,
    MethodPolicy,
    policy,
)
from tests.contract import catalog

every_method = pytest.mark.parametrize("method", catalog.methods(), ids=lambda method: str(method.full_name))


def policy_of(method: MethodDescriptor) -> MethodPolicy:
    options = method.GetOptions()
    assert options.HasExtension(policy), "declares no MethodPolicy"
    return options.Extensions[policy]


@every_method
def test_its_policy_is_complete(method: MethodDescriptor) -> None:
    declared = policy_of(method)
    assert declared.scopes
    assert declared.audience
    assert 0 not in declared.audience
    assert declared.rate_class != RATE_CLASS_UNSPECIFIED
    assert declared.stage != LIFE_STAGE_UNSPECIFIED
    assert bool(declared.sunset_date) == (declared.stage == LIFE_STAGE_DEPRECATED)


@every_method
def test_it_is_a_read_or_it_can_be_repeated(method: MethodDescriptor) -> None:
    level = method.GetOptions().idempotency_level
    assert level in {MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT}
    changes = level == MethodOptions.IDEMPOTENT
    # A stream of requests has no end that could be repeated as a whole: its messages are told apart by their content.
    named = changes and not method.client_streaming
    assert policy_of(method).requires_request_id == named
    request_id = method.input_type.fields_by_name.get("request_id")
    if named:
        assert request_id is not None, f"{method.input_type.full_name} carries no request_id"
        assert request_id.type == FieldDescriptor.TYPE_STRING
