"""What identities and issuers are called: the URI of a certificate, the host name that a client demands (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["ISSUER", "OPERATOR", "TRUST_DOMAIN", "host_name", "identity_in", "is_identity", "spiffe_uri"]

TRUST_DOMAIN: Final = "gladhand.local"
"""The trust domain where none is set."""

OPERATOR: Final = "operator"
"""The identity of the command line. The identities of services are declared in the contract."""

ISSUER: Final = "gladhand"
"""The `iss` of the tokens of a mesh that issues its own, and the one that is trusted where nothing else is set."""

is_identity = re.compile(r"[a-z][a-z0-9_]{0,62}").fullmatch
"""Whether a text may be an identity (ServicePolicy.identity)."""


def spiffe_uri(identity: str, trust_domain: str = TRUST_DOMAIN) -> str:
    """The URI that a certificate of `identity` carries as its subject alternative name."""
    return f"spiffe://{trust_domain}/{identity}"


def host_name(identity: str, trust_domain: str = TRUST_DOMAIN) -> str:
    """The DNS name that a certificate of `identity` carries too: gRPC's clients check nothing else of a server.

    A host name holds no underscore, and an identity no hyphen, so that no two identities share a name.
    """
    return f"{identity.replace('_', '-')}.{trust_domain}"


def identity_in(uris: Iterable[str], trust_domain: str = TRUST_DOMAIN) -> str | None:
    """The identity that a certificate with these URIs proves; None where it is of another domain, or not just one."""
    found = tuple(uris)
    if len(found) != 1:
        return None
    identity = found[0].removeprefix(f"spiffe://{trust_domain}/")
    return identity if identity != found[0] and is_identity(identity) else None
