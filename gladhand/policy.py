"""What the contract says about each method, read once from the descriptors and looked up per call by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gladhand.errors import ContractError
from logistics.contract.v1 import method_pb2

__all__ = ["DEFAULT_TIMEOUT_S", "Idempotency", "MethodContract", "read_contracts"]

DEFAULT_TIMEOUT_S = 10.0
"""Seconds that a call gets where neither the caller nor the method says (MethodPolicy.timeout)."""


class Idempotency(Enum):
    """What repeating a call does; the standard `idempotency_level`."""

    NO_SIDE_EFFECTS = MethodOptions.NO_SIDE_EFFECTS
    IDEMPOTENT = MethodOptions.IDEMPOTENT
    UNKNOWN = MethodOptions.IDEMPOTENCY_UNKNOWN
    """Declared as unknown: repeating may do it twice."""


@dataclass(frozen=True, slots=True)
class MethodContract:
    """One method as the contract declares it."""

    path: str
    """The name on the wire, `/package.Service/Method`."""

    service: str
    name: str
    scopes: frozenset[str]
    audience: frozenset[int]
    """Values of `logistics.contract.v1.Audience`."""

    rate_class: int
    """Value of `logistics.contract.v1.RateClass`."""

    timeout_s: float | None
    """Seconds given to a call without a deadline; None for a stream that follows the log without end."""

    requires_request_id: bool
    stage: int
    """Value of `logistics.contract.v1.LifeStage`."""

    deprecated_date: str
    sunset_date: str
    replacement: str
    idempotency: Idempotency
    request_type: type[Message]
    client_streaming: bool
    server_streaming: bool

    @property
    def may_repeat(self) -> bool:
        """Whether a client may send the same call again without asking anybody."""
        return self.idempotency is not Idempotency.UNKNOWN or self.requires_request_id


def read_contracts(services: Iterable[ServiceDescriptor]) -> dict[str, MethodContract]:
    """Return the contract of every method of `services` by wire name.

    Raises ContractError naming every method that lacks its policy, an entry of it, or `idempotency_level`.
    """
    faults: list[str] = []
    contracts: dict[str, MethodContract] = {}
    for service in services:
        for method in service.methods:
            missing = list(_missing(method))
            if missing:
                faults.append(f"{service.full_name}/{method.name} lacks {', '.join(missing)}")
            else:
                contract = _read(service, method)
                contracts[contract.path] = contract
    if faults:
        raise ContractError(
            "the contract must say who may call a method, how long it takes and what repeating it does; "
            + "; ".join(faults)
        )
    return contracts


def _missing(method: MethodDescriptor) -> Iterable[str]:
    options = method.GetOptions()
    if not options.HasField("idempotency_level"):
        yield "option idempotency_level"
    if not options.HasExtension(method_pb2.policy):
        yield "option (logistics.contract.v1.policy)"
        return
    policy = options.Extensions[method_pb2.policy]
    if not policy.scopes:
        yield "policy.scopes"
    if not policy.audience or method_pb2.AUDIENCE_UNSPECIFIED in policy.audience:
        yield "policy.audience"
    if policy.rate_class == method_pb2.RATE_CLASS_UNSPECIFIED:
        yield "policy.rate_class"
    if policy.stage == method_pb2.LIFE_STAGE_UNSPECIFIED:
        yield "policy.stage"
    if policy.requires_request_id and "request_id" not in method.input_type.fields_by_name:
        yield f"the field request_id in {method.input_type.full_name}, which its policy requires"


def _read(service: ServiceDescriptor, method: MethodDescriptor) -> MethodContract:
    options = method.GetOptions()
    policy = options.Extensions[method_pb2.policy]
    return MethodContract(
        path=f"/{service.full_name}/{method.name}",
        service=service.full_name,
        name=method.name,
        scopes=frozenset(policy.scopes),
        audience=frozenset(policy.audience),
        rate_class=policy.rate_class,
        timeout_s=_timeout(policy),
        requires_request_id=policy.requires_request_id,
        stage=policy.stage,
        deprecated_date=policy.deprecated_date,
        sunset_date=policy.sunset_date,
        replacement=policy.replacement,
        idempotency=Idempotency(options.idempotency_level),
        request_type=GetMessageClass(method.input_type),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
    )


def _timeout(policy: method_pb2.MethodPolicy) -> float | None:
    if not policy.HasField("timeout"):
        return DEFAULT_TIMEOUT_S
    return policy.timeout.seconds + policy.timeout.nanos / 1e9 or None
