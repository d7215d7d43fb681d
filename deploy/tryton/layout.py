"""Where the files of one Tryton home and its cache stand, and the key under which a template is cached."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULES: Final = (
    "sale",
    "account_invoice_stock",
    "stock_split",
    "sale_credit_limit",
    "product_measurements",
)
"""Modules asked for; their dependencies (stock, account, product, party, ...) are activated with them."""

DATABASE: Final = "erp"
ADMIN_EMAIL: Final = "admin@example.com"

_HERE = Path(__file__).parent
REQUIREMENTS: Final = _HERE / "requirements.txt"
_SEED_SOURCES: Final = ("denver.py", "seed.py", "seed_ledger.py", "seed_goods.py", "seed_parties.py")


@dataclass(frozen=True, slots=True)
class Home:
    """``root`` holds one ERP's database, configuration and credentials; ``cache`` environment and templates."""

    root: Path
    cache: Path

    @property
    def venv(self) -> Path:
        """Tryton's own virtual environment."""
        return self.cache / "venv"

    @property
    def database(self) -> Path:
        """The live SQLite file. It is in WAL mode: never copy it alone while a server has it open."""
        return self.root / "db" / f"{DATABASE}.sqlite"

    @property
    def credentials(self) -> Path:
        """Passwords of this home's users, mode 0600."""
        return self.root / "credentials.json"

    @property
    def config(self) -> Path:
        """The server's configuration file."""
        return self.root / "trytond.conf"

    @property
    def log(self) -> Path:
        """Where a server that ``Server`` starts writes to."""
        return self.root / "trytond.log"

    def template(self, year: int) -> Path:
        """Directory of the seeded template for the current versions, modules and seed; ``year``: its fiscal year."""
        return self.cache / f"template-{template_key(year)}"

    def script(self, name: str) -> Path:
        """A program of Tryton's environment."""
        return self.venv / "bin" / name


def requirements_digest() -> str:
    """Hash over the pinned requirements and the interpreter's version: what the environment depends on."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}".encode()
    return hashlib.sha256(version + REQUIREMENTS.read_bytes()).hexdigest()[:16]


def template_key(year: int) -> str:
    """Hash over all that a template's content depends on: versions, modules, seed sources and fiscal year."""
    digest = hashlib.sha256(requirements_digest().encode())
    digest.update(" ".join(MODULES).encode())
    digest.update(str(year).encode())
    for name in _SEED_SOURCES:
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]
