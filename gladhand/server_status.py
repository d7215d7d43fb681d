"""What a server tells of itself: the standard service that `gladhand status` asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.breaker import BreakerState
from gladhand.clock import Clock, SystemClock
from gladhand.interceptors.tally import Tally
from gladhand.passage import Passage, passages
from logistics.server.v1 import server_service_pb2 as api
from logistics.server.v1 import server_service_pb2_grpc as rpc

__all__ = ["ServerStatus"]

_STATES = {
    BreakerState.CLOSED: api.BREAKER_STATE_CLOSED,
    BreakerState.HALF_OPEN: api.BREAKER_STATE_HALF_OPEN,
    BreakerState.OPEN: api.BREAKER_STATE_OPEN,
}


class ServerStatus(rpc.ServerServiceServicer):
    """Answers for one process, from memory."""

    def __init__(self, name: str, services: Sequence[str], tally: Tally, clock: Clock | None = None) -> None:
        """`services` are the full names of what is served, `tally` counts its calls; it begins to serve now."""
        self._name = name
        self._services = services
        self._tally = tally
        self._start = Timestamp()
        self._start.FromDatetime((clock or SystemClock()).now())

    async def GetServerStatus(self, _request: api.GetServerStatusRequest, _context: Any) -> api.GetServerStatusResponse:
        """Return who this is, what it served, and how its ways to other systems are."""
        return api.GetServerStatusResponse(
            name=self._name,
            start_time=self._start,
            services=self._services,
            methods=[
                api.MethodCalls(method=path, codes=codes, repeated_calls=tally.repeated)
                for path, tally in sorted(self._tally.methods().items())
                if (codes := tally.since_start)
            ],
            targets=[_status(passage) for passage in passages()],
        )


def _status(passage: Passage) -> api.TargetStatus:
    return api.TargetStatus(
        target=passage.name,
        breaker=_STATES[passage.breaker.state],
        opened=passage.breaker.opened,
        in_flight=passage.in_flight,
        most_in_flight=passage.most,
        codes=passage.codes,
        refused=passage.refused,
        hedges=passage.hedges,
        hedges_denied=passage.hedges_denied,
    )
