"""The check at start that an acknowledged event is on disk. By default nats-server acknowledges before fsync."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, cast

from nats.aio.client import Client

from gladhand.log.port import NotDurable

_log = logging.getLogger(__name__)
_TIMEOUT_S = 5.0


async def require_durable(
    connection: Client,
    monitoring_url: str | None,
    *,
    replicas: int = 1,
    allow_unsynced: bool = False,
    ca: Path | None = None,
) -> None:
    """Refuse a lone server that acknowledges before its data is on disk.

    Asks nats-server's monitoring endpoint for `sync_always`; a cluster with `replicas` above 1 passes, since replicas
    stand in for the disk. A power failure took everything of the last two minutes from a server without either. `ca`
    holds the certificates to know an https endpoint by. `allow_unsynced` turns the refusal into a warning. Raises
    NotDurable, also where the endpoint is not given, does not answer or belongs to another server.
    """
    problem = await _problem(connection, monitoring_url, replicas, ca)
    if problem is None:
        return
    if not allow_unsynced:
        raise NotDurable(f"{problem} To run all the same, at the risk of losing acknowledged events, allow unsynced.")
    _log.warning("events may be lost in a power failure: %s", problem)


async def _problem(connection: Client, monitoring_url: str | None, replicas: int, ca: Path | None) -> str | None:
    if not monitoring_url:
        return "No monitoring URL is set, so nobody can tell whether nats-server syncs before it acknowledges."
    try:
        state = await asyncio.to_thread(_varz, monitoring_url, ca)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"The monitoring endpoint {monitoring_url} does not answer: {error}."
    config = (state.get("jetstream") or {}).get("config")
    if not config:
        return f"The server at {monitoring_url} runs without JetStream."
    clustered = bool((state.get("cluster") or {}).get("name"))
    if clustered and replicas > 1:
        return None
    if not clustered and state.get("server_id") != connection._server_info.get("server_id"):  # noqa: SLF001 - no other way
        return f"The monitoring endpoint {monitoring_url} belongs to another server than the one connected to."
    if not config.get("sync_always"):
        return f"The server at {monitoring_url} acknowledges before fsync: set `sync_interval: always` in `jetstream`."
    return None


def _varz(monitoring_url: str, ca: Path | None) -> dict[str, Any]:
    secured = ssl.create_default_context(cafile=ca) if ca is not None else None
    url = f"{monitoring_url.rstrip('/')}/varz"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S, context=secured) as answer:  # noqa: S310 - http by settings
        return cast("dict[str, Any]", json.load(answer))
