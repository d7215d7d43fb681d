"""What can go wrong in a call to Tryton, one class per reaction that a caller has (pure).

The classes differ by what the caller may do next, not by transport code:

* ``NotSentError``: the request never reached the server; any call may be repeated. ``HeldBackError`` is one that this
  side did not send, and repeating it at once does not help.
* ``AmbiguousError``: the request may have been executed; look up before doing anything again.
* ``BusyError``: the server rolled back (503); repeat later.
* ``UserError``, ``UserWarningRaised``: a rule of the ERP said no; repeating does not help.
* ``ConcurrencyError``: somebody changed the record; read again, then decide.

Source: ERP reference A.3, A.6, A.7 and A.10 (measured on trytond 8.2.1).
"""

from __future__ import annotations


class TrytonError(Exception):
    """Base of every failure that the client raises."""


class NotSentError(TrytonError):
    """The connection could not be opened, so the server did not see the request."""


class HeldBackError(NotSentError):
    """The call was not even tried: Tryton did not answer the last ones, or too many wait for it.

    ``retry_after`` is the number of seconds to wait before another call makes sense.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AmbiguousError(TrytonError):
    """The request was sent and no usable answer came back: it may have been executed.

    Raised for time-outs, cut connections, HTTP 504, 500 and 502, and bodies that cannot be parsed.
    """


class BusyError(TrytonError):
    """HTTP 503: database locked or serialisation failure; the server rolled the call back."""


class ThrottledError(TrytonError):
    """Too many failed logins (HTTP 429), or the client itself holds back after one.

    ``retry_after`` is the number of seconds to wait before a login is tried again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CredentialsRefusedError(TrytonError):
    """User and password were refused. Retrying soon makes the server answer ever slower."""


class SessionExpiredError(TrytonError):
    """HTTP 401: the session is unknown or too old. Nothing was executed; log in again."""


class ForbiddenError(TrytonError):
    """HTTP 403: the method does not exist, is no RPC method, or this user may not call it."""


class NotFoundError(TrytonError):
    """HTTP 404: no such database."""


class RequestRefusedError(TrytonError):
    """HTTP 400, 413 or another 4xx: the request itself is wrong; repeating does not help."""


class UserError(TrytonError):
    """A business rule or an access rule of the ERP refused the call."""

    def __init__(self, message: str, description: str = "") -> None:
        super().__init__(message if not description else f"{message} {description}")
        self.message = message
        self.description = description


class UserWarningRaised(TrytonError):
    """The ERP wants a human to acknowledge ``name`` before it goes on."""

    def __init__(self, name: str, message: str, description: str = "") -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.description = description


class ConcurrencyError(TrytonError):
    """The record changed since its ``_timestamp`` was read (optimistic lock)."""


class LoginParameterError(TrytonError):
    """The server asks for a further login parameter (LoginException), e.g. a second factor."""


class ServerFaultError(TrytonError):
    """Any other exception inside the server. The transaction was rolled back."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}" if detail else name)
        self.name = name
        self.detail = detail
