"""How a call ends: answered, refused or broken off; told to the caller, counted and logged."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import NoReturn

import grpc

from gladhand.calls import CORRELATION_KEY, Call
from gladhand.errors import GladhandError, Internal
from gladhand.interceptors.tally import MethodTally
from gladhand.refusals import as_error
from gladhand.statuses import DETAILS_KEY, status_code, to_status

__all__ = ["Outcome"]

Context = grpc.aio.ServicerContext[object, object]

_log = logging.getLogger("gladhand.calls")

_REPEATED = "grpc-previous-rpc-attempts"
"""Metadata key that a client's gRPC sends along with every repetition (gRFC A6)."""


class Outcome:
    """Ends the calls of one method."""

    def __init__(self, path: str, tally: MethodTally, slow_s: float) -> None:
        self._path = path
        self._tally = tally
        self._slow_s = slow_s

    def answered(self, call: Call, context: Context, elapsed_s: float) -> None:
        """The servicer answered: send the correlation id along, count, and log where it took long."""
        context.set_trailing_metadata(((CORRELATION_KEY, call.correlation_id), *call.trailing))
        self._count(call, "OK", elapsed_s)
        if elapsed_s >= self._slow_s and call.method.timeout_s is not None:
            self._line(logging.WARNING, "slow call", "OK", elapsed_s)
        elif _log.isEnabledFor(logging.DEBUG):
            self._line(logging.DEBUG, "call", "OK", elapsed_s)

    async def failed(self, call: Call, context: Context, fault: BaseException, elapsed_s: float) -> NoReturn:
        """The call did not end well: tell the caller, count and log. Always raises."""
        if isinstance(fault, grpc.aio.AbortError):
            self._end(context.code().name, elapsed_s)
            raise fault
        if isinstance(fault, asyncio.CancelledError) or not isinstance(fault, Exception):
            self.broken_off(elapsed_s)
            raise fault
        error = as_error(fault)
        self._refused(call, error, elapsed_s)
        status = to_status(error, call.correlation_id)
        await context.abort(
            status_code(error),
            status.message,
            (
                (CORRELATION_KEY, call.correlation_id),
                (DETAILS_KEY, status.SerializeToString()),
                *call.trailing,
            ),
        )

    def broken_off(self, elapsed_s: float) -> None:
        """The caller gave up, or its deadline passed: nobody is there to be told."""
        self._end("CANCELLED", elapsed_s)

    def _end(self, code: str, elapsed_s: float) -> None:
        self._tally.record(code, elapsed_s)
        self._line(logging.INFO, "call broken off", code, elapsed_s)

    def _count(self, call: Call, code: str, elapsed_s: float) -> None:
        self._tally.record(code, elapsed_s)
        if any(key == _REPEATED for key, _value in call.metadata):
            self._tally.repeated += 1

    def _refused(self, call: Call, error: GladhandError, elapsed_s: float) -> None:
        self._count(call, error.code, elapsed_s)
        if isinstance(error, Internal):
            cause = error.__cause__ or error
            trace = "".join(traceback.format_exception(cause))
            self._line(logging.ERROR, "call failed", error.code, elapsed_s, reason=error.reason, fault=trace)
        else:
            self._line(logging.INFO, "call refused", error.code, elapsed_s, reason=error.reason, why=error.message)

    def _line(self, level: int, message: str, code: str, elapsed_s: float, **more: str) -> None:
        facts = {"method": self._path, "code": code, "ms": round(elapsed_s * 1000, 3), **more}
        _log.log(level, message, extra={"facts": facts})
