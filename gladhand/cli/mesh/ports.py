"""Ports of one mesh: the usual ones where they are free, others where not, and the same again next time."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

USUAL: Final[Mapping[str, int]] = {
    "nats": 4222,
    "nats_monitoring": 8222,
    "tryton": 8000,
    "orchestrator": 7051,
    "erp_gateway": 7052,
    "fleet_gateway": 7053,
    "edge_gateway": 7054,
    "edge_http": 5055,
    "orchestrator_token": 7061,
    "erp_gateway_token": 7062,
    "fleet_gateway_token": 7063,
    "edge_gateway_token": 7064,
}
"""All below the range from which systems take ports for outgoing connections. 5055 is where OsmAnd trackers report;
those that end in `token` are for callers who bring a token instead of a certificate."""

_STEP: Final = 100
_LAST: Final = 32_000


class NoPortError(Exception):
    """No port could be had; the message names what it was for."""


def is_free(port: int) -> bool:
    """Whether nobody listens on the port of the loopback address, and we may."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose(
    remembered: Mapping[str, int], free: Callable[[int], bool] = is_free, usual: Mapping[str, int] = USUAL
) -> dict[str, int]:
    """A port for each name: the remembered one, else the usual one, else the next free in steps of a hundred.

    Raises NoPortError.
    """
    chosen: dict[str, int] = {}
    for name, port in usual.items():
        candidates = [*([remembered[name]] if name in remembered else []), *range(port, _LAST, _STEP)]
        found = next((each for each in candidates if each not in chosen.values() and free(each)), None)
        if found is None:
            raise NoPortError(f"no free port for {name}: tried {port} to {_LAST} in steps of {_STEP}")
        chosen[name] = found
    return chosen


def recall(file: Path) -> dict[str, int]:
    """The ports written last time; none where the file is missing or damaged."""
    try:
        found = json.loads(file.read_text("utf-8"))
        return {str(name): int(port) for name, port in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def remember(file: Path, ports: Mapping[str, int]) -> None:
    """Write them for the next time."""
    file.write_text(json.dumps(dict(ports), indent=1) + "\n", "utf-8")
