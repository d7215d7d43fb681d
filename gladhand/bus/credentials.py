"""Credentials of the bus: one Ed25519 seed for each identity, in a file that its owner alone may read.

The file is named after the identity, `orchestrator.nk`, and holds the seed as every NATS client takes it. The server
knows the public half only.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import nkeys

from gladhand.errors import SettingsError
from gladhand.security.private_files import write_private

__all__ = ["SUFFIX", "NatsCredentials", "issue"]

SUFFIX = ".nk"
_SEED = re.compile(r"SU[A-Z2-7]{56}\Z")
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class NatsCredentials:
    """An identity and what proves it."""

    identity: str
    seed: str = field(repr=False)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the credentials in a file. Raises SettingsError, in one line, where there are none."""
        remedy = "give the path of a seed file, for example .gladhand/secure/bus/orchestrator.nk"
        try:
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"NATS credentials {file} cannot be read: {why}; {remedy}") from error
        found = cls(file.stem, text)
        try:
            if not _SEED.match(text):
                raise ValueError("not of the form of a seed")
            found.public_key()
        except (nkeys.NkeysError, ValueError) as error:
            # The content is not told: it may be a seed with a typing error.
            raise SettingsError(f"NATS credentials {file} hold no user seed (SU…); {remedy}") from error
        return found

    def public_key(self) -> str:
        """Return what the server knows the identity by."""
        key: bytes = nkeys.from_seed(bytearray(self.seed.encode())).public_key
        return key.decode()


def issue(folder: Path, identity: str) -> NatsCredentials:
    """Return the identity's credentials in a folder, made where there are none. Raises OSError, SettingsError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / f"{identity}{SUFFIX}"
    if not file.exists():
        seed: bytes = nkeys.encode_seed(secrets.token_bytes(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
        write_private(folder, {file.name: seed + b"\n"})
    return NatsCredentials.read(file)
