"""The door of a process: authentication, authorisation, throttling and life stage, in this order, for every call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import grpc

from gladhand.calls import Call
from gladhand.clock import SystemClock
from gladhand.errors import ResourceFull
from gladhand.policy import MethodContract
from gladhand.security import key_ring
from gladhand.security.authentication import Authentication
from gladhand.security.authorisation import permit
from gladhand.security.identities import beside, by_spiffe_id
from gladhand.security.key_ring import KeyRing
from gladhand.security.life_stage import LifeStages, Notice
from gladhand.security.principal import ANYBODY, Principal, Proof
from gladhand.security.rates import Buckets, class_name
from gladhand.security.tokens import TokenVerifier
from gladhand.settings import Settings

__all__ = ["Gate"]

_log = logging.getLogger(__name__)


class Gate:
    """Lets calls in. An admission step of the chain, and the same rules for requests that come over HTTP."""

    def __init__(
        self, authentication: Authentication, buckets: Buckets, stages: LifeStages, *, keys: KeyRing | None = None
    ) -> None:
        """`keys` are those of `authentication`, to be kept current by whoever runs the process."""
        self.keys = keys
        self._authentication = authentication
        self._buckets = buckets
        self._stages = stages

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings, served: Iterable[str], *, certified: bool) -> AsyncIterator[Gate]:
        """Open the gate that the settings ask for, to the services `served` (full names).

        `certified` says that connections are TLS, so that peers may have certificates. Raises SettingsError where the
        key set is not usable.
        """
        anybody = _anybody(settings, certified=certified)
        identities = by_spiffe_id(beside(served), settings.trust_domain) if certified else {}
        rates = {rate_class: rate.share(settings.service_replicas) for rate_class, rate in settings.rates.items()}
        stages = LifeStages(_today, refuse_sunset=settings.refuse_sunset)
        if settings.jwks is None:
            yield cls(Authentication(None, identities, anybody=anybody), Buckets(rates), stages)
            return
        async with key_ring.opened(settings.jwks) as keys:
            tokens = TokenVerifier(keys, settings.token_issuer, settings.clock_skew_s)
            yield cls(Authentication(tokens, identities), Buckets(rates), stages, keys=keys)

    def __call__(self, call: Call, context: grpc.aio.ServicerContext[Any, Any]) -> Awaitable[None] | None:
        """Let a call in, naming its caller on it. Raises what the steps refuse it with."""
        caller = self._authentication.caller(call.metadata, context)
        if isinstance(caller, Principal):
            self._enter(call, caller)
            return None
        return self._enter_later(call, caller)

    def identify(self, context: grpc.aio.ServicerContext[Any, Any]) -> Principal | Awaitable[Principal]:
        """Return who calls, or something to wait for, for services outside of the contract. Raises Unauthenticated."""
        return self._authentication.caller(context.invocation_metadata() or (), context)

    async def admit(self, method: MethodContract, token: str | None) -> tuple[Principal, tuple[Notice, ...]]:
        """Let a request over HTTP in as if it called `method`; return its caller and what to tell it in headers.

        `token` is None where it carries none. Raises what the steps refuse it with.
        """
        found = self._authentication.nobody() if token is None else self._authentication.token(token)
        caller = found if isinstance(found, Principal) else await found
        return caller, self._judge(method, caller)

    async def _enter_later(self, call: Call, caller: Awaitable[Principal]) -> None:
        self._enter(call, await caller)

    def _enter(self, call: Call, caller: Principal) -> None:
        call.caller = caller
        call.principal = caller.name
        if caller.until is not None and call.method.server_streaming:
            call.known_until = asyncio.get_running_loop().time() + caller.until - time.time()
        call.trailing.extend(self._judge(call.method, caller))

    def _judge(self, method: MethodContract, caller: Principal) -> tuple[Notice, ...]:
        permit(method, caller)
        if caller.proof is not Proof.NOTHING and not caller.is_service:
            wait_s = self._buckets.take(caller.name, method.rate_class, time.monotonic())
            if wait_s:
                raise _too_often(method, wait_s)
        return self._stages.notices(method, caller.name)


def _anybody(settings: Settings, *, certified: bool) -> Principal | None:
    """Return who stands for callers without proof: nobody, unless no kind of proof could be given at all."""
    if certified or settings.jwks is not None or not settings.insecure:
        return None
    _log.warning("INSECURE: no caller is asked for a proof, everybody on this machine may do everything")
    return ANYBODY


def _today() -> date:
    return SystemClock().now().date()


def _too_often(method: MethodContract, wait_s: float) -> ResourceFull:
    name = class_name(method.rate_class)
    return ResourceFull(
        f"the caller used up its share of {name} calls; call again in {wait_s:.3f} s",
        reason="RATE_LIMITED",
        metadata={"rate_class": name, "method": method.path},
        retry_after_s=wait_s,
    )
