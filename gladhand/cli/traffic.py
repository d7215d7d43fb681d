"""What the servers of the mesh tell of their calls to each other and to outside systems."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from rich.table import Table

from gladhand.cli.output import table
from gladhand.client import call, channel
from gladhand.errors import GladhandError
from gladhand.security.credentials import TlsCredentials
from logistics.server.v1 import server_service_pb2 as api
from logistics.server.v1 import server_service_pb2_grpc as rpc

_ASK_S = 2.0
_COLUMNS = ("from", "to", "calls pass", "#under way", "#answered", "#failed", "#refused", "#hedged", "#opened")
_ABSENT = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})


async def ask(targets: Mapping[str, str], own: TlsCredentials | None) -> dict[str, api.GetServerStatusResponse]:
    """Return what the server at each target tells of itself, by name; without those that do not answer."""
    answers = await asyncio.gather(*(_ask(target, own) for target in targets.values()))
    return {name: answer for name, answer in zip(targets, answers, strict=True) if answer is not None}


async def _ask(target: str, own: TlsCredentials | None) -> api.GetServerStatusResponse | None:
    try:
        async with channel(target, api.DESCRIPTOR, credentials=own) as opened:
            stub = rpc.ServerServiceStub(opened)
            return await call(stub.GetServerStatus(api.GetServerStatusRequest(), timeout=_ASK_S))
    except GladhandError:
        return None


def targets(servers: Mapping[str, api.GetServerStatusResponse]) -> Table:
    """Return the ways from each server to others as a table."""
    return table(_COLUMNS, [_row(name, each) for name, server in servers.items() for each in server.targets])


def _row(name: str, target: api.TargetStatus) -> tuple[object, ...]:
    passes = {
        api.BREAKER_STATE_CLOSED: "yes",
        api.BREAKER_STATE_HALF_OPEN: "[yellow]trying[/]",
        api.BREAKER_STATE_OPEN: "[red]no[/]",
    }
    failed = sum(count for code, count in target.codes.items() if code in _ABSENT)
    return (
        name,
        target.target,
        passes.get(target.breaker, ""),
        f"{target.in_flight} of {target.most_in_flight}",
        sum(target.codes.values()) - failed - target.codes.get("CANCELLED", 0),
        failed or "",
        sum(target.refused.values()) or "",
        target.hedges or "",
        target.opened or "",
    )
