"""The seam for steps that look at a call before its request is read any further, and may refuse it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import grpc

from gladhand.calls import Call

__all__ = ["Admission"]


class Admission(Protocol):
    """One step before the request is validated, for example authentication or throttling."""

    def __call__(self, call: Call, context: grpc.aio.ServicerContext[object, object]) -> Awaitable[None] | None:
        """Let the call pass, adding to it what was found; raise a GladhandError to refuse it.

        Return an awaitable only where something has to be waited for: most steps answer from memory.
        """
        ...
