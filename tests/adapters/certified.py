"""Certificates as a local mesh has them: made by its own authority, and replaced while servers run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gladhand.security.authority import Authority
from gladhand.security.certificates import KeyPair, issue
from gladhand.security.private_files import write_private

NOW = datetime.now(UTC)


def secured(folder: Path, *identities: str) -> Path:
    """Make the secure folder of a mesh, with certificates for these identities."""
    Authority.opened(folder, NOW).provide(identities, NOW)
    return folder


def authority_of(secure: Path) -> KeyPair:
    """Return the authority of a secure folder."""
    return KeyPair.parse((secure / "ca.pem").read_bytes(), (secure / "ca.key").read_bytes())


def renew(secure: Path, identity: str) -> x509.Certificate:
    """Replace the certificate of an identity as a running mesh does; return the new one."""
    fresh = issue(authority_of(secure), identity, datetime.now(UTC))
    write_private(secure / identity, {"key.pem": fresh.key_pem, "cert.pem": fresh.certificate_pem})
    return fresh.certificate
