"""Every exception that a servicer may let through, as the error of the tree that its caller is told."""

from __future__ import annotations

import grpc

from gladhand import errors
from gladhand.decider import Rejected
from gladhand.errors import GladhandError, Precondition
from gladhand.statuses import from_rpc_error

__all__ = ["CODES", "as_error"]

CODES = {
    "CONTRACT_VIOLATION": "INVALID_ARGUMENT",
    "VERSION_CONFLICT": "ABORTED",
    "REQUEST_ID_REUSED": "ALREADY_EXISTS",
    "REFERENCE_CONFLICT": "ALREADY_EXISTS",
    "DEVICE_UNKNOWN": "NOT_FOUND",
    "POSITION_IMPLAUSIBLE": "INVALID_ARGUMENT",
    "FUTURE_DATED": "INVALID_ARGUMENT",
    "MALFORMED_MESSAGE": "INVALID_ARGUMENT",
    "MESSAGE_CONFLICT": "ALREADY_EXISTS",
    "EVENT_UNMATCHED": "NOT_FOUND",
    "ERP_UNAVAILABLE": "UNAVAILABLE",
    "ERP_CONFLICT": "ABORTED",
    "LOG_UNAVAILABLE": "UNAVAILABLE",
    "LOG_FULL": "RESOURCE_EXHAUSTED",
    "READ_MODEL_BEHIND": "UNAVAILABLE",
    "PAGE_TOKEN_INVALID": "INVALID_ARGUMENT",
    "NOT_PERMITTED": "PERMISSION_DENIED",
    "INTERNAL": "INTERNAL",
    "FILE_REFUSED": "INVALID_ARGUMENT",
    "FLEET_UNAVAILABLE": "UNAVAILABLE",
    "PLAN_VERSION_CONFLICT": "ABORTED",
    "NOT_SUPPORTED": "INVALID_ARGUMENT",
    "UNAVAILABLE": "UNAVAILABLE",
    "CIRCUIT_OPEN": "UNAVAILABLE",
    "OUTCOME_UNKNOWN": "UNKNOWN",
    "DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED",
    "CANCELLED": "CANCELLED",
    "UNAUTHENTICATED": "UNAUTHENTICATED",
    "RESOURCE_FULL": "RESOURCE_EXHAUSTED",
    "NOT_FOUND": "NOT_FOUND",
    "ALREADY_EXISTS": "ALREADY_EXISTS",
    "RATE_LIMITED": "RESOURCE_EXHAUSTED",
    "TOKEN_EXPIRED": "UNAUTHENTICATED",
    "TOKEN_INVALID": "UNAUTHENTICATED",
    "METHOD_RETIRED": "UNIMPLEMENTED",
    "POLICY_INVALID": "INVALID_ARGUMENT",
    "ERP_INSTANCE_UNKNOWN": "INVALID_ARGUMENT",
}
"""The status that each ErrorReason travels as, as its comment in the contract says.

What is not here is NOT_FOUND where the name ends so, and FAILED_PRECONDITION otherwise.
"""


def code_of(reason: str) -> str:
    """Return the name of the gRPC status that a refusal with `reason` travels as."""
    return CODES.get(reason) or ("NOT_FOUND" if reason.endswith("_NOT_FOUND") else "FAILED_PRECONDITION")


def as_error(exception: Exception) -> GladhandError:
    """Return what an exception means to a caller. What nobody foresaw becomes Internal, its cause kept."""
    if isinstance(exception, Rejected):
        error = _rejected(exception)
    elif isinstance(exception, GladhandError):
        return exception
    elif isinstance(exception, grpc.aio.AioRpcError):
        error = from_rpc_error(exception)
    else:
        error = errors.Internal(f"{type(exception).__name__}: {exception}")
    error.__cause__ = exception
    return error


def _rejected(exception: Rejected) -> GladhandError:
    reason, message, metadata = exception.reason, exception.message, exception.metadata
    match code_of(reason):
        case "FAILED_PRECONDITION":
            subject = metadata.get("subject", metadata.get("state", ""))
            conditions = exception.preconditions or (Precondition(reason, subject, message),)
            return errors.FailedPrecondition(message, preconditions=conditions, reason=reason, metadata=metadata)
        case "NOT_FOUND":
            kind = reason.removesuffix("_NOT_FOUND").lower()
            name = metadata.get(f"{kind}_id", "")
            return errors.NotFound(kind, name, message=message, reason=reason, metadata=metadata)
        case "INVALID_ARGUMENT":
            return errors.InvalidArgument(message, field=metadata.get("field", ""), reason=reason, metadata=metadata)
        case code:
            return _PLAIN[code](message, reason=reason, metadata=metadata)


_PLAIN = {
    kind.code: kind
    for kind in (
        errors.AlreadyExists,
        errors.Conflict,
        errors.ResourceFull,
        errors.Unavailable,
        errors.Ambiguous,
        errors.DeadlineExceeded,
        errors.Cancelled,
        errors.PermissionDenied,
        errors.Unauthenticated,
        errors.Unsupported,
        errors.Internal,
    )
}
