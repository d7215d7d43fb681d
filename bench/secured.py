"""What both sides of the command measurement are secured with: one certificate, one token, made for the run."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import grpc

from gladhand.clock import SystemClock
from gladhand.security.authority import Authority
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from gladhand.security.names import ISSUER
from gladhand.security.signing import Grant, SigningKey, ensure_signing_key

__all__ = ["FOLDER", "Secured"]

FOLDER = "BENCH_SECURED"
"""The variable that names the secure folder to a server."""

_SERVER = "orchestrator"
_GRANT = Grant("bench", ("orders.read", "orders.write"), ("gladhand.internal",), timedelta(hours=1))
_UNBOUND = "COMMAND=1000000/s:1000000,READ=1000000/s:1000000"
"""The buckets are asked for every call and never run dry: what is measured is the asking."""


class Secured:
    """The secure folder of one run; every process of the run names it by its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def made(cls, folder: Path) -> Secured:
        """Make authority, certificate and signing key."""
        Authority.opened(folder, SystemClock().now()).provide((_SERVER,), SystemClock().now())
        ensure_signing_key(folder / "tokens")
        return cls(folder)

    @classmethod
    def given(cls) -> Secured:
        """Take the folder from the environment."""
        return cls(Path(os.environ[FOLDER]))

    @property
    def environment(self) -> dict[str, str]:
        """What a service process of ours is told, and the folder for either side."""
        return {
            FOLDER: str(self.folder),
            "GLADHAND_TLS_DIR": str(self.folder / _SERVER),
            "GLADHAND_TOKEN_PORT": "0",
            "GLADHAND_JWKS": str(self.folder / "tokens" / "jwks.json"),
            "GLADHAND_RATES": _UNBOUND,
        }

    @property
    def server(self) -> grpc.ServerCredentials:
        """What the bare server proves itself with."""
        return TlsCredentials(TlsFolder(self.folder / _SERVER)).for_tokens()

    @property
    def channel(self) -> grpc.ChannelCredentials:
        """Whom the client trusts."""
        return grpc.ssl_channel_credentials((self.folder / "ca.pem").read_bytes())

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries, to either side."""
        token = SigningKey.load(self.folder / "tokens").issue(_GRANT, ISSUER, SystemClock().now())
        return (("authorization", f"Bearer {token}"),)
