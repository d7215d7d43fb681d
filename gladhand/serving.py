"""The methods of a server: taken from generated code, checked against the contract, wrapped in the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import Default

from gladhand.errors import ContractError
from gladhand.idempotency import Once
from gladhand.interceptors.chain import Chain
from gladhand.policy import MethodContract, read_contracts
from gladhand.validation import compile_rules

__all__ = ["Methods"]


@dataclass(frozen=True, slots=True)
class _Served:
    service: str
    handlers: dict[str, Any]
    own: frozenset[str]


class _Catcher:
    """Stands in for a server while generated code registers a servicer."""

    def __init__(self) -> None:
        self.caught: list[tuple[str, dict[str, Any]]] = []

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self.caught.append((service, handlers))

    def add_generic_rpc_handlers(self, _handlers: Sequence[Any]) -> None:
        """The same handlers once more, in the form for servers that know no registered methods."""


class Methods:
    """What the servicers of one process bring with them."""

    def __init__(self) -> None:
        self._served: list[_Served] = []

    def add(self, register: Callable[[Any], object], own_idempotency: Iterable[str] | Literal[True]) -> None:
        """Take the methods that `register(server)` registers. Raises ContractError for an unknown name among `own`."""
        catcher = _Catcher()
        register(catcher)
        for service, handlers in catcher.caught:
            every = frozenset(handlers)
            own = every if own_idempotency is True else frozenset(own_idempotency)
            if own - every:
                raise ContractError(f"{service} has no method {', '.join(sorted(own - every))} to be idempotent itself")
            self._served.append(_Served(service, handlers, own))

    def services(self) -> list[str]:
        """Return the full names of the services, in the order of their adding."""
        return [served.service for served in self._served]

    def register(self, server: grpc.aio.Server, chain: Chain, once: Once | None) -> None:
        """Check every method against its contract, and have `server` serve it with the chain around it.

        Raises ContractError naming each method without policy, or that would need a store for first answers.
        """
        contracts = read_contracts(_descriptor(served.service) for served in self._served)
        compile_rules({contract.request_type for contract in contracts.values()})
        for served in self._served:
            wrapped: dict[str, Any] = {}
            for name, handler in served.handlers.items():
                contract = contracts[f"/{served.service}/{name}"]
                kept = contract.requires_request_id and name not in served.own
                if kept:
                    _check_storable(contract, once)
                wrapped[name] = chain.wrap(contract, handler, once if kept else None)
            server.add_registered_method_handlers(served.service, wrapped)


def _descriptor(service: str) -> ServiceDescriptor:
    try:
        found: ServiceDescriptor = Default().FindServiceByName(service)
    except KeyError as error:
        raise ContractError(f"no descriptor of the service {service}; is its generated module imported?") from error
    return found


def _check_storable(contract: MethodContract, once: Once | None) -> None:
    if once is None:
        raise ContractError(
            f"{contract.path} requires a request id: give the process use_idempotency(store), or name the method in "
            "own_idempotency where it happens once by itself"
        )
    if contract.client_streaming or contract.server_streaming:
        raise ContractError(f"{contract.path} streams: its answers cannot be kept; name it in own_idempotency")
