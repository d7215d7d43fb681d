"""Errors as they travel over gRPC: a status code and `google.rpc` details, and back again at the client.

Every error carries `ErrorInfo` with domain "gladhand"; see the contract's `ErrorReason` for the reasons. Details travel
as metadata, of which peers take 8 KiB by default, so texts are cut and lists end where the room does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2 as details_pb2
from google.rpc.status_pb2 import Status

from gladhand import errors
from gladhand.errors import GladhandError

__all__ = ["DETAILS_KEY", "DOMAIN", "from_rpc_error", "from_status", "to_status"]

DOMAIN = "gladhand"
"""`ErrorInfo.domain` of every error."""

DETAILS_KEY = "grpc-status-details-bin"
"""Metadata key under which gRPC carries the details."""

_MESSAGE, _TEXT = 512, 300
"""Characters shown of a message, and of any other text."""

_ROOM = 4096
"""Bytes of details sent."""

_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_D = TypeVar("_D", bound=Message)


def status_code(error: GladhandError) -> grpc.StatusCode:
    """Return the gRPC status code that the error travels as."""
    return grpc.StatusCode[error.code]


def to_status(error: GladhandError, correlation_id: str = "") -> Status:
    """Return the error as a `google.rpc.Status` with all its details.

    An Internal error shows its correlation id and nothing of its text: that is for the log.
    """
    hidden = isinstance(error, errors.Internal | errors.StartRefused)
    metadata = dict(error.metadata)
    if correlation_id and hidden:
        metadata["correlation_id"] = correlation_id
    message = f"a fault of this system; the logs hold it under {correlation_id}" if hidden else error.message
    status = Status(code=status_code(error).value[0], message=_cut(message, _MESSAGE))
    shown = {key: _cut(value, _TEXT) for key, value in metadata.items()}
    status.details.add().Pack(details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=shown))
    for detail in _details(error):
        _add_what_fits(status, detail)
    return status


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _add_what_fits(status: Status, detail: Message) -> None:
    """Add the detail; of a list that would not fit, its beginning."""
    room = _ROOM - status.ByteSize()
    lists = [field.name for field in detail.DESCRIPTOR.fields if field.is_repeated]
    for name in lists:
        entries = getattr(detail, name)
        while entries and detail.ByteSize() > room:
            del entries[-1]
    if detail.ByteSize() <= room:
        status.details.add().Pack(detail)


def _details(error: GladhandError) -> Sequence[Message]:
    found: list[Message] = []
    if isinstance(error, errors.InvalidArgument) and error.violations:
        found.append(
            details_pb2.BadRequest(
                field_violations=[
                    details_pb2.BadRequest.FieldViolation(
                        field=v.field, description=_cut(v.description, _TEXT), reason=v.rule
                    )
                    for v in error.violations
                ]
            )
        )
    if isinstance(error, errors.FailedPrecondition) and error.preconditions:
        found.append(
            details_pb2.PreconditionFailure(
                violations=[
                    details_pb2.PreconditionFailure.Violation(
                        type=p.type, subject=p.subject, description=_cut(p.description, _TEXT)
                    )
                    for p in error.preconditions
                ]
            )
        )
    if isinstance(error, errors.NotFound):
        found.append(
            details_pb2.ResourceInfo(
                resource_type=error.resource_type,
                resource_name=_cut(error.resource_name, _TEXT),
                description=_cut(error.message, _TEXT),
            )
        )
    if error.retry_after_s is not None:
        pause = Duration()
        pause.FromNanoseconds(round(error.retry_after_s * 1e9))
        found.append(details_pb2.RetryInfo(retry_delay=pause))
    return found


def from_status(status: Status) -> GladhandError:
    """Return the error that a `google.rpc.Status` carries; ours come back as what they were."""
    code = _BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN).name
    info = _find(status, details_pb2.ErrorInfo) or details_pb2.ErrorInfo()
    error = _BUILD.get(code, _ambiguous)(status, info)
    error.reason = info.reason
    error.metadata = dict(info.metadata)
    pause = _find(status, details_pb2.RetryInfo)
    error.retry_after_s = pause.retry_delay.ToNanoseconds() / 1e9 if pause is not None else None
    return error


def from_rpc_error(error: grpc.aio.AioRpcError) -> GladhandError:
    """Return what a failed call means; errors of servers that are not ours come back by their code alone."""
    packed = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if isinstance(packed, bytes):
        try:
            return from_status(Status.FromString(packed))
        except DecodeError:
            # A peer that is not ours may send anything under this key; its code still tells what happened.
            return from_status(Status(code=error.code().value[0], message=error.details() or ""))
    return from_status(Status(code=error.code().value[0], message=error.details() or error.code().name))


def _find(status: Status, kind: type[_D]) -> _D | None:
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            return detail
    return None


def _invalid_argument(status: Status, _info: details_pb2.ErrorInfo) -> GladhandError:
    request = _find(status, details_pb2.BadRequest) or details_pb2.BadRequest()
    violations = [errors.Violation(v.field, v.description, v.reason) for v in request.field_violations]
    return errors.InvalidArgument(status.message, violations=violations)


def _not_found(status: Status, _info: details_pb2.ErrorInfo) -> GladhandError:
    resource = _find(status, details_pb2.ResourceInfo) or details_pb2.ResourceInfo()
    return errors.NotFound(resource.resource_type, resource.resource_name, message=status.message)


def _already_exists(status: Status, info: details_pb2.ErrorInfo) -> GladhandError:
    if info.reason == errors.RequestIdReused.default_reason:
        return errors.RequestIdReused(info.metadata.get("request_id", ""), info.metadata.get("first_sha256", ""))
    return errors.AlreadyExists(status.message)


def _failed_precondition(status: Status, _info: details_pb2.ErrorInfo) -> GladhandError:
    failure = _find(status, details_pb2.PreconditionFailure) or details_pb2.PreconditionFailure()
    found = [errors.Precondition(v.type, v.subject, v.description) for v in failure.violations]
    return errors.FailedPrecondition(status.message, preconditions=found)


def _ambiguous(status: Status, _info: details_pb2.ErrorInfo) -> GladhandError:
    return errors.Ambiguous(status.message)


def _plain(kind: Callable[[str], GladhandError]) -> Callable[[Status, details_pb2.ErrorInfo], GladhandError]:
    return lambda status, _info: kind(status.message)


_BUILD: dict[str, Callable[[Status, details_pb2.ErrorInfo], GladhandError]] = {
    "INVALID_ARGUMENT": _invalid_argument,
    "OUT_OF_RANGE": _invalid_argument,
    "UNAUTHENTICATED": _plain(errors.Unauthenticated),
    "PERMISSION_DENIED": _plain(errors.PermissionDenied),
    "NOT_FOUND": _not_found,
    "ALREADY_EXISTS": _already_exists,
    "FAILED_PRECONDITION": _failed_precondition,
    "ABORTED": _plain(errors.Conflict),
    "RESOURCE_EXHAUSTED": _plain(errors.ResourceFull),
    "UNAVAILABLE": _plain(errors.Unavailable),
    "DEADLINE_EXCEEDED": _plain(errors.DeadlineExceeded),
    "CANCELLED": _plain(errors.Cancelled),
    "UNIMPLEMENTED": _plain(errors.Unsupported),
    "INTERNAL": _plain(errors.Internal),
    "DATA_LOSS": _plain(errors.Internal),
}
