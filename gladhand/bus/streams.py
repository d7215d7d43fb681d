"""The streams of the mesh as code, by importance and never mixed. Setting them up again changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nats.aio.client import Client

from gladhand.bus.port import BusUnavailable, StreamMissing
from gladhand.bus.request import Patience, Refused, Unanswered, ask_patiently

_MIB = 1 << 20
_NOT_FOUND = 10059
_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream. `max_bytes` 0 means no limit of its own: the server's `max_file_store` then refuses."""

    name: str
    subjects: tuple[str, ...]
    description: str
    max_bytes: int = 0
    max_age: timedelta = _ZERO
    """Age at which messages go; zero means never."""
    discard: str = "new"
    """What a full stream does: "new" refuses, "old" drops the oldest. Events are never dropped."""
    retention: str = "limits"
    """"limits" keeps, "workqueue" removes a message once it is acknowledged."""
    once_per_subject: bool = False
    """A latch: a subject takes one message for ever, and the server lets nobody delete or purge it."""
    schedules: bool = False
    """Whether messages may be timers. The server allows this with discard "old" only, so give no limit then."""
    duplicate_window: timedelta = timedelta(minutes=2)
    replicas: int = 1

    def config(self) -> dict[str, object]:
        """Return the configuration as the server's API has it."""
        return {
            "name": self.name,
            "description": self.description,
            "subjects": list(self.subjects),
            "retention": self.retention,
            "storage": "file",
            "discard": self.discard,
            "max_bytes": self.max_bytes or -1,
            "max_age": _nanoseconds(self.max_age),
            "max_msgs_per_subject": 1 if self.once_per_subject else -1,
            "discard_new_per_subject": self.once_per_subject,
            "deny_delete": self.once_per_subject,
            "deny_purge": self.once_per_subject,
            "allow_direct": True,
            "allow_msg_schedules": self.schedules,
            "allow_msg_ttl": self.schedules,
            "allow_rollup_hdrs": self.schedules,
            "duplicate_window": _nanoseconds(self.duplicate_window),
            "num_replicas": self.replicas,
        }


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How large the streams may become. JetStream reserves these bytes, so together they must fit into its store."""

    total_bytes: int = 1024 * _MIB
    """Shared out among the streams by `standard_streams`."""
    replicas: int = 1
    """1 on a lone server, 3 or 5 on a cluster."""
    telemetry_age: timedelta = timedelta(hours=48)
    inbox_age: timedelta = timedelta(days=30)
    dead_letter_age: timedelta = timedelta(days=180)


def standard_streams(limits: StreamLimits | None = None) -> tuple[StreamSpec, ...]:
    """Return the streams that the mesh stands on; architecture 4 says which holds what."""
    limits = limits or StreamLimits()

    def spec(name: str, description: str, share: int, *subjects: str, **more: Any) -> StreamSpec:
        roots = tuple(f"logistics.{subject}.>" for subject in subjects)
        size = limits.total_bytes * share // 100
        return StreamSpec(name, roots, description, max_bytes=size, replicas=limits.replicas, **more)

    return (
        spec("ORDERS", "Events of orders.", 17, "order"),
        spec("LOADS", "Events of loads and proofs of delivery.", 14, "load", "pod"),
        spec("INVOICES", "Events of invoices.", 8, "invoice"),
        spec("PAYABLES", "Events of what carriers want to be paid.", 2, "payable"),
        spec("EXCEPTIONS", "Events of exceptions and holds.", 8, "exception", "hold"),
        spec("EXCURSIONS", "Events of excursions of goods that must be kept cold.", 2, "excursion"),
        spec("PROCESSES", "Events of fulfilments and planning waves.", 14, "fulfilment", "wave"),
        spec("OBSERVATIONS", "Normalised facts from outside.", 10, "observation"),
        spec("INBOX", "Raw messages from outside, kept before anything parses them.", 10, "inbox",
             max_age=limits.inbox_age),
        spec("TELEMETRY", "Samples of the physical world; the oldest may go.", 6, "telemetry",
             max_age=limits.telemetry_age, discard="old"),
        spec("TIMERS", "Timers that are set, and those that fired.", 0, "timer", "due", discard="old", schedules=True),
        spec("EFFECTS", "Latches: what may happen once, ever.", 4, "effect", once_per_subject=True),
        spec("DEADLETTER", "Messages that no attempt could handle.", 3, "deadletter", max_age=limits.dead_letter_age),
        spec("ALERTS", "Calls for somebody to look; the oldest may go.", 1, "alert", max_age=limits.inbox_age,
             discard="old"),
        spec("REDRIVE", "Dead letters on their way back to the consumer that failed.", 1, "redrive",
             retention="workqueue"),
    )  # fmt: skip


async def ensure_streams(connection: Client, specs: Sequence[StreamSpec], patience: Patience | None = None) -> None:
    """Create what is missing and update what differs; run as often as you like.

    Raises StreamMissing where a stored stream differs in a property that the server does not let change, or where the
    limits do not fit into its store; BusUnavailable where JetStream does not answer.
    """
    patience = patience or Patience()
    await asyncio.gather(*(_ensure(connection, spec, patience) for spec in specs))


async def _ensure(connection: Client, spec: StreamSpec, patience: Patience) -> None:
    async def api(verb: str, request: Mapping[str, object]) -> dict[str, Any]:
        subject, payload = f"$JS.API.STREAM.{verb}.{spec.name}", json.dumps(request).encode()
        return (await ask_patiently(connection, subject, payload, None, patience))[0]

    wanted = spec.config()
    differing: dict[str, str] = {}
    try:
        try:
            stored: dict[str, Any] = (await api("INFO", {}))["config"]
        except Refused as refused:
            if refused.error_code != _NOT_FOUND:
                raise
            await api("CREATE", wanted)
            return
        differing = {
            key: f"{stored.get(key)} -> {value}" for key, value in wanted.items() if _differs(stored, key, value)
        }
        if differing:
            await api("UPDATE", stored | wanted)
    except Refused as refused:
        changes = "".join(f"; {key}: {change}" for key, change in differing.items())
        raise StreamMissing(f"stream {spec.name} cannot be set up: {refused.description}{changes}") from refused
    except Unanswered as error:
        raise BusUnavailable(f"stream {spec.name} cannot be set up: {error}") from error


def _differs(stored: Mapping[str, Any], key: str, wanted: object) -> bool:
    """Unset, false, zero and minus one are the same to the server, which leaves them out."""
    found = stored.get(key)
    return found != wanted and not (found in _UNSET and wanted in _UNSET)


_UNSET: tuple[object, ...] = (None, False, 0, -1, "", [])


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
