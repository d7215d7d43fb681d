"""Signed tokens (RFC 7519, RFC 9068): who carries one, and what it says."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import jwt

from gladhand.errors import Unauthenticated
from gladhand.security.jwks import ALGORITHMS, VerifyingKey
from gladhand.security.key_ring import KeyRing
from gladhand.security.principal import AUDIENCES, Party, Principal, Proof
from logistics.contract.v1.method_pb2 import AUDIENCE_INTERNAL

__all__ = ["TokenVerifier", "judge", "principal_of", "unverified_header"]

_MOST_CHARACTERS: Final = 8192
_MOST_NAME: Final = 200
_REQUIRED: Final = ("exp", "iss", "aud", "sub")


class _Verified(NamedTuple):
    principal: Principal
    until: float
    """Seconds since 1970 from which the token is not taken any more, the skew included."""


class TokenVerifier:
    """Verifies tokens and remembers the verdict of good ones, at most `most` of them, until they expire.

    Tokens live in real time, not in the mesh's, which may run ahead.
    """

    def __init__(
        self,
        keys: KeyRing,
        issuer: str,
        skew_s: float,
        *,
        most: int = 8192,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`skew_s` is by how much the clocks of issuer and mesh may differ; `now` gives seconds since 1970."""
        self._keys = keys
        self._issuer = issuer
        self._skew_s = skew_s
        self._most = most
        self._now = now
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._generation = -1

    def principal(self, token: str) -> Principal | Awaitable[Principal]:
        """Return who carries the token; only where its key has to be looked for, something to wait for.

        Raises Unauthenticated (TOKEN_EXPIRED, TOKEN_INVALID), and Unavailable where there are no keys.
        """
        if self._generation != self._keys.generation:
            self._verified.clear()
            self._generation = self._keys.generation
        # The token itself is not kept: whoever reads the memory of the process must not find it there.
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            late_s = self._now() - known.until
            if late_s < 0:
                return known.principal
            del self._verified[digest]
            raise _expired(late_s + self._skew_s)
        kid = unverified_header(token)["kid"]
        key = self._keys.find(kid)
        if key is None and self._keys.may_seek():
            return self._sought(token, digest, kid)
        return self._verify(token, digest, key)

    async def _sought(self, token: str, digest: bytes, kid: str) -> Principal:
        return self._verify(token, digest, await self._keys.seek(kid))

    def _verify(self, token: str, digest: bytes, key: VerifyingKey | None) -> Principal:
        claims = judge(token, key, self._issuer, self._skew_s, self._now)
        until = float(claims["exp"]) + self._skew_s
        principal = replace(principal_of(claims), until=until)
        self._verified[digest] = _Verified(principal, until)
        if len(self._verified) > self._most:
            self._verified.popitem(last=False)
        return principal


def unverified_header(token: str) -> Mapping[str, Any]:
    """Return the header of a token that may be verified here: its algorithm is taken and it names its key.

    Raises Unauthenticated (TOKEN_INVALID).
    """
    if len(token) > _MOST_CHARACTERS:
        raise _invalid("form", f"the token is longer than {_MOST_CHARACTERS} characters")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise _invalid("form", "the token cannot be read; send authorization: Bearer and a signed JWT") from error
    if header.get("alg") not in ALGORITHMS:
        raise _invalid("algorithm", "the token's algorithm is not taken; sign with EdDSA or RS256")
    if not isinstance(header.get("kid"), str):
        raise _invalid("kid", "the token does not name its key; set kid in its header")
    return header


def judge(
    token: str, key: VerifyingKey | None, issuer: str, skew_s: float, now: Callable[[], float] = time.time
) -> Mapping[str, Any]:
    """Return the claims of a token that `key` verifies. Raises Unauthenticated saying in one line what is wrong."""
    header = unverified_header(token)
    if key is None:
        raise _invalid("kid", "the token is signed with a key that is not known here, or not any more")
    if header["alg"] != key.algorithm:
        raise _invalid("algorithm", "the token's algorithm is not that of its key")
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=list(AUDIENCES),
            issuer=issuer,
            leeway=skew_s,
            options={"require": list(_REQUIRED)},
        )
    except jwt.ExpiredSignatureError as error:
        # The signature was good, or PyJWT would have said so first.
        late_s = now() - float(jwt.decode(token, options={"verify_signature": False})["exp"])
        raise _expired(late_s) from error
    except jwt.MissingRequiredClaimError as error:
        raise _invalid("claims", f"the token lacks {error.claim}") from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise _told(error) from error
    return claims


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """Return who is behind verified claims. Raises Unauthenticated where they are not what the contract says."""
    name, scope, party = claims["sub"], claims.get("scope", ""), claims.get("party")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _MOST_NAME:
        raise _invalid("claims", f"the token's sub is no name of 1 to {_MOST_NAME} characters")
    if not isinstance(scope, str):
        raise _invalid("claims", "the token's scope is no text with spaces between")
    named = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    audiences = frozenset(AUDIENCES[each] for each in named if each in AUDIENCES)
    if party is None:
        return Principal(name, Proof.TOKEN, frozenset(scope.split()), audiences)
    try:
        limit = Party.parse(party)
    except (ValueError, TypeError) as error:
        raise _invalid("claims", "the token's party is not system:value") from error
    # Whoever is limited to a party is never internal, whatever stands in `aud`.
    return Principal(name, Proof.TOKEN, frozenset(scope.split()), audiences - {int(AUDIENCE_INTERNAL)}, limit)


_CHECKS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (jwt.InvalidSignatureError, "signature", "the token's signature is not that of its key"),
    (jwt.ImmatureSignatureError, "not_before", "the token is not valid yet; compare the clocks"),
    (jwt.InvalidAudienceError, "audience", f"the token is for somebody else; its aud must be {' or '.join(AUDIENCES)}"),
    (jwt.InvalidIssuerError, "issuer", "the token comes from an issuer that is not trusted here"),
    (jwt.DecodeError, "form", "the token cannot be read; send authorization: Bearer and a signed JWT"),
)


def _told(error: Exception) -> Unauthenticated:
    for kind, check, message in _CHECKS:
        if isinstance(error, kind):
            return _invalid(check, message)
    return _invalid("claims", "the token's claims are not of the form that RFC 7519 gives them")


def _expired(late_s: float) -> Unauthenticated:
    seconds = max(0, round(late_s))
    return Unauthenticated(
        f"the token expired {seconds} s ago; get a new one",
        reason="TOKEN_EXPIRED",
        metadata={"expired_s_ago": str(seconds)},
    )


def _invalid(check: str, message: str) -> Unauthenticated:
    return Unauthenticated(message, reason="TOKEN_INVALID", metadata={"check": check})
