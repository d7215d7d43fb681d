"""The scopes that the contract knows."""

from __future__ import annotations

from gladhand.cli.mesh.declared import SERVICES
from gladhand.policy import read_contracts
from gladhand.security.identities import beside


def every_scope() -> frozenset[str]:
    """Return each scope that some method asks for, be it of a service that every process has."""
    services = beside(service.full_name for service in SERVICES)
    return frozenset(scope for method in read_contracts(services).values() for scope in method.scopes)
