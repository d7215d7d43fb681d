"""What can go wrong, by how much a caller knows (pure).

Nothing here knows gRPC, HTTP or the log.

    GladhandError                what every error below is
    ├── StartRefused             a process does not start; printed for the operator, never sent to a caller
    │   ├── SettingsError        an environment variable is missing or wrong
    │   └── ContractError        a served method declares no policy
    ├── InvalidArgument          the request is wrong whatever the state of the world     INVALID_ARGUMENT
    ├── Unauthenticated          the caller did not prove who it is                       UNAUTHENTICATED
    ├── PermissionDenied         the caller may not                                       PERMISSION_DENIED
    ├── NotFound                 the thing named does not exist                           NOT_FOUND
    ├── AlreadyExists            the thing exists with other content                      ALREADY_EXISTS
    │   └── RequestIdReused      the request id came before with another body
    ├── FailedPrecondition       the state of the world forbids it, for now or for good   FAILED_PRECONDITION
    ├── Conflict                 somebody else was first; read again and repeat           ABORTED
    ├── ResourceFull             a limit or a store is exhausted                          RESOURCE_EXHAUSTED
    ├── Unavailable              nothing happened; the same call may succeed later        UNAVAILABLE
    ├── Ambiguous                it may or may not have happened; look before repeating   UNKNOWN
    ├── DeadlineExceeded         time ran out; it may or may not have happened            DEADLINE_EXCEEDED
    ├── Cancelled                the caller gave up                                       CANCELLED
    ├── Unsupported              the method or choice is not offered                      UNIMPLEMENTED
    └── Internal                 a fault of this system                                   INTERNAL

`reason` is the name of a value of `logistics.error.v1.ErrorReason` without its prefix (empty only where a server that
is not ours gave none), `message` says what is wrong and what would help, `metadata` carries every changing part of the
message for programs. None of them holds personal data. `gladhand.statuses` carries errors over gRPC and back,
`gladhand.problems` over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from logistics.error.v1.error_reason_pb2 import ErrorReason

__all__ = [
    "AlreadyExists",
    "Ambiguous",
    "Cancelled",
    "Conflict",
    "ContractError",
    "DeadlineExceeded",
    "FailedPrecondition",
    "GladhandError",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "Precondition",
    "RequestIdReused",
    "ResourceFull",
    "SettingsError",
    "StartRefused",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "Violation",
]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a request."""

    field: str
    """Path of the field, for example `order.lines[0].ordered.value`; empty for the message as a whole."""

    description: str
    """What is wrong and what would be right."""

    rule: str = ""
    """The id of the rule, for example `string.min_len`; empty where no named rule is behind it."""


@dataclass(frozen=True, slots=True)
class Precondition:
    """One condition that does not hold; field meanings of `google.rpc.PreconditionFailure.Violation`."""

    type: str
    """The kind of condition, for example `TRANSITION`."""

    subject: str
    """What the condition is about, for example an order id."""

    description: str
    """The state found and what would be allowed."""


class GladhandError(Exception):
    """Something went wrong that a caller, or an operator, can understand and act on."""

    code: ClassVar[str] = "UNKNOWN"
    """The gRPC status code that the error travels as."""

    default_reason: ClassVar[str] = "INTERNAL"

    retry_after_s: float | None = None
    """Seconds after which the same call may succeed; None where waiting does not help or nobody can tell."""

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata: dict[str, str] = dict(metadata or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, reason={self.reason!r}, metadata={self.metadata!r})"


class StartRefused(GladhandError):
    """The process does not start, for a cause that only an operator can remove."""

    code = "FAILED_PRECONDITION"


class SettingsError(StartRefused):
    """Environment variables are missing or wrong; the message names each with its remedy."""


class ContractError(StartRefused):
    """The contract lacks what the runtime enforces; the message names every method concerned."""


