"""Who calls, as it was proven, and what its rights are (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from logistics.contract.v1.method_pb2 import AUDIENCE_CUSTOMER, AUDIENCE_INTERNAL, AUDIENCE_PARTNER

__all__ = ["ANYBODY", "AUDIENCES", "CARRIER_SYSTEM", "Party", "Principal", "Proof"]

AUDIENCES: Final = {
    "gladhand.internal": int(AUDIENCE_INTERNAL),
    "gladhand.partner": int(AUDIENCE_PARTNER),
    "gladhand.customer": int(AUDIENCE_CUSTOMER),
}
"""What stands in a token's `aud`, with the contract's audience that it means."""

CARRIER_SYSTEM: Final = "SCAC"
"""The system of a party that is a carrier. No ERP is named so: systems of references are lower case."""

_PARTY = re.compile(r"(SCAC|[a-z0-9][a-z0-9._-]{0,62}):(\S.{0,199})").fullmatch


class Proof(Enum):
    """How a caller proved who it is."""

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the kind of proof, not one
    NOTHING = "nothing"
    """The process runs with GLADHAND_INSECURE and asks for no proof."""


@dataclass(frozen=True, slots=True)
class Party:
    """Whose objects a caller may see: a customer by its ERP's code, a carrier by its SCAC."""

    system: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `system:value`, for example `tryton-us:K0042` or `SCAC:MGCT`. Raises ValueError."""
        found = _PARTY(text)
        if found is None or "\0" in text:
            raise ValueError("a party is system:value, for example tryton-us:K0042 or SCAC:MGCT")
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"{self.system}:{self.value}"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. Made once for each token and certificate and looked up from then on."""

    name: str
    """The token's subject or the certificate's identity; in log lines, on events, and what rates are counted by."""

    proof: Proof
    scopes: frozenset[str] | None = frozenset()
    """What it may do, None for everything."""

    audiences: frozenset[int] = frozenset()
    """The audiences it belongs to, values of `logistics.contract.v1.Audience`."""

    party: Party | None = None
    """The only party whose objects it may see, None where that is not limited or not known; see `sees_all`."""

    is_service: bool = False
    """Whether it is a process of the mesh, which works for many clients and is held back by limits of its own."""

    until: float | None = None
    """Seconds since 1970 at which the proof ends, None where the connection is the proof."""

    calls: frozenset[str] = frozenset()
    """What a service may call by its contract's ServicePolicy: `package.Service/Method`, or a whole service."""

    @property
    def sees_all(self) -> bool:
        """Whether it may see the objects of every party. Audiences of a caller with a party are never internal."""
        return self.proof is not Proof.TOKEN or int(AUDIENCE_INTERNAL) in self.audiences


ANYBODY: Final = Principal("insecure", Proof.NOTHING, scopes=None)
"""Whoever calls a process that asks for no proof."""
