"""What a process proves itself with, in the forms that gRPC and HTTP take. All of them renew while they are in use."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc

from gladhand.errors import StartRefused
from gladhand.security.folder import Material, TlsFolder
from gladhand.security.names import host_name

__all__ = ["TlsCredentials", "channel_credentials"]

_log = logging.getLogger(__name__)

RELOAD_S = 5.0
"""Seconds between two looks at the folder, where nothing asks before each handshake."""


class TlsCredentials:
    """The certificate of a process, its key, and whom it trusts."""

    def __init__(self, folder: TlsFolder) -> None:
        """Raises StartRefused where the folder is not usable, or its certificate proves no identity."""
        self.folder = folder
        self.first = folder.read()
        """What stood in the folder at the start."""
        if self.first.identity is None:
            raise StartRefused(
                f"GLADHAND_TLS_DIR {folder.path} is not usable: cert.pem names no identity; it must carry one URI, "
                f"spiffe://{folder.trust_domain}/<identity> (GLADHAND_TRUST_DOMAIN sets the domain)"
            )

    def for_mesh(self) -> grpc.ServerCredentials:
        """For a port where every caller must show a certificate."""
        return self._serving(mutual=True)

    def for_tokens(self) -> grpc.ServerCredentials:
        """For a port where no caller is asked for a certificate."""
        return self._serving(mutual=False)

    def for_https(self) -> ssl.SSLContext:
        """For an HTTP server that asks for no certificate. `renewing` keeps it fresh."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _load(context, self.folder)
        return context

    def renewing(self, context: ssl.SSLContext) -> Callable[[asyncio.Event], Awaitable[None]]:
        """The background task that puts new certificates into a context; new connections see them."""
        folder = self.folder.again()
        folder.read()

        async def renew(stopping: asyncio.Event) -> None:
            stale = False
            while not stopping.is_set():
                stale = stale or folder.changed() is not None
                if stale:
                    try:
                        _load(context, folder)
                        stale = False
                    except (ssl.SSLError, OSError) as error:  # replaced again at this very moment
                        _log.warning("the new certificate was not taken up, the next look tries again: %s", error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), RELOAD_S)

        return renew

    def trusting(self) -> ssl.SSLContext:
        """For an HTTP client that trusts whom this process trusts and shows no certificate."""
        return ssl.create_default_context(cadata=self.first.trust.decode("ascii"))

    def server_name(self, identity: str) -> str:
        """The DNS name that the certificate of a server of that identity carries."""
        return host_name(identity, self.folder.trust_domain)

    def _serving(self, *, mutual: bool) -> grpc.ServerCredentials:
        folder = self.folder.again()

        def newest() -> grpc.ServerCertificateConfiguration | None:
            """None keeps what is in use."""
            found = folder.changed()
            return None if found is None else _configuration(found)

        first = _configuration(folder.read())
        return grpc.dynamic_ssl_server_credentials(first, newest, mutual)  # type: ignore[arg-type]  # None is documented


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """What a gRPC client shows and whom it trusts. It never changes: a new certificate takes a new channel."""
    return grpc.ssl_channel_credentials(material.trust, material.key, material.certificate)


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.trust)


def _load(context: ssl.SSLContext, folder: TlsFolder) -> None:
    # By path, since Python's ssl takes none from memory; the folder has just seen that the two belong together.
    context.load_cert_chain(folder.path / "cert.pem", folder.path / "key.pem")
