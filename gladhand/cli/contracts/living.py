"""How the live processes and the verdict on a contract are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape

from gladhand.cli.contracts.showing import change_as_dict, place_of
from gladhand.cli.output import as_dict, print_json, screen, table
from gladhand.contracts.changes import Change
from gladhand.enums import short_name
from gladhand.registry.paths import ALL
from gladhand.registry.store import Live
from gladhand.registry.verdict import Judged, Verdict
from logistics.contract.v1.registration_pb2 import EventReading, Participation, Registration

_SHOWN_FIELDS = 6
_SHORT = 12


def show_live(live: Live, releases: Mapping[str, str], now: dt.datetime, *, as_json: bool) -> None:
    """Print who is live: the processes, then what each reads and calls."""
    if as_json:
        print_json(
            {
                "live": [
                    {**as_dict(each), "released_version": releases.get(each.image_digest, "")}
                    for each in live.registrations
                ],
                "unreadable": [{"key": each.key, "why": each.why} for each in live.unreadable],
            }
        )
        return
    console = screen()
    rows = [
        (
            each.name, short_name(Participation, each.participation).lower(), each.instance,
            _contract(each.image_digest, releases), _ago(each, now), " ".join(_tail(name) for name in each.serves),
        )
        for each in live.registrations
    ]  # fmt: skip
    console.print(table(("name", "takes part as", "instance id", "contract", "seen", "serves"), rows))
    needs = [row for each in _one_of_each(live.registrations) for row in _needs(each)]
    if needs:
        console.print(table(("name", "needs", "of it"), needs))
    for broken in live.unreadable:
        console.print(f"[red]not readable[/]: {escape(broken.key)} in bucket REGISTRY: {escape(broken.why)}")
    contracts = {each.image_digest for each in live.registrations}
    console.print(f"{len(live.registrations)} live, contracts among them: {len(contracts)}", highlight=False)
    console.print("may another one go out: gladhand contracts check proto", highlight=False)


def show_verdict(
    verdict: Verdict,
    live: Live,
    complaints: Sequence[str],
    source: str,
    releases: Mapping[str, str],
    *,
    as_json: bool,
) -> bool:
    """Print what a contract would do to those who are live; whether nothing breaks."""
    fine = not (verdict.broken or verdict.policy or complaints)
    if as_json:
        print_json(_document(verdict, live, complaints, source, releases, fine=fine))
        return fine
    console = screen()
    for each in verdict.broken:
        console.print(f"[red]{escape(_who(each, releases))} would break[/]", highlight=False)
        for hit in each.hits:
            console.print(f"  {_at(hit.change)}{escape(hit.change.sentence)} ({hit.change.rule})", highlight=False)
            console.print(f"    it {escape('; '.join(str(use) for use in hit.uses))}", highlight=False)
    for each in verdict.judged:
        if not each.hits:
            console.print(f"fine: {escape(_who(each, releases))}", highlight=False)
        if each.by_names:
            text = f"{each.name}: its own contract is not in the registry, so only names could be compared"
            console.print(f"[yellow]careful[/]: {escape(text)}", highlight=False)
    for title, changes in (
        ("breaks what was promised, though nobody on the wire", verdict.policy),
        ("takes away what nobody who is live needs", verdict.harmless),
    ):
        for change in changes:
            console.print(f"{title}: {_at(change)}{escape(change.sentence)} ({change.rule})", highlight=False)
    for broken in live.unreadable:
        console.print(f"[yellow]careful[/]: {escape(broken.key)} in bucket REGISTRY is {escape(broken.why)}")
    for complaint in complaints:
        console.print(escape(complaint), highlight=False)
    console.print(_sum(verdict, complaints, source, fine=fine), highlight=False)
    return fine


def _sum(verdict: Verdict, complaints: Sequence[str], source: str, *, fine: bool) -> str:
    count = sum(len(each.instances) for each in verdict.judged)
    gained = f"; {len(verdict.gained)} changes take nothing away" if verdict.gained else ""
    if fine:
        return f"{escape(source)} may go out: {count} live, none of them breaks{gained}"
    reasons = [f"{len(verdict.broken)} of {len(verdict.judged)} kinds of live processes break"] * bool(verdict.broken)
    reasons += [f"{len(verdict.policy)} promises break"] * bool(verdict.policy)
    reasons += [f"{len(complaints)} checks complain"] * bool(complaints)
    return f"{escape(source)} may not go out: {', '.join(reasons)}{gained}"


def _document(
    verdict: Verdict,
    live: Live,
    complaints: Sequence[str],
    source: str,
    releases: Mapping[str, str],
    *,
    fine: bool,
) -> dict[str, Any]:
    return {
        "source": source,
        "digest": verdict.digest,
        "released_version": releases.get(verdict.digest, ""),
        "fine": fine,
        "broken": [
            {
                **_identity(each, releases),
                "hits": [
                    {**change_as_dict(hit.change), "uses": [{"of": use.of, "path": use.path} for use in hit.uses]}
                    for hit in each.hits
                ],
            }
            for each in verdict.broken
        ],
        "unharmed": [_identity(each, releases) for each in verdict.judged if not each.hits],
        "policy": [change_as_dict(each) for each in verdict.policy],
        "harmless": [change_as_dict(each) for each in verdict.harmless],
        "gained": [change_as_dict(each) for each in verdict.gained],
        "complaints": list(complaints),
        "unreadable": [{"key": each.key, "why": each.why} for each in live.unreadable],
    }


def _identity(judged: Judged, releases: Mapping[str, str]) -> dict[str, Any]:
    digest = judged.registration.image_digest
    return {
        "name": judged.name,
        "instances": list(judged.instances),
        "digest": digest,
        "released_version": releases.get(digest, ""),
        "by_names_only": judged.by_names,
    }


def _who(judged: Judged, releases: Mapping[str, str]) -> str:
    count = len(judged.instances)
    replicas = f"{count} instances, " if count > 1 else ""
    return f"{judged.name} ({replicas}contract {_contract(judged.registration.image_digest, releases)})"


def _at(change: Change) -> str:
    place = place_of(change)
    return f"{place}: " if place else ""


def _contract(digest: str, releases: Mapping[str, str]) -> str:
    return releases.get(digest) or digest[:_SHORT]


def _ago(registration: Registration, now: dt.datetime) -> str:
    """How long ago, by the clock of the process and ours; of one that runs ahead nobody can tell."""
    seconds = int((now - registration.last_seen_time.ToDatetime(dt.UTC)).total_seconds())
    return f"{seconds} s ago" if seconds >= 0 else "just now; its clock is ahead" if seconds < -1 else "just now"


def _one_of_each(registrations: Iterable[Registration]) -> Iterable[Registration]:
    """One of the replicas that need the same."""
    return {
        (each.name, *(reading.SerializeToString(deterministic=True) for reading in each.reads), *each.calls): each
        for each in registrations
    }.values()


def _needs(registration: Registration) -> Iterable[tuple[str, str, str]]:
    for reading in registration.reads:
        yield registration.name, f"reads {_tail(reading.message)}", escape(_fields(reading))
    calls: dict[str, list[str]] = {}
    for call in registration.calls:
        service, _, method = call.partition("/")
        calls.setdefault(service, []).append(method)
    for service, methods in calls.items():
        yield registration.name, f"calls {_tail(service)}", " ".join(methods)


def _fields(reading: EventReading) -> str:
    if ALL in reading.fields:
        return "all fields"
    more = len(reading.fields) - _SHOWN_FIELDS
    return " ".join(reading.fields[:_SHOWN_FIELDS]) + (f" and {more} more (--json)" if more > 0 else "")


def _tail(name: str) -> str:
    return name.rpartition(".")[2]
