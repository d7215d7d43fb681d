"""The HTTP side: what trackers, Traccar and phones speak, with refusals as problem documents (RFC 9457)."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Protocol as Interface

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gladhand.calls import CORRELATION_KEY, correlated, correlation_id, offered_correlation
from gladhand.enums import short_name
from gladhand.errors import Cancelled, DeadlineExceeded, GladhandError, Internal, InvalidArgument, Unauthenticated
from gladhand.ids import new_id
from gladhand.problems import MEDIA_TYPE, to_problem
from logistics.edge.v1 import INGEST_OUTCOME_REFUSED, IngestOutcome
from logistics.pod.v1 import PodState
from services.edge_gateway.http_admission import CHALLENGE
from services.edge_gateway.inbox import InHand, Protocol
from services.edge_gateway.intake import Intake, Outcome, Verdict
from services.edge_gateway.manifest import FORM_MEDIA_TYPE
from services.edge_gateway.multipart_form import read_submission
from services.edge_gateway.pod_desk import PodDesk
from services.edge_gateway.protocols import osmand, traccar
from services.edge_gateway.protocols.pod_form import too_large

__all__ = ["Admission", "Readiness", "build_app"]

_log = logging.getLogger(__name__)

POD_PROVIDER = "pod-app"
_UPLOAD_S = 60.0
_WAIT_S = 20.0
"""Seconds that the work on a message may take once it has come in."""
_PODS_AT_ONCE = 8
"""Proofs that are held in memory at once, files and all; more senders wait their turn."""
_RETRY_S = 5
_STATUS_BY_REASON = {"POD_LINES_DO_NOT_ADD_UP": 422, "POD_INVALID": 422}
_STATUS_BY_RULE = {"size": 413, "media_type": 415, "count": 413}
_TITLES = {413: "Too large", 415: "Not a media type that is taken", 422: "The proof does not hold"}

Endpoint = Callable[[Request], Awaitable[Response]]
Readiness = Callable[[], list[str]]
"""What is not ready, in words; empty where everything is."""


class Admission(Interface):
    """Authentication, authorisation and throttling: looks at a request before its body is read."""

    async def __call__(self, request: Request) -> Mapping[str, str]:
        """Let the request pass and return headers for its answer, or raise a GladhandError."""
        ...


class _Api:
    """The endpoints."""

    def __init__(self, intake: Intake, pods: PodDesk, in_hand: InHand, most_bytes: int) -> None:
        self._intake = intake
        self._pods = pods
        self._in_hand = in_hand
        self._most_bytes = most_bytes
        self._room = asyncio.Semaphore(_PODS_AT_ONCE)

    async def osmand(self, request: Request) -> Response:
        """Take an OsmAnd report: a query, a form or JSON."""
        body, media_type = await self._body(request), _media_type(request)
        query = str(request.url.query).encode()
        if query and media_type != "application/json":
            # As Traccar's server does: parameters of the query stand for the whole, a form beside them adds to it.
            body = query + b"&" + body if body else query
        if media_type != "application/json":
            media_type = "application/x-www-form-urlencoded"
        return await self._telemetry(Protocol.OSMAND, osmand.PROVIDER, media_type, body)

    async def traccar(self, request: Request) -> Response:
        """Take what a Traccar server forwards."""
        return await self._telemetry(
            Protocol.TRACCAR, traccar.PROVIDER, _media_type(request), await self._body(request)
        )

    async def pod(self, request: Request) -> Response:
        """Take a proof of delivery: a multipart form with part `pod` (JSON) and files."""
        async with self._room:
            return await self._take_pod(request)

    async def _take_pod(self, request: Request) -> Response:
        content_type, limits = request.headers.get("content-type", ""), self._pods.limits
        async with _upload():
            submission = await read_submission(content_type, request.stream(), limits)
        with correlated(correlation_id(), _WAIT_S):
            receipt = await self._pods.take(
                self._in_hand,
                POD_PROVIDER,
                FORM_MEDIA_TYPE,
                submission.form,
                submission.files,
                broken=submission.broken,
            )
        answer: dict[str, object] = {
            "pod_id": receipt.pod_id,
            "recorded": receipt.recorded,
            "state": short_name(PodState, receipt.state),
            "inbox": receipt.message.reference,
        }
        if not receipt.recorded:
            answer |= {"state": "STORED", "retry_after_s": _RETRY_S}
            return JSONResponse(answer, 202, {"Retry-After": str(_RETRY_S)})
        return JSONResponse(answer, 200 if receipt.repeated else 201)

    async def _telemetry(self, protocol: Protocol, provider: str, media_type: str, body: bytes) -> Response:
        with correlated(correlation_id(), _WAIT_S):
            verdict = await self._intake.take(self._in_hand, protocol, provider, media_type, body)
        refusals = verdict.refusals
        if refusals and len(refusals) == len(verdict.outcomes):
            raise refusals[0]
        return JSONResponse(_answer(verdict), 200 if verdict.settled else 202)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async with _upload():
            async for chunk in request.stream():
                body.extend(chunk)
                if len(body) > self._most_bytes:
                    raise too_large("the body", self._most_bytes, "send fewer positions in one message")
        return bytes(body)


def build_app(
    intake: Intake,
    pods: PodDesk,
    in_hand: InHand,
    *,
    readiness: Readiness,
    admission: Admission,
    most_bytes: int,
) -> Starlette:
    """Return the ASGI application. `most_bytes` bounds the body of a telemetry message."""
    api = _Api(intake, pods, in_hand, most_bytes)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        missing = readiness()
        return JSONResponse(
            {"status": "not ready" if missing else "ready", "missing": missing}, 503 if missing else 200
        )

    def guarded(endpoint: Endpoint) -> Endpoint:
        return _guarded(endpoint, admission)

    return Starlette(
        routes=[
            Route("/osmand", guarded(api.osmand), methods=["GET", "POST"]),
            Route("/traccar", guarded(api.traccar), methods=["POST"]),
            Route("/pod", guarded(api.pod), methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _not_offered},
    )


async def _not_offered(request: Request, error: Exception) -> Response:
    """Answer what no endpoint answers: an unknown path, or a method that the path does not take."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    detail = f"{request.method} {request.url.path} is not offered; send to /osmand, /traccar or /pod"
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(problem, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _guarded(endpoint: Endpoint, admission: Admission) -> Endpoint:
    """Around every endpoint: correlation, deadline, admission, and refusals as problem documents."""

    async def serve(request: Request) -> Response:
        offered = ((key, value) for key, value in request.headers.items())
        correlation = offered_correlation(offered) or new_id()
        with correlated(correlation):
            try:
                notices = await admission(request)
                response = await endpoint(request)
                response.headers.update(notices)
            except GladhandError as error:
                response = _problem(error, correlation)
            except ClientDisconnect:
                response = _problem(Cancelled("the sender went away before its body was complete"), correlation)
            except Exception:  # noqa: BLE001 - logged; the sender gets a problem document
                _log.exception("a request failed", extra={"facts": {"path": request.url.path}})
                response = _problem(Internal("a fault of this system"), correlation)
        response.headers[CORRELATION_KEY] = correlation
        return response

    return serve


@asynccontextmanager
async def _upload() -> AsyncIterator[None]:
    """Bound the time that a sender takes for its body, so that slow ones do not fill the room of others."""
    try:
        async with asyncio.timeout(_UPLOAD_S):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded(f"the body did not come within {_UPLOAD_S:g} s; send it again") from error


def _problem(error: GladhandError, correlation: str) -> Response:
    problem = to_problem(error, correlation)
    status = _STATUS_BY_REASON.get(error.reason)
    if error.reason == "FILE_REFUSED" and isinstance(error, InvalidArgument) and error.violations:
        status = _STATUS_BY_RULE.get(error.violations[0].rule)
    if status is not None:
        problem |= {"status": status, "title": _TITLES[status]}
    headers = {"WWW-Authenticate": CHALLENGE} if isinstance(error, Unauthenticated) else {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    content = json.dumps(problem, ensure_ascii=False).encode()
    return Response(content, int(str(problem["status"])), headers, MEDIA_TYPE)


def _answer(verdict: Verdict) -> dict[str, object]:
    return {"inbox": verdict.message.reference, "results": [_result(outcome) for outcome in verdict.outcomes]}


def _result(outcome: Outcome) -> dict[str, object]:
    name = short_name(IngestOutcome, outcome.kind)
    result: dict[str, object] = {"outcome": name, "id": outcome.sample_id}
    if outcome.kind == INGEST_OUTCOME_REFUSED and outcome.error is not None:
        result |= {"reason": outcome.error.reason, "detail": outcome.error.message}
    return result


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
