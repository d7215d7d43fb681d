"""A service as a process: what it serves, what it runs beside, what it holds open, and how it starts and stops.

Start: settings, resources in order, contracts checked, port bound, tasks started, health SERVING, ready file.
Stop (SIGTERM, SIGINT, or a background task that died): health NOT_SERVING, a moment in which clients turn away, no new
calls, endless streams ended with UNAVAILABLE, calls in flight finished within the grace, tasks asked to return,
resources closed in reverse order. A second signal ends the grace.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

import grpc

from gladhand import metrics, telemetry
from gladhand.errors import StartRefused
from gladhand.health import Health
from gladhand.idempotency import IdempotencyStore, Once
from gladhand.interceptors.admission import Admission
from gladhand.interceptors.chain import Chain
from gladhand.interceptors.shares import Shares
from gladhand.interceptors.unknown import UnknownMethods
from gladhand.logging import configure
from gladhand.readiness import Ready, remove_ready, write_ready
from gladhand.reflection import add_reflection
from gladhand.security.exposure import credentials_of
from gladhand.security.gate import Gate
from gladhand.server_status import ServerStatus
from gladhand.serving import Methods
from gladhand.settings import Settings
from gladhand.supervision import BackgroundTask, Supervisor, TaskDied
from logistics.server.v1.server_service_pb2_grpc import add_ServerServiceServicer_to_server

__all__ = ["Running", "ServiceProcess"]

S = TypeVar("S", bound=Settings)
T = TypeVar("T")
V = TypeVar("V")

_log = logging.getLogger(__name__)

_REPORT_S = 60.0
"""Seconds between two reports of the calls served."""

_CLIENTS = 4
"""How many clients it takes to hold all calls that a server serves at once."""

_LEAVE_S = 0.2
"""Seconds between telling clients that the server stops and stopping."""

EXIT_DRAINED, EXIT_DIED, EXIT_REFUSED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Running:
    """A process that serves."""

    host: str
    port: int
    died: asyncio.Future[TaskDied]
    """Resolves with the first background task that ended too early."""

    @property
    def target(self) -> str:
        """Where a client finds it."""
        return f"{self.host}:{self.port}"


class ServiceProcess(Generic[S]):
    """Puts one service together. Its `main.py` hands in `build`, which adds the parts; see `main` and `serving`."""

    def __init__(self, name: str, settings: S) -> None:
        """`name` is the service's name in logs, traces and the ready file.

        Raises StartRefused where the settings ask for no TLS, or name a certificate that is not usable.
        """
        self.name = name
        self.settings = settings
        self.credentials = credentials_of(settings)
        self._methods = Methods()
        self._resources = AsyncExitStack()
        self._tasks: list[tuple[str, BackgroundTask]] = []
        self._supervisor: Supervisor | None = None
        self._ports: dict[str, int] = {}
        self._admissions: list[Admission] = []
        self._gate: Gate | None = None
        self._once: Once | None = None
        self._health: Health | None = None
        self._servers: list[grpc.aio.Server] = []
        self._hurry: asyncio.Future[None] | None = None

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Open a resource that the process holds until its end."""
        return await self._resources.enter_async_context(resource)

    def add_servicer(
        self,
        register: Callable[[V, Any], object],
        servicer: V,
        *,
        own_idempotency: Iterable[str] | Literal[True] = (),
    ) -> None:
        """Serve `servicer`; `register` is the generated `add_…Servicer_to_server`.

        `own_idempotency` names the methods that happen once per request id by themselves, True means all: for them no
        first answer is kept, which saves two writes per call. A command that ends in one event is such: the event's id
        follows from the request id.
        """
        self._methods.add(lambda server: register(servicer, server), own_idempotency)

    def add_task(self, name: str, body: BackgroundTask) -> None:
        """Run `body(stopping)` beside the server. It returns soon after `stopping` is set and never before."""
        self._tasks.append((name, body))
        if self._supervisor is not None:
            self._supervisor.add(name, body)

    def announce(self, protocol: str, port: int) -> None:
        """Name a further port in the ready file, for example `http`. Call it while building."""
        self._ports[protocol] = port

    def use_idempotency(self, store: IdempotencyStore) -> None:
        """Keep first answers in `store`. Needed where a method requires a request id and has no own idempotency."""
        self._once = Once(store)

    def admit(self, step: Admission) -> None:
        """Add a step that may refuse calls before their request is read, behind the gate that every process has."""
        self._admissions.append(step)

    async def gate(self) -> Gate:
        """Return the door of the process, for what it serves beside gRPC. Call it once its servicers are added.

        Raises SettingsError where the key set of tokens is not usable.
        """
        if self._gate is None:
            opened = Gate.opened(self.settings, self._methods.services(), certified=self.credentials is not None)
            self._gate = await self.enter(opened)
            if self._gate.keys is not None:
                self.add_task("token keys", self._gate.keys.run)
        return self._gate

    async def mark_serving(self, service: str | None = None, *, serving: bool) -> None:
        """Report that a service (by full name), or everything, cannot serve for now, or can again."""
        if self._health is not None:
            await self._health.mark(service, serving=serving)

    @asynccontextmanager
    async def serving(self, build: Callable[[ServiceProcess[S]], Awaitable[None]]) -> AsyncIterator[Running]:
        """Build and serve while the context lasts, then drain.

        Raises ContractError where a served method declares no policy, StartRefused where the port is taken, and what
        `build` raises; what was opened is closed again.
        """
        async with AsyncExitStack() as stack:
            traces = stack.enter_context(telemetry.started(self.name, self.settings.otlp_endpoint))
            stack.enter_context(metrics.started(self.name, self.settings.otlp_endpoint))
            stack.push_async_callback(self._resources.aclose)
            await build(self)
            gate = await self.gate()
            shares = Shares(max(1, self.settings.max_concurrent_calls // _CLIENTS))
            chain = Chain(self.settings.slow_call_s, shares, (gate, *self._admissions), self.settings.unread_s)
            status = ServerStatus(self.name, self._methods.services(), chain.tally)
            self.add_servicer(add_ServerServiceServicer_to_server, status)
            self._health = Health(self._methods.services(), shares.most)
            self._servers = self._bind(chain, self._health, gate, traces)
            self._supervisor = supervisor = Supervisor()
            for name, body in (*self._tasks, ("call report", self._reporter(chain))):
                supervisor.add(name, body)
            for server in self._servers:
                await server.start()
            stack.push_async_callback(self._drain, chain, supervisor)
            supervisor.start()
            await self._health.mark(serving=True)
            self._report_ready()
            yield Running(self.settings.host, self._ports["grpc"], supervisor.died)

    async def run(self, build: Callable[[ServiceProcess[S]], Awaitable[None]]) -> int:
        """Serve until a signal comes or a background task dies; return the exit code."""
        asked, loop = asyncio.Event(), asyncio.get_running_loop()
        starting = asyncio.ensure_future(self._serve(build, asked))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, asked, starting)
        try:
            return await starting
        except asyncio.CancelledError:
            if not asked.is_set():
                raise
            _log.info("stopped before it served")
            return EXIT_DRAINED
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _serve(self, build: Callable[[ServiceProcess[S]], Awaitable[None]], asked: asyncio.Event) -> int:
        async with self.serving(build) as running:
            died: asyncio.Future[Any] = running.died
            waiting = asyncio.ensure_future(asked.wait())
            await asyncio.wait((waiting, died), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            fell = died.done()
            _log.info("stopping", extra={"facts": {"why": "a background task died" if fell else "asked to"}})
        return EXIT_DIED if fell else EXIT_DRAINED

    @classmethod
    def main(cls, name: str, settings: type[S], build: Callable[[ServiceProcess[S]], Awaitable[None]]) -> int:
        """Read the settings, run the process and return its exit code.

        0: stopped when asked to. 1: a background task died, or the start failed. 2: the start was refused, by the
        settings or by the contract; the reason is printed.
        """
        try:
            values = settings.load()
            configure(values, name)
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                return runner.run(cls(name, values).run(build))
        except StartRefused as error:
            sys.stderr.write(f"{name} does not start: {error.message}\n")
            return EXIT_REFUSED
        except Exception:  # noqa: BLE001 - logged, and told by the exit code
            _log.critical("the process failed", exc_info=True)
            return EXIT_DIED

    def _bind(self, chain: Chain, health: Health, gate: Gate, traces: telemetry.Telemetry) -> list[grpc.aio.Server]:
        """One server for the mesh and one for token holders: strangers who fill the second leave the first alone."""
        settings, own = self.settings, self.credentials
        servers = [self._built(chain, health, gate, traces)]
        mutual = None if own is None else own.for_mesh()
        self._ports["grpc"] = _listen(servers[0], settings.host, settings.port, "GLADHAND_PORT", mutual)
        if own is not None and settings.token_port is not None:
            servers.append(self._built(chain, health, gate, traces))
            self._ports["grpc_token"] = _listen(
                servers[1], settings.host, settings.token_port, "GLADHAND_TOKEN_PORT", own.for_tokens()
            )
        return servers

    def _built(self, chain: Chain, health: Health, gate: Gate, traces: telemetry.Telemetry) -> grpc.aio.Server:
        size = self.settings.max_message_bytes
        server = grpc.aio.server(
            interceptors=tuple(traces.server_interceptors()),
            maximum_concurrent_rpcs=self.settings.max_concurrent_calls,
            options=(
                # Two servers on one port would share its calls without anybody noticing.
                ("grpc.so_reuseport", 0),
                ("grpc.max_send_message_length", size),
                ("grpc.max_receive_message_length", size),
                # Between its soft and its hard limit gRPC refuses by chance; its usual soft one is our longest token.
                ("grpc.max_metadata_size", 16_384),
                ("grpc.absolute_max_metadata_size", 32_768),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.http2.ping_timeout_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                # Our own clients ping every 5 s; whoever pings more often than every 4 s is cut off.
                ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
            ),
        )
        self._methods.register(server, chain, self._once)
        health.add_to(server)
        if self.settings.reflection:
            add_reflection(server, (*self._methods.services(), "grpc.health.v1.Health"), gate.identify)
        server.add_generic_rpc_handlers((UnknownMethods(self._methods.services(), gate.identify),))
        return server

    def _report_ready(self) -> None:
        ready = Ready(self.name, os.getpid(), self.settings.host, dict(self._ports))
        if self.settings.ready_file is not None:
            write_ready(self.settings.ready_file, ready)
        _log.info("serving", extra={"facts": {"host": ready.host, **{f"{k}_port": v for k, v in ready.ports.items()}}})

    def _reporter(self, chain: Chain) -> BackgroundTask:
        async def report(stopping: asyncio.Event) -> None:
            loop = asyncio.get_running_loop()
            while not stopping.is_set():
                began = loop.time()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _REPORT_S)
                for facts in chain.tally.report(loop.time() - began):
                    logging.getLogger("gladhand.calls").info("calls", extra={"facts": facts})

        return report

    async def _drain(self, chain: Chain, supervisor: Supervisor) -> None:
        grace_s = self.settings.grace_s
        if self.settings.ready_file is not None:
            remove_ready(self.settings.ready_file)
        if self._health is not None and self._servers:
            if await self._health.drain():
                # Clients that watch are gone in a moment. Calls that come in once grpcio stops, it cancels unseen.
                await asyncio.sleep(_LEAVE_S)
            chain.streams.drain()
            await _stop(self._servers, grace_s)
        if self._once is not None:
            await self._once.drain()
        await supervisor.stop(grace_s)

    def _on_signal(self, asked: asyncio.Event, serving: asyncio.Future[int]) -> None:
        if not self._servers:
            # Still building, perhaps waiting for what does not answer.
            serving.cancel()
        elif asked.is_set():
            _log.warning("asked a second time: calls in flight are broken off")
            self._hurry = asyncio.ensure_future(_stop(self._servers, 0))
        asked.set()


async def _stop(servers: Iterable[grpc.aio.Server], grace_s: float) -> None:
    await asyncio.gather(*(server.stop(grace_s) for server in servers))


def _listen(
    server: grpc.aio.Server, host: str, port: int, variable: str, credentials: grpc.ServerCredentials | None
) -> int:
    address = f"{host}:{port}"
    refusal = StartRefused(f"cannot listen on {address}; set {variable} to a free port, or to 0 for any")
    try:
        if credentials is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise refusal from error
    if bound == 0:
        raise refusal
    return bound


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop
    return cast(Callable[[], asyncio.AbstractEventLoop], uvloop.new_event_loop)
