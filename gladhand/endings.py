"""How a call that we made ended, read without waiting, and what that says of the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

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

_ABSENT = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""Statuses that gRPC itself gives where nobody answers."""

_ENOUGH_S = 1.0
"""Seconds that a call may take before its running out of time says something of the other side, not of the caller."""


class Ending(NamedTuple):
    """How a call ended."""

    code: str
    """Name of the status."""

    told: bool = False
    """Whether a server of ours gave that status, by its details; read where gRPC itself may have given it."""


def ending(call: Any) -> Ending:
    """Return how a call of grpc.aio ended. It must be done."""
    code = _at_once(call.code())
    if code is None:
        return Ending("CANCELLED")
    if code.name not in _ABSENT:
        return Ending(code.name)
    return Ending(code.name, any(key == DETAILS_KEY for key, _value in _at_once(call.trailing_metadata()) or ()))


def answered(end: Ending, given_s: float | None, usual_s: float | None) -> bool | None:
    """Return whether the other side was there; None where the end says nothing of it.

    A server that tells itself that it, or something behind it, cannot serve is there. `given_s` is the time that the
    call had, `usual_s` what its policy gives; both in seconds, None for no limit.
    """
    if end.code == "CANCELLED":
        return None
    if end.code not in _ABSENT or end.told:
        return True
    if end.code == "DEADLINE_EXCEEDED":
        enough = _ENOUGH_S if usual_s is None else min(usual_s, _ENOUGH_S)
        return None if given_s is not None and given_s < enough else False
    return False


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
