"""One page for each package: services with their policy, messages with their rules, enums (pure)."""

from __future__ import annotations

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    OneofDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import MethodOptions

from gladhand.contracts.mermaid import anchor
from gladhand.enums import short_name
from gladhand.lifecycle import lifecycle_of
from logistics.contract.v1 import (
    Audience,
    LifeStage,
    MethodPolicy,
    Priority,
    RateClass,
    Sensitivity,
    envelope,
    event,
    lifecycle,
    policy,
    sensitivity,
    service,
)
from tools.reference import rules
from tools.reference.contract import ROOT, Contract
from tools.reference.markdown import GENERATED, page, prose, slug, table

_SCALARS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def package_page(contract: Contract, package: str) -> str:
    """Return the page of one package."""
    parts = [f"# {package}", "", GENERATED, "", prose(contract.comment(package))]
    for service_ in contract.services(package):
        parts += _service(contract, package, service_)
    messages, enums = contract.messages(package), contract.enums(package)
    extensions = [one for file in contract.of(package) for one in file.extensions_by_name.values()]
    if extensions:
        parts += ["", "## Annotations"]
        rows = [
            (f"`{one.name}`", _extended(one), _type(package, one), _said(contract, one))
            for one in sorted(extensions, key=lambda one: one.number)
        ]
        parts += table(("annotation", "on", "type", "meaning"), rows)
    if messages:
        parts += ["", "## Messages"]
    for message in messages:
        parts += _message(contract, package, message)
    if enums:
        parts += ["", "## Enums"]
    for enum in enums:
        parts += _enum(contract, enum)
    return page(parts)


def link(package: str, target: Descriptor | EnumDescriptor | ServiceDescriptor) -> str:
    """Return a link to an element of ours as seen from the page of a package; others are named alone."""
    name = local_name(target)
    file: FileDescriptor = target.file
    if not file.package.startswith(ROOT):
        return f"`{target.full_name}`"
    home = "" if file.package == package else f"{file.package}.md"
    shown = name if file.package == package else f"{file.package.removeprefix(ROOT)}.{name}"
    return f"[{shown}]({home}#{slug(name)})"


def local_name(target: Descriptor | EnumDescriptor | ServiceDescriptor) -> str:
    """Return a name below its package, for example `Order` or `Trip.Leg`."""
    file: FileDescriptor = target.file
    return str(target.full_name).removeprefix(f"{file.package}.")


def _extended(extension: FieldDescriptor) -> str:
    options = extension.containing_type
    return f"{options.name if options is not None else ''} {extension.number}"


def _said(contract: Contract, field: FieldDescriptor) -> str:
    return contract.comment(field.full_name)


def _service(contract: Contract, package: str, found: ServiceDescriptor) -> list[str]:
    parts = ["", f"## {found.name}", "", prose(contract.comment(found.full_name))]
    options = found.GetOptions()
    if options.HasExtension(service):
        declared = options.Extensions[service]
        rows = [
            (name, ", ".join(f"`{value}`" for value in values))
            for name, values in (
                ("calls", declared.calls),
                ("publishes", declared.publishes),
                ("reads", declared.reads),
                ("buckets", declared.buckets),
                ("object buckets", declared.objects),
                ("consumers", [f"{each.durable}: {' '.join(each.filters)}" for each in declared.consumers]),
                ("timers", declared.timers),
            )
            if values
        ]
        parts += table((f"as `{declared.identity}`, its process", "what"), rows)
    for method in found.methods:
        parts += _method(contract, package, method)
    return parts


def _method(contract: Contract, package: str, method: MethodDescriptor) -> list[str]:
    request, response = link(package, method.input_type), link(package, method.output_type)
    asked = f"stream of {request}" if method.client_streaming else request
    given = f"stream of {response}" if method.server_streaming else response
    return [
        "",
        f"### {method.containing_service.name}.{method.name}",
        "",
        f"{asked} → {given}",
        "",
        prose(contract.comment(method.full_name)),
        *table(("policy", ""), _policy(method)),
    ]


def _policy(method: MethodDescriptor) -> list[tuple[str, str]]:
    options = method.GetOptions()
    declared: MethodPolicy = options.Extensions[policy]
    level = MethodOptions.IdempotencyLevel.Name(options.idempotency_level).lower().replace("_", " ")
    rows = [
        ("scopes, one of", ", ".join(f"`{scope}`" for scope in declared.scopes)),
        ("audience", ", ".join(short_name(Audience, one) for one in declared.audience)),
        ("rate class", short_name(RateClass, declared.rate_class)),
        ("timeout without a deadline", _timeout(declared)),
        ("repeating it", level + (", by `request_id`" if declared.requires_request_id else "")),
        ("stage", short_name(LifeStage, declared.stage)),
    ]
    if declared.stage == LifeStage.LIFE_STAGE_DEPRECATED:
        rows += [("sunset", declared.sunset_date), ("use instead", f"`{declared.replacement}`")]
    return rows


