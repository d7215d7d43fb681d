"""Whether a process of the mesh serves, asked as a client would."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gladhand.cli.mesh.plan import Step
from gladhand.readiness import read_ready

_ASK_S = 2.0


async def is_ready(step: Step, pid: int) -> bool:
    """Whether the process `pid` does everything that its step asks of a server."""
    if step.ready_file is not None:
        ready = read_ready(step.ready_file)
        if ready is None or ready.pid != pid:
            return False
    if step.http is not None and not await asyncio.to_thread(answers_http, step.http):
        return False
    return step.grpc_port is None or await serves_grpc(f"127.0.0.1:{step.grpc_port}")


def answers_http(url: str) -> bool:
    """Whether an answer comes that is no server error."""
    try:
        with urllib.request.urlopen(url, timeout=_ASK_S) as answer:  # noqa: S310 - an http URL of the loopback address
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


async def serves_grpc(target: str) -> bool:
    """Whether the health service there says SERVING."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_ASK_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
