"""Whether a process of the mesh serves, asked as a client would."""

from __future__ import annotations

import asyncio
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gladhand.cli.mesh.plan import Step
from gladhand.readiness import read_ready
from gladhand.security.credentials import TlsCredentials, channel_credentials
from gladhand.security.folder import TlsFolder
from gladhand.security.names import OPERATOR

_ASK_S = 2.0


async def is_ready(step: Step, pid: int) -> bool:
    """Whether the process `pid` does everything that its step asks of a server."""
    if step.ready_file is not None:
        ready = read_ready(step.ready_file)
        if ready is None or ready.pid != pid:
            return False
    if step.http is not None and not await asyncio.to_thread(answers_http, step.http, step.secure):
        return False
    return step.grpc_port is None or await serves_grpc(f"127.0.0.1:{step.grpc_port}", step.name, step.secure)


def answers_http(url: str, secure: Path | None) -> bool:
    """Whether an answer comes that is no server error; by TLS from a server that the mesh's authority vouches for."""
    try:
        trusting = None if secure is None else ssl.create_default_context(cafile=secure / "ca.pem")
        with urllib.request.urlopen(url, timeout=_ASK_S, context=trusting) as answer:  # noqa: S310 - an http URL of the loopback address
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


async def serves_grpc(target: str, identity: str, secure: Path | None) -> bool:
    """Whether the health service there says SERVING; by TLS from a server that proves the identity."""
    async with _channel(target, identity, secure) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_ASK_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(target: str, identity: str, secure: Path | None) -> grpc.aio.Channel:
    if secure is None:
        return grpc.aio.insecure_channel(target)
    own = TlsCredentials(TlsFolder(secure / OPERATOR))
    named = (("grpc.ssl_target_name_override", own.server_name(identity)),)
    return grpc.aio.secure_channel(target, channel_credentials(own.first), options=named)
