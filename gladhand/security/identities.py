"""What the processes of the mesh may call, as the contract's ServicePolicy declares it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import Default

from gladhand.contracts.installed import files_with_services
from gladhand.security.names import OPERATOR, TRUST_DOMAIN, spiffe_uri
from gladhand.security.principal import Principal, Proof
from logistics.contract.v1 import service_pb2
from logistics.contract.v1.method_pb2 import AUDIENCE_INTERNAL

__all__ = ["beside", "by_spiffe_id"]


def by_spiffe_id(services: Iterable[ServiceDescriptor], trust_domain: str = TRUST_DOMAIN) -> Mapping[bytes, Principal]:
    """Return every identity that the contract names, by the URI SAN of its certificate as gRPC hands it over.

    The operator, which is the command line, has every scope of what is open to the audience INTERNAL.
    """
    calls: dict[str, set[str]] = {}
    for service in services:
        options = service.GetOptions()
        if options.HasExtension(service_pb2.service):
            policy = options.Extensions[service_pb2.service]
            # An identity that calls nobody is known all the same: it is refused for its rights, not for its name.
            calls.setdefault(policy.identity, set()).update(policy.calls)
    found = {
        name: Principal(name, Proof.CERTIFICATE, is_service=True, calls=frozenset(names))
        for name, names in calls.items()
    }
    internal = frozenset({int(AUDIENCE_INTERNAL)})
    found[OPERATOR] = Principal(OPERATOR, Proof.CERTIFICATE, scopes=None, audiences=internal)
    return {spiffe_uri(name, trust_domain).encode(): principal for name, principal in found.items()}


def beside(served: Iterable[str]) -> list[ServiceDescriptor]:
    """Return every installed service of the contracts that the `served` services (full names) belong to.

    Whom a process may call stands on the caller's own service, which the process that is called need not have imported.
    """
    found: dict[str, ServiceDescriptor] = {}
    for name in served:
        own: ServiceDescriptor = Default().FindServiceByName(name)
        root, nested, _ = own.file.name.partition("/")
        for file in (own.file, *(files_with_services(root) if nested else ())):
            found |= {service.full_name: service for service in file.services_by_name.values()}
    return list(found.values())
