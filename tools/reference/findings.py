"""Every kind of exception with what raises it, how it is resolved, and what it is by default (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor
from google.protobuf.descriptor_pb2 import EnumValueOptions

from logistics.contract.v1 import finding_pb2
from tools.reference.contract import Contract
from tools.reference.markdown import page

_PACKAGE, _ENUM = "logistics.exception.v1", "logistics.exception.v1.ExceptionKind"
_PREFIX = "EXCEPTION_KIND_"

_INTRODUCTION = """\
What can go wrong, what raises it, and how it ends. Severity and due time are those of the contract; a policy's
`exceptions` may say otherwise for a region or a customer, and who is called when it is overdue. Each exception is
opened once for one cause, is worked on by `gladhand exceptions`, and calls somebody by an alert on
`logistics.alert.<region>.<severity>.<exception_id>`."""


class NoFinding(ValueError):
    """A kind of exception that does not say what it means."""


def findings_page(contract: Contract) -> str:
    """Return the guide. Raises NoFinding."""
    (enum,) = (found for found in contract.enums(_PACKAGE) if found.full_name == _ENUM)
    told = list(findings(enum))
    parts = [
        "# Exceptions",
        "",
        "Generated from the contract by `make gen`; do not edit.",
        "",
        _INTRODUCTION,
        "",
        "| kind | what went wrong | severity | due |",
        "| --- | --- | --- | --- |",
        *(
            f"| [{name}](#{name.lower()}) | {finding.summary} | {_severity(finding)} | {_due(finding)} |"
            for name, finding in told
        ),
    ]
    for name, finding in told:
        parts += [
            "",
            f"## {name}",
            "",
            f"{finding.summary} {_severity(finding).capitalize()}, due {_due(finding)}.",
            "",
            f"**Raised by**: {_inside(finding.raised_by)}",
            "",
            f"**Resolved by**: {_inside(finding.resolved_by)}",
        ]
    return page(parts)


def findings(enum: EnumDescriptor) -> Iterator[tuple[str, finding_pb2.Finding]]:
    """Yield short name and meaning of each kind, in the order of their numbers. Raises NoFinding."""
    for value in sorted(enum.values, key=lambda value: value.number):
        if value.number:
            yield value.name.removeprefix(_PREFIX), _finding(value)


def _finding(value: EnumValueDescriptor) -> finding_pb2.Finding:
    # The image's pool has descriptors of its own: what they carry is read by our classes.
    own = EnumValueOptions.FromString(value.GetOptions().SerializeToString())
    if not own.HasExtension(finding_pb2.finding):
        raise NoFinding(f"{value.name} says nothing: add option (logistics.contract.v1.finding)")
    told = own.Extensions[finding_pb2.finding]
    missing = [name for name in ("summary", "raised_by", "resolved_by", "default_severity") if not getattr(told, name)]
    if missing:
        raise NoFinding(f"{value.name} does not say its {', '.join(missing)}")
    return told


def _inside(sentence: str) -> str:
    """A sentence as it stands behind a colon."""
    return sentence[0].lower() + sentence[1:] if sentence.startswith(("A ", "By ", "The ", "Another ")) else sentence


def _severity(finding: finding_pb2.Finding) -> str:
    return finding_pb2.FindingSeverity.Name(finding.default_severity).removeprefix("FINDING_SEVERITY_").lower()


def _due(finding: finding_pb2.Finding) -> str:
    if not finding.HasField("default_due"):
        return "never"
    minutes = finding.default_due.ToTimedelta() // timedelta(minutes=1)
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"after {minutes} minutes"
    return f"after {hours} hour{'s' if hours > 1 else ''}"
