"""Who calls: by the token in the call's metadata, else by the certificate of the connection."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Final

from gladhand.errors import Unauthenticated
from gladhand.security.principal import Principal
from gladhand.security.tokens import TokenVerifier

__all__ = ["AUTHORIZATION", "Authentication"]

AUTHORIZATION: Final = "authorization"
"""Metadata key (and HTTP header) of the token."""

_SPIFFE_ID: Final = "peer_spiffe_id"
"""What gRPC calls the one URI SAN of SPIFFE form of a verified peer's certificate."""


class Authentication:
    """Names the caller of each call. Answers from memory, but for a token whose key is not known yet.

    A token beats the certificate of its connection: it names for whom the process at the other end acts, and the call
    may do what that person may and no more. A bad token is refused even on a good certificate.
    """

    def __init__(
        self, tokens: TokenVerifier | None, identities: Mapping[bytes, Principal], *, anybody: Principal | None = None
    ) -> None:
        """`identities` are the principals by SPIFFE id; `anybody` stands for callers without proof, None for nobody.

        Without `tokens` none are taken: they are refused, or where `anybody` may call, not looked at.
        """
        self._tokens = tokens
        self._identities = identities
        self._anybody = anybody

    def caller(self, metadata: Iterable[tuple[str, str | bytes]], context: Any) -> Principal | Awaitable[Principal]:
        """Return who calls, or something to wait for it. Raises Unauthenticated, Unavailable."""
        for key, value in metadata:
            if key == AUTHORIZATION:
                return self.bearer(value if isinstance(value, str) else "")
        if self._identities:
            proven = context.auth_context().get(_SPIFFE_ID)
            if proven:
                known = self._identities.get(proven[0])
                if known is None:
                    raise Unauthenticated("the certificate names no identity of this mesh")
                return known
        return self.nobody()

    def bearer(self, header: str) -> Principal | Awaitable[Principal]:
        """Return who is behind an `authorization` header. Raises as `caller` does."""
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != "bearer":
            if self._tokens is None and self._anybody is not None:
                return self._anybody
            raise Unauthenticated("send the token as authorization: Bearer and the token")
        return self.token(token.strip())

    def token(self, token: str) -> Principal | Awaitable[Principal]:
        """Return who carries a token. Raises as `caller` does."""
        if self._tokens is not None:
            return self._tokens.principal(token)
        if self._anybody is not None:
            return self._anybody
        raise Unauthenticated("no tokens are taken here; use a certificate of the mesh, or set GLADHAND_JWKS")

    def nobody(self) -> Principal:
        """Return who calls without any proof. Raises Unauthenticated where that is nobody."""
        if self._anybody is not None:
            return self._anybody
        if self._tokens is None:
            raise Unauthenticated("who calls is not known; use a certificate of the mesh")
        raise Unauthenticated("who calls is not known; send authorization: Bearer and a token, or use a certificate")
