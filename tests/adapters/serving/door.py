"""A server of the guarded contract, and an issuer of good and bad tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gladhand.calls import current_call
from gladhand.security.authorisation import visible_party
from gladhand.server import Running, ServiceProcess
from gladhand.settings import Settings
from tests.adapters.serving.trial import guarded, know_callers


@dataclass
class Guarded:
    """Answers who called; `filling` makes a stream's answers large, `pause_s` holds them apart."""

    filling: bytes = b""
    pause_s: float = 0.0
    sent: int = 0
    ended: int = 0
    """Streams."""

    answered: dict[str, int] = field(default_factory=dict)

    async def Look(self, request: Any, context: Any) -> Any:
        call = current_call()
        self.answered[call.principal] = self.answered.get(call.principal, 0) + 1
        return guarded()[0].LookResponse(caller=call.principal, party=str(visible_party(call.caller) or ""))

    Inspect = Peek = Look

    async def Report(self, request: Any, context: Any) -> Any:
        return guarded()[0].LookResponse(caller=current_call().principal)

    async def Follow(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            while True:
                self.sent += 1
                yield guarded()[0].LookResponse(filling=self.filling)
                if self.pause_s:
                    await asyncio.sleep(self.pause_s)
        finally:
            self.ended += 1


@asynccontextmanager
async def guarding(servicer: Guarded | None = None, **settings: Any) -> AsyncIterator[Running]:
    """Serve the guarded contract."""

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(guarded()[1].add_GuardedServiceServicer_to_server, servicer or Guarded())
        know_callers(process)

    values = {"grace_s": 2.0, "insecure": False, **settings}
    async with ServiceProcess("guarded", Settings(**values)).serving(build) as running:
        yield running


@asynccontextmanager
async def asking(servicer: Guarded | None = None, **settings: Any) -> AsyncIterator[Any]:
    """Serve the guarded contract, and give a stub over a channel that knows nothing of us."""
    async with guarding(servicer, **settings) as running, grpc.aio.insecure_channel(running.target) as channel:
        yield guarded()[1].GuardedServiceStub(channel)


class Issuer:
    """Signs tokens with a key that its key set holds, and with others."""

    def __init__(self, folder: Path) -> None:
        self.jwks = folder / "jwks.json"
        self.key = Ed25519PrivateKey.generate()
        self.rsa_key = rsa.generate_private_key(65537, 2048)
        self.entries = [published(self.key, "k1"), published(self.rsa_key, "k2")]
        self.publish()

    def publish(self) -> None:
        fresh = self.jwks.with_suffix(".new")
        fresh.write_text(json.dumps({"keys": self.entries}))
        fresh.replace(self.jwks)

    def token(self, *, key: Any = None, algorithm: str = "EdDSA", kid: str | None = "k1", **claims: Any) -> str:
        """Sign a good token; claims replace its own, and None takes one away."""
        now = datetime.now(UTC)
        full = {
            "iss": "gladhand",
            "sub": "ann",
            "aud": "gladhand.internal",
            "scope": "guarded.read",
            "iat": now,
            "exp": now + timedelta(minutes=5),
        } | claims
        headers = {"kid": kid} if kid is not None else None
        payload = {name: value for name, value in full.items() if value is not None}
        return jwt.encode(payload, self.key if key is None else key, algorithm, headers=headers)


def published(key: Any, kid: str) -> dict[str, Any]:
    """The public half of a key as it stands in a key set."""
    algorithm: Any = jwt.algorithms.OKPAlgorithm if isinstance(key, Ed25519PrivateKey) else jwt.algorithms.RSAAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)
