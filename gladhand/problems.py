"""Errors as they travel over HTTP: problem documents (RFC 9457), `application/problem+json` (pure)."""

from __future__ import annotations

from gladhand import errors
from gladhand.errors import GladhandError

__all__ = ["MEDIA_TYPE", "http_status", "to_problem"]

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "FAILED_PRECONDITION": 422,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_STORE_FULL = 507
_TITLES = {
    400: "The request is wrong",
    401: "Who calls is not known",
    403: "Not permitted",
    404: "Not found",
    409: "Conflict",
    422: "Not possible in the present state",
    429: "Too much",
    499: "The caller gave up",
    500: "A fault of this system",
    501: "Not offered",
    503: "Not available now",
    504: "Time ran out",
    507: "The store is full",
}


def http_status(error: GladhandError) -> int:
    """Return the HTTP status of an error. A full store is 507: slowing down, which 429 asks for, would not help."""
    return _STORE_FULL if error.reason == "LOG_FULL" else _STATUS[error.code]


def to_problem(error: GladhandError, correlation_id: str = "") -> dict[str, object]:
    """Return the problem document of an error, ready for JSON; `status` is the HTTP status to send.

    Members beside those of the RFC: `reason` and `metadata` as in `google.rpc.ErrorInfo`, `violations` (field,
    description, rule), `preconditions`, `retry_after_s` and `correlation_id`. The text of an Internal error stays in
    the log.
    """
    status = http_status(error)
    hidden = isinstance(error, errors.Internal | errors.StartRefused)
    problem: dict[str, object] = {
        "type": f"urn:gladhand:error:{error.reason}",
        "title": _TITLES[status],
        "status": status,
        "detail": f"the logs hold it under {correlation_id}" if hidden else error.message,
        "reason": error.reason,
        "metadata": dict(error.metadata),
    }
    if correlation_id:
        problem["instance"] = f"urn:gladhand:correlation:{correlation_id}"
        problem["correlation_id"] = correlation_id
    if isinstance(error, errors.InvalidArgument):
        problem["violations"] = [
            {"field": v.field, "description": v.description, "rule": v.rule} for v in error.violations
        ]
    if isinstance(error, errors.FailedPrecondition):
        problem["preconditions"] = [
            {"type": p.type, "subject": p.subject, "description": p.description} for p in error.preconditions
        ]
    if error.retry_after_s is not None:
        problem["retry_after_s"] = error.retry_after_s
    return problem
