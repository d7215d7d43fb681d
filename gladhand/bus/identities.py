"""The identities beside the services: who sets the mesh up, who works at the command line, and readers (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gladhand.bus.permissions import API, BusPolicy, Consumer, Rights, rights_of
from gladhand.errors import InvalidArgument
from gladhand.security.names import OPERATOR

__all__ = ["SETUP", "operator", "readable", "reader", "rights_of_all", "setup"]

SETUP = "mesh_setup"

_OBSERVED = ("telemetry", "observation")
"""What is no aggregate's event and may be read all the same."""


def setup() -> BusPolicy:
    """Who makes streams and buckets. Such a right reads everything, since a stream may copy another."""
    requests = (f"{API}.STREAM.{verb}.*" for verb in ("CREATE", "UPDATE", "INFO"))
    return BusPolicy(SETUP, requests=tuple(requests))


def operator(streams: Mapping[str, Sequence[str]]) -> BusPolicy:
    """Who works at the command line: reads everything, replays dead letters, moves the clock of a local mesh."""
    return BusPolicy(
        OPERATOR,
        publishes=("logistics.redrive.>", "logistics.timer.>"),
        reads=tuple(subject for subjects in streams.values() for subject in subjects),
        buckets=("CLOCK",),
        requests=(
            f"{API}.INFO",
            f"{API}.STREAM.LIST",
            f"{API}.STREAM.NAMES",
            f"{API}.STREAM.MSG.DELETE.DEADLETTER",
            f"{API}.CONSUMER.LIST.*",
            f"{API}.CONSUMER.NAMES.*",
        ),
    )


def readable(aggregates: Iterable[str]) -> dict[str, str]:
    """Return what a reader may be given, each by its name with its subjects: every aggregate, and what is observed."""
    return {name: f"logistics.{name}.>" for name in (*aggregates, *_OBSERVED)}


def reader(
    name: str, reads: Sequence[str], known: Mapping[str, str], streams: Mapping[str, Sequence[str]]
) -> BusPolicy:
    """Return the policy of another team's reader: some aggregates' events, and a durable consumer of its own name.

    Raises InvalidArgument where it names something that cannot be read.
    """
    unknown = sorted(set(reads) - set(known))
    if unknown or not reads:
        raise InvalidArgument(
            f"nobody can read {', '.join(unknown) or 'nothing'}",
            field="reads",
            remedy=f"give one or more of {', '.join(sorted(known))}",
        )
    subjects = tuple(known[each] for each in dict.fromkeys(reads))
    consumers = (
        Consumer(name, tuple(subject for subject in subjects if subject in taken))
        for taken in streams.values()
        if any(subject in taken for subject in subjects)
    )
    return BusPolicy(name, reads=subjects, consumers=tuple(consumers))


def rights_of_all(policies: Sequence[BusPolicy], streams: Mapping[str, Sequence[str]]) -> tuple[Rights, ...]:
    """Return the rights of each, apart from one another. Raises ContractError."""
    return tuple(
        rights_of(each, streams, [other for other in policies if other.identity != each.identity]) for each in policies
    )
