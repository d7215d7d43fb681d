"""One request to JetStream: what it answers, sorted by what the caller can do about it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from nats import errors as nats_errors
from nats.aio.client import Client
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gladhand.bus.refusals import permitted

WRONG_LAST = frozenset({10071, 10164, 10201})
"""Wrong last sequence, alone and in a batch, and a batch that holds a known message id: look before judging."""
FULL = frozenset({10002, 10023, 10028, 10047, 10077})
"""The store's, the account's and the stream's own limits."""
TOO_LARGE = frozenset({10054})

_TRANSIENT = frozenset({10008, 10009, 10076, 10118, 10119, 10158})
_SERVER_ERRORS = 500
_SHORTEST_S = 0.05
_TRACE = TraceContextTextMapPropagator()


class Unanswered(Exception):
    """No answer, or one that says "not now": the request may or may not have been carried out."""


class Refused(Exception):
    """A clear refusal by the server; nothing was carried out."""

    def __init__(self, code: int, error_code: int, description: str) -> None:
        super().__init__(f"{description} ({code}/{error_code})")
        self.code = code
        self.error_code = error_code
        self.description = description


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request is tried. Seconds."""

    deadline: float = 10.0
    """Until the whole is given up; a leader's election takes about six."""
    attempt: float = 2.0
    """Until one attempt counts as lost."""
    pause: float = 0.25
    """Longest pause between two attempts; a random share of it is waited."""


def traced(headers: dict[str, str]) -> dict[str, str]:
    """Add the trace context of the span that is active, if any, to `headers` and return them."""
    _TRACE.inject(headers)
    return headers


async def ask(
    connection: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None, wait_s: float
) -> dict[str, Any]:
    """Send one JetStream request, once.

    Raises Unanswered, Refused, NotPermitted; MaxPayloadError of nats passes through.
    """
    try:
        with permitted(connection, subject):
            message = await connection.request(
                subject, payload, timeout=wait_s, headers=dict(headers) if headers else None
            )
    except nats_errors.MaxPayloadError:
        raise
    except (TimeoutError, nats_errors.Error, OSError) as error:
        raise Unanswered(f"{subject}: {str(error) or type(error).__name__}") from error
    answer = cast("dict[str, Any]", json.loads(message.data))
    failed = answer.get("error")
    if failed is None:
        return answer
    code, error_code = int(failed.get("code", 0)), int(failed.get("err_code", 0))
    description = str(failed.get("description", "no description"))
    if error_code in _TRANSIENT or (code >= _SERVER_ERRORS and error_code not in FULL and "temporarily" in description):
        raise Unanswered(f"{subject}: {description}")
    raise Refused(code, error_code, description)


async def ask_patiently(
    connection: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None, patience: Patience
) -> tuple[dict[str, Any], int]:
    """Send a request that is safe to repeat until it is answered; return the answer and the number of attempts.

    Raises Unanswered after `patience.deadline`, Refused and NotPermitted at once.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.deadline
    attempts = 0
    while True:
        attempts += 1
        left = end - loop.time()
        try:
            wait = max(min(patience.attempt, left), _SHORTEST_S)
            return await ask(connection, subject, payload, headers, wait), attempts
        except Unanswered:
            pause = patience.pause * random.random()
            if loop.time() + pause >= end:
                raise
            await asyncio.sleep(pause)
