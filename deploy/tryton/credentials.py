"""The passwords of one Tryton template: made by chance, kept in a file only its owner can read."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from gladhand.security.private_files import write_private


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords of the three ERP users of the demo; the user names are the field names."""

    admin: str
    order_clerk: str
    gateway: str

    @classmethod
    def generate(cls) -> Credentials:
        """New passwords of 144 random bits each."""
        return cls(*(secrets.token_urlsafe(18) for _ in range(3)))

    @classmethod
    def load(cls, path: Path) -> Credentials:
        """Read a file written by ``save``. Raises OSError or KeyError where it is missing or of another form."""
        raw = json.loads(path.read_text("utf-8"))
        return cls(admin=raw["admin"], order_clerk=raw["order_clerk"], gateway=raw["gateway"])

    def save(self, path: Path) -> None:
        """Write with mode 0600 from the first byte on, replacing an earlier file in one step."""
        write_private(path.parent, {path.name: json.dumps(asdict(self), indent=1).encode()})
