"""Errors of the Tryton client as errors of the mesh: by what the caller may do next (pure)."""

from __future__ import annotations

from gladhand import errors
from services.erp_gateway.adapters import tryton_errors as tryton

_LOGIN_RETRY_S = 30.0


def as_mesh_error(error: tryton.TrytonError, instance: str) -> errors.GladhandError:
    """What a caller of the gateway is told. The cause is kept."""
    found = _translate(error, {"erp": instance})
    found.__cause__ = error
    return found


def _translate(error: tryton.TrytonError, metadata: dict[str, str]) -> errors.GladhandError:
    match error:
        case tryton.UserError():
            return _refused(f"the ERP refused: {error.message}", metadata | {"erp_message": error.message})
        case tryton.UserWarningRaised():
            return _refused(
                f"the ERP asks a person to confirm: {error.message}",
                metadata | {"erp_message": error.message, "warning": error.name},
            )
        case tryton.ForbiddenError() | tryton.RequestRefusedError():
            return _refused(f"the ERP refuses the gateway's call ({error}); check the gateway user's rights", metadata)
        case tryton.ConcurrencyError():
            return errors.Conflict(
                "somebody changed the document in the ERP at the same time", reason="ERP_CONFLICT", metadata=metadata
            )
        case tryton.AmbiguousError():
            return errors.Ambiguous(
                f"the ERP's answer was lost and its state does not show an end yet: {error}",
                retry_after_s=5.0,
                metadata=metadata,
            )
        case tryton.ThrottledError() | tryton.HeldBackError():
            return _unavailable(f"the ERP is not asked for now: {error}", error.retry_after, metadata)
        case tryton.CredentialsRefusedError() | tryton.LoginParameterError():
            return _unavailable(f"the ERP does not let the gateway in: {error}", _LOGIN_RETRY_S, metadata)
        case tryton.NotFoundError():
            return _unavailable(f"the ERP has no such database: {error}", _LOGIN_RETRY_S, metadata)
        case tryton.BusyError() | tryton.NotSentError() | tryton.SessionExpiredError():
            return _unavailable(f"the ERP is not reachable or busy: {error}", 1.0, metadata)
        case _:
            return errors.Internal(f"the ERP failed: {error}", metadata=metadata)


def as_read_error(error: tryton.TrytonError, instance: str) -> errors.GladhandError:
    """As ``as_mesh_error`` for a call that only read: a lost answer means that nothing happened."""
    if isinstance(error, tryton.AmbiguousError):
        found = _unavailable(f"the ERP did not answer: {error}", 1.0, {"erp": instance})
        found.__cause__ = error
        return found
    return as_mesh_error(error, instance)


def _refused(message: str, metadata: dict[str, str]) -> errors.FailedPrecondition:
    return errors.FailedPrecondition(message, reason="ERP_REFUSED", metadata=metadata)


def _unavailable(message: str, retry_after_s: float, metadata: dict[str, str]) -> errors.Unavailable:
    return errors.Unavailable(message, retry_after_s=retry_after_s, reason="ERP_UNAVAILABLE", metadata=metadata)
