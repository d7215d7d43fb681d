"""The folder that GLADHAND_TLS_DIR names: what a process proves itself with, read whole or not at all."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gladhand.errors import StartRefused
from gladhand.security.certificates import KeyPair, identity_of
from gladhand.security.names import TRUST_DOMAIN

__all__ = ["Material", "TlsFolder"]

_log = logging.getLogger(__name__)

_NAMES = ("cert.pem", "key.pem", "ca.pem")
_ATTEMPTS = 5
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """Certificate, key and the authorities to trust, as PEM; certificate and key belong together."""

    certificate: bytes
    key: bytes
    trust: bytes
    identity: str | None
    """The identity that the certificate proves; None where it proves none of the trust domain."""

    ends: datetime
    """When the certificate ends."""


class TlsFolder:
    """One reader of a folder. It remembers what it read, so that each who follows the folder needs one of its own."""

    def __init__(self, path: Path, trust_domain: str = TRUST_DOMAIN) -> None:
        self.path = path
        self.trust_domain = trust_domain
        self._read_as: _Stamp = ()

    def again(self) -> TlsFolder:
        """Another reader of the same folder, which has read nothing yet."""
        return TlsFolder(self.path, self.trust_domain)

    def read(self) -> Material:
        """Read it. Raises StartRefused naming the file that is missing or wrong."""
        fault = ""
        for _ in range(_ATTEMPTS):
            stamp = self._stamp()
            try:
                certificate, key, trust = ((self.path / name).read_bytes() for name in _NAMES)
                pair = KeyPair.parse(certificate, key)
                identity = identity_of(pair.certificate, self.trust_domain)
            except OSError as error:
                raise _refusal(self.path, f"{error.filename}: {error.strerror}") from error
            except ValueError as error:  # perhaps between the two halves of a replacement
                fault = f"cert.pem and key.pem: {error}"
                continue
            if b"BEGIN CERTIFICATE" not in trust:
                raise _refusal(self.path, "ca.pem holds no certificate")
            self._read_as = stamp
            return Material(certificate, key, trust, identity, pair.certificate.not_valid_after_utc)
        raise _refusal(self.path, fault)

    def changed(self) -> Material | None:
        """What stands there now where that is other than last read; None where it is the same or cannot be used yet.

        Cheap enough to be asked before every handshake.
        """
        stamp = self._stamp()
        if not stamp or stamp == self._read_as:
            return None
        try:
            return self.read()
        except StartRefused as error:
            _log.warning("certificates were replaced by what cannot be used: %s", error.message)
            self._read_as = stamp  # told once
            return None

    def _stamp(self) -> _Stamp:
        try:
            found = [(self.path / name).stat() for name in _NAMES]
        except OSError:
            return ()
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in found)


def _refusal(path: Path, what: str) -> StartRefused:
    return StartRefused(
        f"GLADHAND_TLS_DIR {path} is not usable: {what}; it must hold cert.pem, key.pem and ca.pem, "
        "as `gladhand up` makes them under .gladhand/secure/<identity>"
    )