def _timeout(declared: MethodPolicy) -> str:
    if not declared.HasField("timeout"):
        return "10 s"
    seconds = declared.timeout.seconds + declared.timeout.nanos / 1e9
    return f"{seconds:g} s" if seconds else "none: it follows until either side ends it"


def _message(contract: Contract, package: str, message: Descriptor) -> list[str]:
    parts = ["", f"### {local_name(message)}", "", prose(contract.comment(message.full_name))]
    options = message.GetOptions()
    if options.HasExtension(envelope):
        aggregate = options.Extensions[envelope].aggregate
        parts += ["", f"An event envelope; its events are in the [catalogue](events.md#{aggregate})."]
    if options.HasExtension(event):
        routing = options.Extensions[event]
        priority = short_name(Priority, routing.priority)
        parts += ["", f"An event: subjects end in `{routing.token}`, priority {priority}."]
    oneofs = [one for one in message.oneofs if not _synthetic(one)]
    for oneof in oneofs:
        count = "Exactly one" if rules.of_oneof(oneof) else "At most one"
        fields = ", ".join(f"`{field.name}`" for field in oneof.fields)
        said = prose(contract.comment(f"{message.full_name}.{oneof.name}"))
        parts += ["", f"{count} of `{oneof.name}`: {fields}. {said}"]
    whole = rules.of_message(message)
    if whole:
        parts += ["", "Over the whole message:", "", *(f"- {rule}" for rule in whole)]
    rows = [
        (str(field.number), f"`{field.name}`", _type(package, field), _said(contract, field), _bounds(field))
        for field in message.fields
    ]
    return parts + (table(("#", "field", "type", "meaning", "rules"), rows) or ["", "It has no fields."])


def _synthetic(oneof: OneofDescriptor) -> bool:
    """Whether protoc made it for one `optional` field."""
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _type(package: str, field: FieldDescriptor) -> str:
    target = field.message_type
    if target is not None and target.GetOptions().map_entry:
        key, value = target.fields_by_name["key"], target.fields_by_name["value"]
        return f"map of {_type(package, key)} to {_type(package, value)}"
    named = target if target is not None else field.enum_type
    name = link(package, named) if named is not None else _SCALARS[field.type]
    if field.is_repeated:
        return f"list of {name}"
    oneof = field.containing_oneof
    return f"optional {name}" if oneof is not None and _synthetic(oneof) else name


def _bounds(field: FieldDescriptor) -> str:
    found = rules.of_field(field)
    level = field.GetOptions().Extensions[sensitivity]
    if level:
        found.append(f"**{short_name(Sensitivity, level)}**, masked")
    if field.GetOptions().deprecated:
        found.append("deprecated")
    return ", ".join(found)


def _enum(contract: Contract, enum: EnumDescriptor) -> list[str]:
    parts = ["", f"### {local_name(enum)}", "", prose(contract.comment(enum.full_name))]
    if enum.GetOptions().HasExtension(lifecycle):
        parts += ["", f"A lifecycle: [its diagram](lifecycles.md#{slug(anchor(lifecycle_of(enum)))})."]
    rows = [
        (str(value.number), f"`{value.name}`", contract.comment(f"{enum.full_name}.{value.name}"))
        for value in enum.values
    ]
    return parts + table(("#", "value", "meaning"), rows)


def index_page(contract: Contract) -> str:
    """Return the first page: every package, what it says of itself, and its services."""
    rows = [
        (
            f"[{package}]({package}.md)",
            contract.comment(package),
            ", ".join(f"[{one.name}]({package}.md#{slug(one.name)})" for one in contract.services(package)),
        )
        for package in contract.packages
    ]
    return page(
        [
            "# Reference of the contract",
            "",
            GENERATED,
            "",
            "- [Lifecycles](lifecycles.md): every state machine as a diagram",
            "- [Events](events.md): every event with its subject; the same as [AsyncAPI 3.0](asyncapi.yaml)",
            "- [Error reasons](errors.md): why a request was refused, with an example of each",
            *table(("package", "holds", "services"), rows),
        ]
    )
