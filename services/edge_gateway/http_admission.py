"""Who may send over HTTP: the rules of the RPC that an endpoint stands for, by a token in the request's headers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from gladhand.errors import Unauthenticated
from gladhand.policy import MethodContract, read_contracts
from gladhand.security.authentication import AUTHORIZATION
from gladhand.security.gate import Gate
from logistics.edge.v1 import edge_ingest_service_pb2

__all__ = ["CHALLENGE", "HttpAdmission", "token_in"]

CHALLENGE: Final = 'Bearer realm="gladhand", Basic realm="gladhand"'
"""How a request without a good token may prove itself (RFC 9110 section 11.6.1)."""

_SERVICE: Final = "/logistics.edge.v1.EdgeIngestService"
_METHODS: Final = {
    "/osmand": f"{_SERVICE}/IngestPositions",
    "/traccar": f"{_SERVICE}/IngestPositions",
    "/pod": f"{_SERVICE}/SubmitProofOfDelivery",
}
"""The RPC that does what an endpoint does; its policy holds for both."""


class HttpAdmission:
    """Lets a request in as the gate of the process lets in a call, before its body is read."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        contracts = read_contracts(edge_ingest_service_pb2.DESCRIPTOR.services_by_name.values())
        self._methods: Mapping[str, MethodContract] = {path: contracts[name] for path, name in _METHODS.items()}

    async def __call__(self, request: Request) -> Mapping[str, str]:
        """Return headers for the answer. Raises Unauthenticated, PermissionDenied, ResourceFull, Unsupported."""
        token = token_in(request.headers.get(AUTHORIZATION, ""))
        _caller, notices = await self._gate.admit(self._methods[request.url.path], token)
        return dict(notices)


def token_in(header: str) -> str | None:
    """Return the token in an `authorization` header, None where there is none.

    Basic carries it as the password, under any name: some devices take nothing but a URL with both in it. Raises
    Unauthenticated where it is neither.
    """
    scheme, _, value = header.strip().partition(" ")
    if not scheme:
        return None
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            _name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise _neither() from error
        if colon:
            return password
    raise _neither()


def _neither() -> Unauthenticated:
    return Unauthenticated(
        "send the token as authorization: Bearer and the token, or as the password of Basic",
        reason="TOKEN_INVALID",
        metadata={"check": "form"},
    )
