"""Methods say who may call them, and what changes something can be repeated (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gladhand.contracts.lint.remark import Remark
from gladhand.contracts.model import Contract, Field, Method, rules_of
from logistics.contract.v1 import method_pb2
from logistics.contract.v1.method_pb2 import MethodPolicy

_POLICY: int = method_pb2.policy.number


def policy_required(contract: Contract) -> Iterator[Remark]:
    """RPC_POLICY_REQUIRED: every method carries a complete MethodPolicy and `idempotency_level`."""
    rule = "RPC_POLICY_REQUIRED"
    for method in contract.methods.values():
        if not method.proto.options.HasField("idempotency_level"):
            sentence = f"{method.name} does not say what repeating it does: add option idempotency_level"
            yield Remark(rule, sentence, method.place)
        if method.policy is None:
            sentence = f"{method.name} does not say who may call it: add option (logistics.contract.v1.policy)"
            yield Remark(rule, sentence, method.place)
            continue
        for number, what in _missing(method.policy):
            yield Remark(rule, f"the policy of {method.name} {what}", method.option(_POLICY, *number))


def _missing(policy: MethodPolicy) -> Iterator[tuple[tuple[int, ...], str]]:
    if not policy.scopes or not all(policy.scopes):
        yield (), "names no scope: add scopes, of which a caller's token must carry one"
    if not policy.audience or method_pb2.AUDIENCE_UNSPECIFIED in policy.audience:
        yield (), "names no audience: add INTERNAL, PARTNER or CUSTOMER"
    if policy.rate_class == method_pb2.RATE_CLASS_UNSPECIFIED:
        yield (), "names no rate_class: add BULK, READ, COMMAND or FINANCE"
    if policy.stage == method_pb2.LIFE_STAGE_UNSPECIFIED:
        yield (), "names no stage: add ALPHA, BETA, STABLE or DEPRECATED"
    deprecated = policy.stage == method_pb2.LIFE_STAGE_DEPRECATED
    sunset = (MethodPolicy.SUNSET_DATE_FIELD_NUMBER,)
    if deprecated and not policy.sunset_date:
        yield (MethodPolicy.STAGE_FIELD_NUMBER,), "is DEPRECATED without an end: add sunset_date as YYYY-MM-DD"
    elif policy.sunset_date and not _is_day(policy.sunset_date):
        yield sunset, f"has the sunset_date {policy.sunset_date!r}, which is no day: write YYYY-MM-DD"
    elif policy.sunset_date and not deprecated:
        yield sunset, "has a sunset_date though it is not DEPRECATED: remove it, or deprecate the method"


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def request_id_required(contract: Contract) -> Iterator[Remark]:
    """MUTATION_REQUEST_ID_REQUIRED: what changes something takes a `request_id`, a UUID, and its policy requires it.

    A stream of requests is exempt: it has no end that could be repeated as a whole, its messages are told apart by
    their content.
    """
    rule = "MUTATION_REQUEST_ID_REQUIRED"
    for method in contract.methods.values():
        required = method.policy is not None and method.policy.requires_request_id
        if method.proto.client_streaming or (method.reads_only and not required):
            continue
        if method.policy is not None and not required:
            sentence = (
                f"{method.name} may change something, so a repeat must be told from a second call: set "
                "requires_request_id, or declare idempotency_level NO_SIDE_EFFECTS if it only reads"
            )
            yield Remark(rule, sentence, method.option(_POLICY, MethodPolicy.REQUIRES_REQUEST_ID_FIELD_NUMBER))
        yield from _request_id(rule, method, contract)


def _request_id(rule: str, method: Method, contract: Contract) -> Iterator[Remark]:
    request = contract.messages.get(method.request)
    field = request.field("request_id") if request is not None else None
    if request is None or field is None:
        sentence = (
            f"{method.request} of {method.name} lacks the field request_id: add "
            "string request_id = 1 [(buf.validate.field).string.uuid = true]"
        )
        yield Remark(rule, sentence, request.place if request is not None else method.place)
    elif not _is_uuid(field):
        sentence = f"{field.name} must be a string with the rule (buf.validate.field).string.uuid = true"
        yield Remark(rule, sentence, field.place)


def _is_uuid(field: Field) -> bool:
    single = field.proto.label != FieldDescriptorProto.LABEL_REPEATED
    return single and field.proto.type == FieldDescriptorProto.TYPE_STRING and rules_of(field).string.uuid
