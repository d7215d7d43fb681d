"""Public keys that tokens are verified with, out of a JSON Web Key Set (RFC 7517) (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["ALGORITHMS", "KeySetError", "VerifyingKey", "read_keys"]

ALGORITHMS: Final = frozenset({"EdDSA", "RS256"})
"""The only ones that are taken: both need a private key to sign, so a public key is never a secret to sign with."""

_LEAST_RSA_BITS: Final = 2048
_MOST_BYTES: Final = 1 << 20
_MOST_KEYS: Final = 100


class KeySetError(ValueError):
    """What was read is no key set that can be used; the message says why."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key with the one algorithm that it verifies."""

    kid: str
    algorithm: str
    key: Any


def read_keys(raw: bytes) -> Mapping[str, VerifyingKey]:
    """Return the keys of a set by their `kid`. Keys of other kinds, and those for encryption, are passed over.

    Raises KeySetError where it is no key set, holds a private key, or no key that can be used.
    """
    if len(raw) > _MOST_BYTES:
        raise KeySetError(f"it has {len(raw)} bytes, more than {_MOST_BYTES}")
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise KeySetError("it is no JSON") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise KeySetError(f'it is no {{"keys": [...]}} of at most {_MOST_KEYS} keys')
    found = [key for entry in listed if isinstance(entry, dict) and (key := _read(entry)) is not None]
    if not found:
        raise KeySetError("it holds no Ed25519 key and no RSA key of 2048 bits or more with a kid")
    return {key.kid: key for key in found}


def _read(entry: Mapping[str, Any]) -> VerifyingKey | None:
    kid, kind = entry.get("kid"), entry.get("kty")
    if kind not in {"OKP", "RSA"} or not isinstance(kid, str) or not kid or entry.get("use", "sig") != "sig":
        return None
    if "d" in entry:
        raise KeySetError(f"its key {kid!r} is private; publish the public half alone, and make a new key")
    algorithm = "EdDSA" if kind == "OKP" else "RS256"
    if entry.get("alg", algorithm) not in {algorithm, "Ed25519"}:
        return None
    try:
        key = jwt.PyJWK(dict(entry), algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise KeySetError(f"its key {kid!r} cannot be read: {error}") from error
    if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return VerifyingKey(kid, algorithm, key)
    return VerifyingKey(kid, algorithm, key) if isinstance(key, Ed25519PublicKey) else None
