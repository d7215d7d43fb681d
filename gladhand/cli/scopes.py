"""The scopes that the contract knows."""

from __future__ import annotations

from gladhand.policy import read_contracts
from gladhand.security.identities import beside
from logistics.orchestrator.v1 import orchestrator_service_pb2


def every_scope() -> frozenset[str]:
    """Return each scope that some method asks for."""
    services = beside([*(each.full_name for each in orchestrator_service_pb2.DESCRIPTOR.services_by_name.values())])
    return frozenset(scope for method in read_contracts(services).values() for scope in method.scopes)
