"""How a call that we made ended, read without waiting, and what that says of the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from gladhand.statuses import DETAILS_KEY

__all__ = ["DECISIVE", "Ending", "answered", "ending"]

T = TypeVar("T")

DECISIVE = frozenset(
    {
        "OK",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "UNAUTHENTICATED",
    }
)
"""Statuses that every replica would answer alike. Any other may be the fault of the one that was asked."""

_ABSENT = frozenset({"", "UNAVAILABLE", "LOG_UNAVAILABLE"})
"""Reasons of UNAVAILABLE that speak of the system itself: none is gRPC's own, that nobody answered there.

Others speak of one thing behind it (ERP_UNAVAILABLE, CIRCUIT_OPEN), which it was there to tell.
"""

_ENOUGH_S = 1.0
"""Seconds that a call may take before its running out of time says something of the other side, not of the caller."""


class Ending(NamedTuple):
    """How a call ended."""

    code: str
    """Name of the status."""

    reason: str = ""
    """Our own reason, read where the status is UNAVAILABLE."""


def ending(call: Any) -> Ending:
    """Return how a call of grpc.aio ended. It must be done."""
    code = _at_once(call.code())
    if code is None:
        return Ending("CANCELLED")
    if code is not grpc.StatusCode.UNAVAILABLE:
        return Ending(code.name)
    return Ending(code.name, _reason(_at_once(call.trailing_metadata())))


def answered(end: Ending, given_s: float | None, usual_s: float | None) -> bool | None:
    """Return whether the other side was there; None where the end says nothing of it.

    `given_s` is the time that the call had, `usual_s` what its policy gives; both in seconds, None for no limit.
    """
    if end.code == "CANCELLED":
        return None
    if end.code == "UNAVAILABLE":
        return end.reason not in _ABSENT
    if end.code == "DEADLINE_EXCEEDED":
        enough = _ENOUGH_S if usual_s is None else min(usual_s, _ENOUGH_S)
        return None if given_s is not None and given_s < enough else False
    return True


def _reason(metadata: Any) -> str:
    packed = next((value for key, value in metadata or () if key == DETAILS_KEY), None)
    if not isinstance(packed, bytes):
        return ""
    try:
        details = Status.FromString(packed).details
    except DecodeError:
        return ""
    info = ErrorInfo()
    return next((info.reason for detail in details if detail.Unpack(info)), "")


def _at_once(answer: Coroutine[Any, Any, T]) -> T | None:
    """Return what a coroutine with nothing left to wait for returns; None where it would wait, or was cancelled."""
    try:
        answer.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    except asyncio.CancelledError:
        return None
    answer.close()
    return None
