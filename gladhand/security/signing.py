"""The signing key of a mesh that issues its own tokens, in a folder with tight modes, and what is signed with it."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gladhand.errors import StartRefused
from gladhand.ids import new_id
from gladhand.security.principal import Party
from gladhand.security.private_files import write_private

__all__ = ["KEY_SET", "Grant", "SigningKey", "ensure_signing_key", "rotate_signing_key"]

KEY_SET: Final = "jwks.json"
_KEY: Final = "key.pem"
_LOCK: Final = "lock"
_MOST_KEYS: Final = 3
"""The key in force and the two before it: a token that outlives two rotations is not taken any more."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is to say."""

    subject: str
    scopes: Sequence[str]
    audiences: Sequence[str]
    """Values of `aud`, for example `gladhand.partner`."""

    lifetime: timedelta
    party: Party | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key; its id is its thumbprint (RFC 7638)."""

    key: Ed25519PrivateKey

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the key in force from a folder. Raises StartRefused naming the remedy."""
        path = folder / _KEY
        try:
            found = load_pem_private_key(path.read_bytes(), None)
        except FileNotFoundError as error:
            raise StartRefused(f"no signing key in {folder}") from error
        except (OSError, ValueError, TypeError) as error:
            raise StartRefused(f"the signing key {path} cannot be read: {type(error).__name__}") from error
        if not isinstance(found, Ed25519PrivateKey):
            raise StartRefused(f"the signing key {path} is no Ed25519 key")
        return cls(found)

    @property
    def kid(self) -> str:
        """What names the key in a token's header."""
        return str(self.public_entry()["kid"])

    def public_entry(self) -> Mapping[str, str]:
        """Return the public half as it stands in a key set."""
        return _entry(self.key.public_key())

    def issue(self, grant: Grant, issuer: str, now: datetime) -> str:
        """Return a signed token that is good from `now` on."""
        claims: dict[str, Any] = {
            "iss": issuer,
            "sub": grant.subject,
            "aud": list(grant.audiences),
            "scope": " ".join(grant.scopes),
            "iat": int(now.timestamp()),
            "exp": int((now + grant.lifetime).timestamp()),
            "jti": new_id(),
        }
        if grant.party is not None:
            claims["party"] = str(grant.party)
        return jwt.encode(claims, self.key, "EdDSA", headers={"kid": self.kid, "typ": "at+jwt"})


def ensure_signing_key(folder: Path) -> Path:
    """Make signing key and key set where there are none yet, and return the path of the key set. Raises OSError."""
    with _held(folder):
        if not (folder / _KEY).exists() or not (folder / KEY_SET).exists():
            _put_in_force(folder, Ed25519PrivateKey.generate())
    return folder / KEY_SET


def rotate_signing_key(folder: Path) -> SigningKey:
    """Sign with a new key from now on; tokens of the two keys before it stay good. Raises OSError, StartRefused."""
    SigningKey.load(folder)
    with _held(folder):
        return _put_in_force(folder, Ed25519PrivateKey.generate())


def _put_in_force(folder: Path, made: Ed25519PrivateKey) -> SigningKey:
    signing = SigningKey(made)
    # First the key set: no token is signed with a key that nobody can verify.
    entries = [signing.public_entry(), *_published(folder / KEY_SET)][:_MOST_KEYS]
    write_private(folder, {KEY_SET: json.dumps({"keys": entries}, indent=2).encode() + b"\n"})
    write_private(folder, {_KEY: made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())})
    return signing


def _published(path: Path) -> list[Mapping[str, str]]:
    try:
        found: list[Mapping[str, str]] = json.loads(path.read_bytes())["keys"]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise StartRefused(f"{path} is no key set; move it away") from error
    return found


def _entry(key: Ed25519PublicKey) -> Mapping[str, str]:
    point = _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    required = {"crv": "Ed25519", "kty": "OKP", "x": point}
    thumbprint = hashlib.sha256(json.dumps(required, sort_keys=True, separators=(",", ":")).encode()).digest()
    return {**required, "use": "sig", "alg": "EdDSA", "kid": _base64url(thumbprint)}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """One process at a time writes here. The folder and all that is in it is the owner's alone."""
    for each in (folder.parent, folder):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with os.fdopen(os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
