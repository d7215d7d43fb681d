"""What a refused call says beyond its status code: the `google.rpc` details, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as PackedDetail

_DETAILS_KEY = "grpc-status-details-bin"
_D = TypeVar("_D", bound=Message)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a request."""

    field: str
    """Path of the field, for example `order.lines[0].ordered.value`; empty for the message as a whole."""

    description: str
    rule: str
    """The id of the rule, for example `string.min_len`; empty where no named rule is behind it."""


@dataclass(frozen=True, slots=True)
class Precondition:
    """One condition of the world that does not hold, for example a transition that the lifecycle has not."""

    type: str
    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class Resource:
    """What does not exist."""

    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused."""

    code: grpc.StatusCode
    message: str
    """What is wrong and what would help, for people."""

    reason: str = ""
    """The name of a `logistics.error.v1.ErrorReason` without its prefix; empty where no Gladhand server refused."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Every changing part of the message, for programs."""

    violations: tuple[Violation, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    resource: Resource | None = None
    retry_after_s: float | None = None
    """Seconds after which the same call may succeed; None where waiting does not help or nobody can tell."""


def refusal(error: grpc.RpcError) -> Refusal:
    """Return what the server said when it refused. A server that is not ours is understood by its code alone."""
    call = cast("grpc.aio.AioRpcError", error)  # grpc's synchronous errors answer the same three questions
    code, message = call.code(), call.details() or ""
    packed = dict(call.trailing_metadata() or ()).get(_DETAILS_KEY)
    if not isinstance(packed, bytes):
        return Refusal(code, message)
    try:
        details = list(status_pb2.Status.FromString(packed).details)
    except DecodeError:
        return Refusal(code, message)
    told = _first(details, error_details_pb2.ErrorInfo)
    broken = _first(details, error_details_pb2.BadRequest).field_violations
    unmet = _first(details, error_details_pb2.PreconditionFailure).violations
    missing = _first(details, error_details_pb2.ResourceInfo)
    pause = _first(details, error_details_pb2.RetryInfo)
    return Refusal(
        code,
        message,
        reason=told.reason,
        metadata=dict(told.metadata),
        violations=tuple(Violation(one.field, one.description, one.reason) for one in broken),
        preconditions=tuple(Precondition(one.type, one.subject, one.description) for one in unmet),
        resource=Resource(missing.resource_type, missing.resource_name) if missing.ByteSize() else None,
        retry_after_s=pause.retry_delay.ToNanoseconds() / 1e9 if pause.HasField("retry_delay") else None,
    )


def _first(details: list[PackedDetail], kind: type[_D]) -> _D:
    """Return the first detail of its kind, an empty one where there is none."""
    found = kind()
    next((True for detail in details if detail.Unpack(found)), False)
    return found
