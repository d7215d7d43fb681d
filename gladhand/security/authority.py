"""The secure folder of a local mesh: its authority, and a folder for each identity that it vouches for.

`ca.pem`, `ca.key`, and `<identity>/` with `cert.pem`, `key.pem` and a copy of `ca.pem`. Folders have mode 0700 and
files 0600; each file is replaced in one step. Other files of the folder are let alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Self

from gladhand.errors import StartRefused
from gladhand.security.certificates import KeyPair, authority_name, due, identity_of, issue, make_authority
from gladhand.security.names import TRUST_DOMAIN
from gladhand.security.private_files import private_folder, write_private

__all__ = ["Authority"]

_CERTIFICATE, _KEY, _TRUST = "cert.pem", "key.pem", "ca.pem"


class Authority:
    """The authority of one mesh, as it stands in its folder."""

    def __init__(self, folder: Path, pair: KeyPair, trust_domain: str) -> None:
        self._folder = folder
        self._pair = pair
        self._trust_domain = trust_domain

    @classmethod
    def opened(cls, folder: Path, now: datetime, trust_domain: str = TRUST_DOMAIN, *, renew: bool = True) -> Self:
        """Take up the authority of `folder`; make it where there is none, or, with `renew`, half of its life is over.

        Those who run trust the old one until they start again: renew while nothing runs.

        Raises StartRefused where the folder is not ours alone, or holds an authority that is damaged or not this
        mesh's; what is wrong and what helps is told.
        """
        private_folder(folder)
        pair = _read_authority(folder, trust_domain)
        if pair is None or (renew and due(pair.certificate, now)):
            pair = make_authority(now, trust_domain)
            write_private(folder, {"ca.key": pair.key_pem, _TRUST: pair.certificate_pem})
        return cls(folder, pair, trust_domain)

    @property
    def ends(self) -> datetime:
        """When the authority's own certificate ends."""
        return self._pair.certificate.not_valid_after_utc

    def provide(self, identities: Iterable[str], now: datetime) -> list[str]:
        """Give each identity its folder, with a certificate of which less than half is over; return those replaced.

        Who reads between the replacement of key and certificate sees that they do not belong together, and reads again.
        """
        replaced: list[str] = []
        for identity in identities:
            own = self._folder / identity
            private_folder(own)
            if _read(own / _TRUST) != self._pair.certificate_pem:
                write_private(own, {_TRUST: self._pair.certificate_pem})
            if self._is_good(own, identity, now):
                continue
            fresh = issue(self._pair, identity, now, self._trust_domain)
            write_private(own, {_KEY: fresh.key_pem, _CERTIFICATE: fresh.certificate_pem})
            replaced.append(identity)
        return replaced

    def _is_good(self, own: Path, identity: str, now: datetime) -> bool:
        try:
            pair = KeyPair.parse(_read(own / _CERTIFICATE), _read(own / _KEY))
            pair.certificate.verify_directly_issued_by(self._pair.certificate)
        except Exception:  # noqa: BLE001 - whatever is wrong with a leaf, a new one is the remedy
            return False
        return identity_of(pair.certificate, self._trust_domain) == identity and not due(pair.certificate, now)


def _read_authority(folder: Path, trust_domain: str) -> KeyPair | None:
    """The authority as it stands there; None where there is none yet, or only its key, written first."""
    certificate, key = _read(folder / _TRUST), _read(folder / "ca.key")
    if not certificate:
        return None
    try:
        pair = KeyPair.parse(certificate, key)
    except ValueError as error:
        raise StartRefused(f"the authority in {folder} is damaged ({error}); {_remedy(folder)}") from error
    if pair.certificate.subject != authority_name(trust_domain):
        raise StartRefused(
            f"{folder} holds another authority ({pair.certificate.subject.rfc4514_string()}), not one of this mesh; "
            f"{_remedy(folder)}"
        )
    return pair


def _remedy(folder: Path) -> str:
    return f"move {folder / _TRUST} and {folder / 'ca.key'} away, new ones are made at the next start"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StartRefused(f"{file} cannot be read: {error.strerror}") from error
