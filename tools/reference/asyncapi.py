"""The events as an AsyncAPI 3.0 document: a channel for each kind, its payload a protobuf message (pure).

The document describes the mesh as an application that sends events. A payload is named by reference to its `.proto`
file, with the schema format that AsyncAPI has for protobuf; `x-protobuf-message` says which message of the file it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor import Descriptor

from tools.reference.contract import Contract
from tools.reference.events import Event, events_of, routing_of
from tools.reference.yaml import dump

_HEAD = "# Generated from proto/ by `make gen`; do not edit, `make check` fails while it is stale.\n"
_PROTOBUF = "application/vnd.google.protobuf;version=3"
_PROTOS = "../../proto/"

Json = dict[str, object]


def asyncapi_document(contract: Contract, version: str) -> Json:
    """Return the document; `version` is the contract's newest release, for example `1.0.0`."""
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    tags: dict[str, Json] = {}
    for envelope in contract.envelopes():
        stream = routing_of(envelope).stream
        for event in events_of(envelope):
            name = event.body.name
            messages[name] = _message(contract, envelope, event)
            channels[name] = _channel(contract, envelope, event)
            operations[f"send{name}"] = _operation(event, stream)
            tags[stream] = {"name": stream, "description": f"Kept in the JetStream stream {stream}."}
            tags[event.priority] = {"name": event.priority, "description": f"Events of priority {event.priority}."}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Gladhand events",
            "version": version,
            "description": "Every event of the contract, as it is stored and published on NATS JetStream.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [tags[name] for name in sorted(tags)],
        },
        "defaultContentType": "application/protobuf",
        "servers": {
            "mesh": {
                "host": "{host}",
                "protocol": "nats",
                "description": "The nats-server of a mesh, JetStream on.",
                "variables": {
                    "host": {"default": "127.0.0.1:4222", "description": "Host and port; `gladhand status` tells it."}
                },
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "parameters": _parameters(contract),
            "messageTraits": {"CloudEvent": {"headers": _HEADERS}},
        },
    }


def asyncapi_yaml(contract: Contract, version: str) -> str:
    """Return the document as YAML."""
    return _HEAD + dump(asyncapi_document(contract, version))


def _message(contract: Contract, envelope: Descriptor, event: Event) -> Json:
    return {
        "name": event.body.full_name,
        "title": event.body.name,
        "summary": " ".join(contract.comment(event.body.full_name).split()),
        "contentType": "application/protobuf",
        "traits": [{"$ref": "#/components/messageTraits/CloudEvent"}],
        "payload": {"schemaFormat": _PROTOBUF, "schema": {"$ref": _PROTOS + envelope.file.name}},
        "x-protobuf-message": envelope.full_name,
        "x-protobuf-body": f"{event.field}: {event.body.full_name}",
    }


def _channel(contract: Contract, envelope: Descriptor, event: Event) -> Json:
    id_field = routing_of(envelope).id_field
    return {
        "address": event.subject,
        "description": " ".join(contract.comment(event.body.full_name).split()),
        "messages": {event.body.name: {"$ref": f"#/components/messages/{event.body.name}"}},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in ("region", id_field)},
        "servers": [{"$ref": "#/servers/mesh"}],
    }


def _operation(event: Event, stream: str) -> Json:
    name = event.body.name
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "tags": [{"name": stream}, {"name": event.priority}],
    }


def _parameters(contract: Contract) -> Json:
    found: dict[str, Json] = {"region": {"description": "The region whose policy applies: 2 to 16 of a-z and 0-9."}}
    for envelope in contract.envelopes():
        name = routing_of(envelope).id_field
        meaning = " ".join(contract.comment(f"{envelope.full_name}.{name}").split())
        found[name] = {"description": meaning}
    return dict(found)


def _constant(value: str) -> Mapping[str, str]:
    return {"type": "string", "const": value}


_HEADERS: Json = {
    "type": "object",
    "required": ["ce-specversion", "ce-id", "ce-source", "ce-type"],
    "properties": {
        "ce-specversion": _constant("1.0"),
        "ce-id": {"type": "string", "description": "The event's id, the same as event_id."},
        "ce-source": {"type": "string", "description": "The service that wrote it."},
        "ce-type": {"type": "string", "description": "Full name of the body's message."},
        "Nats-Msg-Id": {"type": "string", "description": "The event's id once more, by which JetStream drops repeats."},
        "traceparent": {"type": "string", "description": "W3C trace context of the request behind it; may be missing."},
    },
}
