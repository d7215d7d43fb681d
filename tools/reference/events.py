"""The catalogue of events: aggregate by aggregate, each with its subject, priority and edges (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor

from gladhand.bus.streams import standard_streams
from gladhand.enums import short_name
from logistics.contract.v1 import EnvelopeRouting, EventRouting, Priority, envelope, event
from tools.reference.contract import Contract
from tools.reference.markdown import GENERATED, page, prose, table
from tools.reference.packages import link

_INTRODUCTION = """\
A fact is one message: an envelope with one body. Its subject names the aggregate, the region, the aggregate's id and
what happened, so that a filter such as `logistics.order.*.*.released` takes one kind of event, and
`logistics.order.us.<id>.>` one history. Headers carry CloudEvents 1.0 in binary mode (`ce-id`, `ce-source`, `ce-type`,
`ce-specversion`). The same as a document for tools: [asyncapi.yaml](asyncapi.yaml)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event."""

    field: str
    """Its field in the envelope."""
    body: Descriptor
    subject: str
    """With `{region}` and the id's field in braces."""
    priority: str


def routing_of(message: Descriptor) -> EnvelopeRouting:
    """Return where the events of an envelope live."""
    return message.GetOptions().Extensions[envelope]


def events_of(message: Descriptor) -> list[Event]:
    """Return the kinds of events that an envelope can hold, in the order of the contract."""
    routing = routing_of(message)
    found = []
    for field in message.oneofs_by_name["body"].fields:
        body = field.message_type
        if body is None:
            raise TypeError(f"{field.full_name} is no message and cannot be an event body")
        route: EventRouting = body.GetOptions().Extensions[event]
        subject = f"logistics.{routing.aggregate}.{{region}}.{{{routing.id_field}}}.{route.token}"
        found.append(Event(field.name, body, subject, short_name(Priority, route.priority)))
    return found


def events_page(contract: Contract) -> str:
    """Return the page of all events and of the streams that hold them."""
    parts = [
        "# Events",
        "",
        GENERATED,
        "",
        _INTRODUCTION,
    ]
    for message in contract.envelopes():
        routing = routing_of(message)
        parts += [
            "",
            f"## {routing.aggregate}",
            "",
            f"Stream `{routing.stream}`, envelope {link('', message)}.",
            "",
            prose(contract.comment(message.full_name)),
            *table(
                ("event", "subject", "priority", "meaning"),
                [
                    (link("", one.body), f"`{one.subject}`", one.priority, contract.comment(one.body.full_name))
                    for one in events_of(message)
                ],
            ),
        ]
    parts += ["", "## Streams", "", "All of a mesh, those without events of the contract too."]
    parts += table(
        ("stream", "subjects", "holds"),
        [
            (f"`{spec.name}`", ", ".join(f"`{subject}`" for subject in spec.subjects), spec.description)
            for spec in standard_streams()
        ],
    )
    return page(parts)
