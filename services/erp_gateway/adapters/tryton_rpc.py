"""One session with a Tryton server over JSON-RPC.

One login serves all calls (a login costs an argon2 hash, and every wrong one makes the server answer slower, ERP
reference A.3). Reads are repeated a bounded number of times with jittered backoff; writes only where the server
certainly did not run them. Whether a write with an unknown outcome happened is the caller's to look up.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import httpx

from gladhand.errors import ResourceFull, Unavailable
from gladhand.passage import Passage
from services.erp_gateway.adapters.tryton_errors import (
    AmbiguousError,
    BusyError,
    CredentialsRefusedError,
    HeldBackError,
    NotSentError,
    SessionExpiredError,
    ThrottledError,
)
from services.erp_gateway.adapters.tryton_wire import JSON, decode_answer, encode_call, form_values

_READ_ATTEMPTS = 4
_WRITE_ATTEMPTS = 3
_BACKOFF_BASE_S = 0.1
_BACKOFF_CAP_S = 2.0
MOST_CALLS = 32
"""Calls at once: four run, by as many connections, the others wait their turn."""

_LOGIN_HOLD_BASE_S = 2.0
_LOGIN_HOLD_CAP_S = 120.0

_READ_METHODS = frozenset(
    {
        "search",
        "read",
        "search_read",
        "search_count",
        "fields_get",
        "get_preferences",
        "get_id",
        "on_change",
        "default_get",
    }
)


@dataclass(frozen=True, slots=True)
class TrytonLogin:
    """Where the server is and who logs in. ``timeout_s`` bounds one call, from sending to the last byte.

    ``trust`` says whose certificates an https server may show; None: those that this machine trusts.
    """

    base_url: str
    database: str
    user: str
    password: str
    language: str = "en"
    timeout_s: float = 60.0
    trust: ssl.SSLContext | None = None


class TrytonSession:
    """A logged-in client. Use as an async context manager, or call ``close``.

    ``sleep``, ``monotonic`` and ``jitter`` exist so that tests decide about time and chance; ``jitter`` returns a
    factor in 0..1.
    """

    def __init__(
        self,
        login: TrytonLogin,
        *,
        passage: Passage | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._login = login
        self._passage = passage or Passage(login.base_url, MOST_CALLS)
        self._sleep = sleep
        self._monotonic = monotonic
        self._jitter = jitter
        self._http: httpx.AsyncClient | None = None
        self._ids = itertools.count(1)
        self._login_lock = asyncio.Lock()
        self._authorization: str | None = None
        self._preferences: dict[str, Any] = {}
        self._user_id = 0
        self._failed_logins = 0
        self._no_login_before = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def user_id(self) -> int:
        """The logged-in user's id; 0 before the first call."""
        return self._user_id

    @property
    def context(self) -> Mapping[str, Any]:
        """The user's preferences, which Tryton expects as the context of every call."""
        return self._preferences

    async def close(self) -> None:
        """Close the connections. The server-side session is left to expire, so that a restart needs no login race."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # ---- calls -------------------------------------------------------------------------------------------------

    async def model(self, model: str, method: str, *params: object, context: Mapping[str, Any] | None = None) -> JSON:
        """Call ``model.<model>.<method>``; the context (preferences plus ``context``) is added as last parameter.

        Raises any class of ``tryton_errors``. Methods known to only read are retried, others only where the server
        did not run them.
        """
        await self._ensure_login()
        safe = method in _READ_METHODS

        async def once() -> JSON:
            return await self._authorized(
                f"model.{model}.{method}", [*params, {**self._preferences, **(context or {})}]
            )

        return await self._with_retry(once, safe=safe)

    async def search_read(
        self,
        model: str,
        domain: Sequence[object],
        fields: Sequence[str],
        *,
        offset: int = 0,
        limit: int | None = None,
        order: Sequence[Sequence[str]] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Records that match ``domain``, with the wanted fields (dots follow references)."""
        rows: list[dict[str, Any]] = await self.model(
            model, "search_read", domain, offset, limit, order, list(fields), context=context
        )
        return rows

    async def read(
        self, model: str, ids: Sequence[int], fields: Sequence[str], *, context: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Records by id, in the order of ``ids``. An empty list of ids costs no call."""
        if not ids:
            return []
        rows: list[dict[str, Any]] = await self.model(model, "read", list(ids), list(fields), context=context)
        by_id = {row["id"]: row for row in rows}
        return [by_id[record_id] for record_id in ids if record_id in by_id]

    async def create(
        self, model: str, *values: Mapping[str, Any], context: Mapping[str, Any] | None = None
    ) -> list[int]:
        """Create records. Runs no on_change: every needed value must be given (A.4 rule 1)."""
        ids: list[int] = await self.model(model, "create", [dict(value) for value in values], context=context)
        return ids

    async def write(
        self, model: str, ids: Sequence[int], values: Mapping[str, Any], *, context: Mapping[str, Any] | None = None
    ) -> None:
        """Write the same values on all ``ids``."""
        await self.model(model, "write", list(ids), dict(values), context=context)

    async def wizard(
        self, name: str, steps: Callable[[WizardForm], Awaitable[None]], *, record: tuple[str, int] | None = None
    ) -> None:
        """Open wizard ``name`` (on ``record`` = (model, id) where given), run ``steps``, and always delete it."""
        await self._ensure_login()
        context = dict(self._preferences)
        if record is not None:
            model, record_id = record
            context |= {"active_model": model, "active_id": record_id, "active_ids": [record_id]}
        session_id, start, _end = await self._authorized(f"wizard.{name}.create", [context])
        form = WizardForm(self, name, session_id, context)
        try:
            await form.go(start)
            await steps(form)
        finally:
            await self._authorized(f"wizard.{name}.delete", [session_id, context])

    async def refresh_preferences(self) -> None:
        """Read the context anew, needed after the user's company or warehouse changed."""
        await self._ensure_login()
        self._preferences = await self._authorized("model.res.user.get_preferences", [True, {}])

    async def execute_wizard(
        self, name: str, session_id: int, values: Mapping[str, Any], state: str, context: Mapping[str, Any]
    ) -> JSON:
        """One wizard step; use ``wizard`` instead of calling this."""
        return await self._authorized(f"wizard.{name}.execute", [session_id, dict(values), state, dict(context)])

    # ---- session ------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._monotonic() if self._monotonic is not None else asyncio.get_running_loop().time()

    async def _ensure_login(self) -> None:
        if self._authorization is not None:
            return
        async with self._login_lock:
            if self._authorization is None:
                await self._log_in()

    async def _log_in(self) -> None:
        """Log in once. After a refusal no login is sent for an ever longer time (throttle trap, A.3).

        Raises ``CredentialsRefusedError`` for a refusal, ``ThrottledError`` while held back.
        """
        wait = self._no_login_before - self._now()
        if wait > 0:
            raise ThrottledError("held back after a refused login", wait)
        params = [self._login.user, {"password": self._login.password}, self._login.language]

        async def once() -> JSON:
            return await self._post("common.db.login", params, authorization=None)

        try:
            answer = await self._with_retry(once, safe=True)
        except SessionExpiredError as error:
            self._hold_logins()
            raise CredentialsRefusedError(
                f"Tryton refused user {self._login.user!r} of database {self._login.database!r}; check the credentials"
            ) from error
        except ThrottledError:
            self._hold_logins()
            raise
        user_id, token = answer[0], answer[1]
        self._failed_logins = 0
        raw = f"{self._login.user}:{user_id}:{token}".encode()
        authorization = "Session " + base64.b64encode(raw).decode("ascii")
        self._preferences = await self._post("model.res.user.get_preferences", [True, {}], authorization=authorization)
        self._user_id = user_id
        self._authorization = authorization

    def _hold_logins(self) -> None:
        self._failed_logins += 1
        hold = min(_LOGIN_HOLD_CAP_S, _LOGIN_HOLD_BASE_S * 2 ** (self._failed_logins - 1))
        self._no_login_before = self._now() + hold * (1 + self._jitter())

    async def _authorized(self, method: str, params: Sequence[object]) -> JSON:
        """A call in the session; a lost session is renewed once, since a 401 means that nothing was run."""
        authorization = self._authorization
        try:
            return await self._post(method, params, authorization=authorization)
        except SessionExpiredError:
            async with self._login_lock:
                if self._authorization == authorization:
                    self._authorization = None
                    await self._log_in()
            return await self._post(method, params, authorization=self._authorization)

    async def _with_retry(self, once: Callable[[], Awaitable[JSON]], *, safe: bool) -> JSON:
        repeatable = (NotSentError, BusyError, AmbiguousError) if safe else (NotSentError,)
        attempts = _READ_ATTEMPTS if safe else _WRITE_ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                return await once()
            except HeldBackError:
                raise
            except repeatable:
                if attempt == attempts:
                    raise
                ceiling = min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2**attempt)
                await self._sleep(ceiling * self._jitter())
        raise AssertionError("the loop above returns or raises")

    # ---- transport -----------------------------------------------------------------------------------------------

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._login.base_url,
                headers={"Accept-Encoding": "gzip", "Content-Type": "application/json"},
                limits=httpx.Limits(max_connections=4, max_keepalive_connections=4, keepalive_expiry=10.0),
                timeout=httpx.Timeout(self._login.timeout_s, connect=5.0),
                trust_env=False,
                verify=self._login.trust or True,
            )
        return self._http

    async def _post(self, method: str, params: Sequence[object], *, authorization: str | None) -> JSON:
        path = f"/{quote(self._login.database)}/rpc/"
        headers = {"Authorization": authorization} if authorization else {}
        body = encode_call(next(self._ids), method, params)
        try:
            with self._passage.crossed(_judged):
                status, answer_headers, raw = await self._exchange(path, method, body, headers)
        except (Unavailable, ResourceFull) as refusal:
            raise HeldBackError(refusal.message, refusal.retry_after_s or 1.0) from refusal
        return decode_answer(status, answer_headers, raw)

    async def _exchange(
        self, path: str, method: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        try:
            async with (
                asyncio.timeout(self._login.timeout_s),
                self._client().stream("POST", path, content=body, headers=headers) as response,
            ):
                # raw bytes: the gzip label lies, see tryton_wire
                raw = b"".join([chunk async for chunk in response.aiter_raw()])
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSentError(f"no connection to {self._login.base_url}: {error}") from error
        except (TimeoutError, httpx.HTTPError) as error:
            raise AmbiguousError(f"{method}: {type(error).__name__} {error}".rstrip()) from error
        return response.status_code, response.headers, raw


def _judged(fault: BaseException) -> tuple[str, bool | None]:
    """What a failed exchange says of the server: that it was not there, or nothing."""
    if isinstance(fault, NotSentError):
        return "UNAVAILABLE", False
    return ("DEADLINE_EXCEEDED", False) if isinstance(fault, AmbiguousError) else ("CANCELLED", None)


class WizardForm:
    """An open wizard: the forms' values by state, and the step to the next state."""

    def __init__(self, session: TrytonSession, name: str, session_id: int, context: Mapping[str, Any]) -> None:
        self._session = session
        self._name = name
        self._session_id = session_id
        self._context = context
        self.values: dict[str, dict[str, Any]] = {}

    async def go(self, state: str) -> JSON:
        """Execute ``state`` with the values so far; the defaults of the form that opens join ``values``."""
        answer = await self._session.execute_wizard(self._name, self._session_id, self.values, state, self._context)
        view = (answer or {}).get("view")
        if view:
            self.values.setdefault(view["state"], {}).update(form_values(view))
        return answer
