"""Who is at the other end of a call, as its certificate proves."""

from __future__ import annotations

from typing import Any

import grpc

from gladhand.security.names import TRUST_DOMAIN, identity_in

__all__ = ["peer_identity"]

_KEY = "peer_spiffe_id"
"""Where gRPC puts the URI of a verified certificate. `peer_identities()` is every name of it, hosts among them."""


def peer_identity(context: grpc.aio.ServicerContext[Any, Any], trust_domain: str = TRUST_DOMAIN) -> str | None:
    """Return the caller's identity, for example `orchestrator`.

    None where the call came by the token port or without TLS, where nobody was asked for a certificate, and where the
    certificate is good but of another trust domain.
    """
    found = context.auth_context().get(_KEY, ())
    return identity_in((each.decode("utf-8", "replace") for each in found), trust_domain)
