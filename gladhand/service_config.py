"""The gRPC service config of a contract: which calls a client repeats by itself, how often, how long (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gladhand.policy import MethodContract

__all__ = ["service_config", "service_config_json"]

_ATTEMPTS = 4
_FIRST_S, _LONGEST_S, _FACTOR = 0.1, 2.0, 2.0
_BUDGET = {"maxTokens": 20, "tokenRatio": 0.1}
"""A server that fails gets no storm of repetitions: each failure costs a token, ten successes earn one back."""


def service_config(contracts: Iterable[MethodContract], *, timeouts: bool = False) -> dict[str, Any]:
    """Return the service config: methods that may be repeated are, on UNAVAILABLE, four attempts in all.

    gRPC spreads the pauses by a fifth either way. With `timeouts` every method gets its policy's deadline too, as an
    upper bound; leave it out for clients that may allow more time than the policy's default.
    """
    methods: list[dict[str, Any]] = []
    for contract in contracts:
        entry: dict[str, Any] = {"name": [{"service": contract.service, "method": contract.name}]}
        if timeouts and contract.timeout_s is not None:
            entry["timeout"] = f"{contract.timeout_s:g}s"
        if contract.may_repeat and not contract.client_streaming:
            entry["retryPolicy"] = {
                "maxAttempts": _ATTEMPTS,
                "initialBackoff": f"{_FIRST_S:g}s",
                "maxBackoff": f"{_LONGEST_S:g}s",
                "backoffMultiplier": _FACTOR,
                "retryableStatusCodes": ["UNAVAILABLE"],
            }
        if len(entry) > 1:
            methods.append(entry)
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": methods,
        "retryThrottling": _BUDGET,
    }


def service_config_json(contracts: Iterable[MethodContract], *, timeouts: bool = False) -> str:
    """Return the service config as gRPC takes it."""
    return json.dumps(service_config(contracts, timeouts=timeouts), separators=(",", ":"))