class InvalidArgument(GladhandError):
    """The request is wrong, whatever the state of the world; the same request never succeeds."""

    code = "INVALID_ARGUMENT"
    default_reason = "CONTRACT_VIOLATION"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        remedy: str = "",
        rule: str = "",
        violations: Sequence[Violation] = (),
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Name the field and the remedy, or hand over `violations` where there are several."""
        if not violations and field:
            violations = (Violation(field, f"{message}; {remedy}" if remedy else message, rule),)
        super().__init__(
            f"{message}; {remedy}" if remedy else message,
            reason=reason,
            metadata=metadata if metadata is not None or not violations else {"field": violations[0].field},
        )
        self.violations: tuple[Violation, ...] = tuple(violations)


class Unauthenticated(GladhandError):
    """The caller did not prove who it is."""

    code = "UNAUTHENTICATED"
    default_reason = "UNAUTHENTICATED"


class PermissionDenied(GladhandError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"
    default_reason = "NOT_PERMITTED"


class NotFound(GladhandError):
    """The thing that the request names does not exist, or not for this caller."""

    code = "NOT_FOUND"
    default_reason = "NOT_FOUND"

    def __init__(
        self,
        resource_type: str,
        resource_name: str,
        *,
        message: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """`resource_type` is a noun of the contract (`order`), `resource_name` its id.

        The reason is ORDER_NOT_FOUND for an order, and so on; NOT_FOUND for what the contract has no reason of.
        """
        own = f"{resource_type.upper()}_NOT_FOUND"
        usual = own if f"ERROR_REASON_{own}" in ErrorReason.keys() else "NOT_FOUND"  # noqa: SIM118 - no mapping
        super().__init__(
            message or f"no {resource_type} {resource_name!r}",
            reason=reason or usual,
            metadata=metadata if metadata is not None else {f"{resource_type}_id": resource_name},
        )
        self.resource_type = resource_type
        self.resource_name = resource_name


class AlreadyExists(GladhandError):
    """The thing to be made exists with other content."""

    code = "ALREADY_EXISTS"
    default_reason = "ALREADY_EXISTS"


class RequestIdReused(AlreadyExists):
    """The request id came before with another body; the first answer stands."""

    default_reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str, first_digest: str) -> None:
        """`first_digest` is the SHA-256, in hex, of the request that came first."""
        super().__init__(
            f"request_id {request_id} came before with another body (SHA-256 {first_digest}); use a new one",
            metadata={"request_id": request_id, "first_sha256": first_digest},
        )
        self.request_id = request_id
        self.first_digest = first_digest


class FailedPrecondition(GladhandError):
    """The state of the world forbids it; the same call succeeds only after that state has changed."""

    code = "FAILED_PRECONDITION"
    default_reason = "TRANSITION_NOT_ALLOWED"

    def __init__(
        self,
        message: str,
        *,
        preconditions: Sequence[Precondition] = (),
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Name each condition that does not hold in `preconditions`."""
        super().__init__(message, reason=reason, metadata=metadata)
        self.preconditions: tuple[Precondition, ...] = tuple(preconditions)


class _Retryable(GladhandError):
    """An error that waiting may cure."""

    default_retry_after_s: ClassVar[float | None] = None

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """`retry_after_s` is the pause in seconds that the caller should keep before it repeats."""
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_after_s = self.default_retry_after_s if retry_after_s is None else retry_after_s


class Conflict(_Retryable):
    """Somebody else changed the object first; read it again and repeat."""

    code = "ABORTED"
    default_reason = "VERSION_CONFLICT"
    default_retry_after_s = 0.1


class ResourceFull(_Retryable):
    """A limit or a store is exhausted; somebody must make room, or the caller must slow down."""

    code = "RESOURCE_EXHAUSTED"
    default_reason = "RESOURCE_FULL"


class Unavailable(_Retryable):
    """Nothing happened and the same call may succeed later."""

    code = "UNAVAILABLE"
    default_reason = "UNAVAILABLE"
    default_retry_after_s = 1.0


class Ambiguous(_Retryable):
    """It may or may not have happened: look it up, or repeat with the same request id."""

    code = "UNKNOWN"
    default_reason = "OUTCOME_UNKNOWN"
    default_retry_after_s = 1.0


class DeadlineExceeded(GladhandError):
    """Time ran out; it may or may not have happened."""

    code = "DEADLINE_EXCEEDED"
    default_reason = "DEADLINE_EXCEEDED"


class Cancelled(GladhandError):
    """The caller gave up."""

    code = "CANCELLED"
    default_reason = "CANCELLED"


class Unsupported(GladhandError):
    """The method, or the choice that the request makes, is not offered."""

    code = "UNIMPLEMENTED"
    default_reason = "NOT_SUPPORTED"


class Internal(GladhandError):
    """A fault of this system. The caller gets the correlation id, the log gets the rest."""

    code = "INTERNAL"
