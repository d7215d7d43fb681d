"""Tryton's JSON-RPC wire format: bytes to values and back, without any input or output (pure).

Tagged values (ERP reference A.3): Decimal, date, datetime, time, timedelta and bytes travel as objects with a
``__class__`` member. Tryton's datetimes are naive UTC; here they are always aware UTC.

Bodies: trytond 8.2.1 labels every body above 1,400 characters ``Content-Encoding: gzip`` even where it is plain
(A.10), so the magic bytes decide and the header is ignored.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from services.erp_gateway.adapters.tryton_errors import (
    AmbiguousError,
    BusyError,
    ConcurrencyError,
    ForbiddenError,
    LoginParameterError,
    NotFoundError,
    RequestRefusedError,
    ServerFaultError,
    SessionExpiredError,
    ThrottledError,
    TrytonError,
    UserError,
    UserWarningRaised,
)

JSON = Any
"""A value as the server sees it: JSON plus the tagged types."""

_GZIP_MAGIC = b"\x1f\x8b"
_MESSAGE_LIMIT = 1000
"""Characters kept of a server message; the domain part of a UserError alone can exceed 30 kB."""


def _tag(value: object) -> dict[str, object]:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise TypeError("naive datetime: pass an aware one, Tryton stores UTC")
        utc = value.astimezone(dt.UTC)
        return {
            "__class__": "datetime",
            **{name: getattr(utc, name) for name in ("year", "month", "day", "hour", "minute", "second")},
            "microsecond": utc.microsecond,
        }
    if isinstance(value, dt.date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, dt.timedelta):
        return {"__class__": "timedelta", "seconds": value.total_seconds()}
    if isinstance(value, bytes | bytearray):
        return {"__class__": "bytes", "base64": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"{type(value).__name__} has no Tryton form")


def _untag(value: dict[str, Any]) -> Any:
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "date":
            return dt.date(value["year"], value["month"], value["day"])
        case "datetime":
            return dt.datetime(
                value["year"],
                value["month"],
                value["day"],
                value["hour"],
                value["minute"],
                value["second"],
                value["microsecond"],
                tzinfo=dt.UTC,
            )
        case "time":
            return dt.time(value["hour"], value["minute"], value["second"], value["microsecond"])
        case "timedelta":
            return dt.timedelta(seconds=value["seconds"])
        case "bytes":
            return base64.b64decode(value["base64"])
        case _:
            return value


def encode_call(call_id: int, method: str, params: Sequence[object]) -> bytes:
    """One JSON-RPC request body. Raises TypeError for a value that Tryton has no form for."""
    call = {"id": call_id, "method": method, "params": list(params)}
    return json.dumps(call, default=_tag, separators=(",", ":")).encode("utf-8")


def plain_body(body: bytes) -> bytes:
    """The body without its compression, judged by magic bytes. Raises AmbiguousError when it is cut."""
    if not body.startswith(_GZIP_MAGIC):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise AmbiguousError(f"the answer's gzip stream is damaged: {error}") from error


def decode_answer(status: int, headers: Mapping[str, str], body: bytes) -> JSON:
    """The result of a call, or the typed error that the answer stands for."""
    if status != 200:
        raise _http_error(status, headers, body)
    try:
        answer = json.loads(plain_body(body), object_hook=_untag)
    except (ValueError, KeyError) as error:
        raise AmbiguousError(f"the answer is no JSON: {error}") from error
    if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
        raise AmbiguousError("the answer is no JSON-RPC answer")
    if answer.get("error") is not None:
        raise _rpc_error(answer["error"])
    return answer.get("result")


def _http_error(status: int, headers: Mapping[str, str], body: bytes) -> TrytonError:
    try:
        text = plain_body(body)[:300].decode("utf-8", "replace")
    except AmbiguousError:
        text = ""
    message = f"HTTP {status} {text}".strip()
    match status:
        case 401:
            return SessionExpiredError(message)
        case 403:
            return ForbiddenError(message)
        case 404:
            return NotFoundError(message)
        case 429:
            return ThrottledError(message, _retry_after(headers, 5.0))
        case 503:
            return BusyError(message)
        case _ if 400 <= status < 500:
            return RequestRefusedError(message)
        case _:
            return AmbiguousError(message)


def _retry_after(headers: Mapping[str, str], default: float) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", default)))
    except ValueError:
        return default


def _short(value: object) -> str:
    return value[:_MESSAGE_LIMIT] if isinstance(value, str) else ""


def _rpc_error(error: object) -> TrytonError:
    if not isinstance(error, list) or not error:
        return ServerFaultError("unknown", str(error)[:_MESSAGE_LIMIT])
    name = str(error[0])
    raw = error[1] if len(error) > 1 else None
    args: list[object] = list(raw) if isinstance(raw, list) else [raw]
    args += [""] * (3 - len(args))
    match name:
        case "UserError":
            return UserError(_short(args[0]), _short(args[1]))
        case "UserWarning":
            return UserWarningRaised(_short(args[0]), _short(args[1]), _short(args[2]))
        case "ConcurrencyException":
            return ConcurrencyError(_short(args[0]) or "records were modified in the meanwhile")
        case "LoginException":
            return LoginParameterError(f"{_short(args[0])}: {_short(args[1])}")
        case _:
            return ServerFaultError(name[:_MESSAGE_LIMIT], _short(args[0]))


def form_values(view: Mapping[str, Any]) -> dict[str, Any]:
    """A wizard form's defaults and values, ready to be sent back.

    Members that end in "." are read companions (rec_name); the server fails on them (A.2).
    """
    values: dict[str, Any] = {}
    for source in (view.get("defaults"), view.get("values")):
        values.update({key: value for key, value in (source or {}).items() if not key.endswith(".")})
    return values
