"""What may listen without TLS: nothing but a loopback address, by an explicit wish, with a warning at every start."""

from __future__ import annotations

import ipaddress
import logging

from gladhand.errors import StartRefused
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from gladhand.settings import Settings

__all__ = ["credentials_of", "is_loopback", "require_loopback"]

_log = logging.getLogger(__name__)


def credentials_of(settings: Settings) -> TlsCredentials | None:
    """What the process proves itself with; None where it goes without TLS, as its settings ask for.

    Raises StartRefused where they ask for neither or for both, or want it without TLS beyond loopback.
    """
    if settings.tls_dir is not None:
        if settings.insecure:
            raise StartRefused("GLADHAND_TLS_DIR and GLADHAND_INSECURE contradict each other; unset one of them")
        return TlsCredentials(TlsFolder(settings.tls_dir, settings.trust_domain))
    if not settings.insecure:
        raise StartRefused(
            "it would listen without TLS; set GLADHAND_TLS_DIR to a folder with cert.pem, key.pem and ca.pem "
            "(`gladhand up` makes one for each service), or, for trials on a loopback address, GLADHAND_INSECURE=true"
        )
    require_loopback("GLADHAND_HOST", settings.host)
    _log.warning("INSECURE: without TLS, everybody on this machine can read and send everything (GLADHAND_INSECURE)")
    return None


def require_loopback(variable: str, host: str) -> None:
    """Refuse to listen in clear text where others than this machine reach it. Raises StartRefused."""
    if not is_loopback(host):
        raise StartRefused(
            f"{variable}={host} is no loopback address, and without TLS nothing listens on another; set "
            "GLADHAND_TLS_DIR and drop GLADHAND_INSECURE, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
