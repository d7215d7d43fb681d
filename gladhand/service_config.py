"""The gRPC service config of a contract: how a client spreads, repeats and bounds its calls (pure).

It is what gRPC itself can do, in any language: round robin over the replicas that their health service calls ready,
away from one whose calls all fail, and repetition where the contract allows it. What gRPC's core cannot do, to send a
second copy of a call that gets no answer (hedging), is `gladhand.hedging`, and takes its numbers from here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gladhand.policy import MethodContract

__all__ = ["ATTEMPTS", "BUDGET_RATIO", "BUDGET_TOKENS", "MOST_IN_FLIGHT", "service_config", "service_config_json"]

ATTEMPTS = 4
"""Copies of one call, the first included; gRPC's own limit is 5."""

MOST_IN_FLIGHT = 128
"""Calls to one target at once, beyond which further ones are refused."""

BUDGET_TOKENS, BUDGET_RATIO = 2 * MOST_IN_FLIGHT, 0.1
"""The budget of repetitions: a failure costs a token, ten successes earn one back, below half nothing is repeated.

So a server that fails gets no storm; and since half of it covers every call that can be in flight, a replica that is
killed in the middle of its work does not exhaust it.
"""

_FIRST_S, _LONGEST_S, _FACTOR = 0.1, 2.0, 2.0

_REPEATED = ("UNAVAILABLE", "CANCELLED")
"""CANCELLED as a server's answer: grpcio's servers give it to calls that come in while they stop (grpc/grpc#41785)."""

_AWAY = {
    "interval": "0.5s",
    "baseEjectionTime": "5s",
    "maxEjectionTime": "30s",
    # One of two, never all.
    "maxEjectionPercent": 50,
    "failurePercentageEjection": {"threshold": 90, "minimumHosts": 2, "requestVolume": 5},
}
"""Which replica gets no calls for a while: one of which over nine in ten failed, five at least in half a second.

gRPC counts refusals among the failures. A replica that is asked only for what it has to refuse loses its calls to its
neighbour for five seconds; none is refused for it, since half of the replicas always stay.
"""


def service_config(contracts: Iterable[MethodContract], *, timeouts: bool = False) -> dict[str, Any]:
    """Return the service config: methods that may be repeated are, where nobody was there, four attempts in all.

    gRPC spreads the pauses by a fifth either way. With `timeouts` every method gets its policy's deadline too, as an
    upper bound; leave it out for clients that may allow more time than the policy's default.
    """
    contracts = list(contracts)
    methods: list[dict[str, Any]] = []
    for contract in contracts:
        entry: dict[str, Any] = {"name": [{"service": contract.service, "method": contract.name}]}
        if timeouts and contract.timeout_s is not None:
            entry["timeout"] = f"{contract.timeout_s:g}s"
        if contract.may_repeat and not contract.client_streaming:
            entry["retryPolicy"] = {
                "maxAttempts": ATTEMPTS,
                "initialBackoff": f"{_FIRST_S:g}s",
                "maxBackoff": f"{_LONGEST_S:g}s",
                "backoffMultiplier": _FACTOR,
                "retryableStatusCodes": list(_REPEATED),
            }
        if len(entry) > 1:
            methods.append(entry)
    services = {contract.service for contract in contracts}
    spread: list[dict[str, Any]] = [{"round_robin": {}}]
    return {
        # A client takes the first that it knows.
        "loadBalancingConfig": [{"outlier_detection_experimental": {**_AWAY, "childPolicy": spread}}, *spread],
        # The empty name asks for the process as a whole.
        "healthCheckConfig": {"serviceName": services.pop() if len(services) == 1 else ""},
        "methodConfig": methods,
        "retryThrottling": {"maxTokens": BUDGET_TOKENS, "tokenRatio": BUDGET_RATIO},
    }


def service_config_json(contracts: Iterable[MethodContract], *, timeouts: bool = False) -> str:
    """Return the service config as gRPC takes it."""
    return json.dumps(service_config(contracts, timeouts=timeouts), separators=(",", ":"))
