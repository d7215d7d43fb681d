"""Every error reason with its status, its meaning and a worked example (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from google.protobuf.descriptor import EnumDescriptor

from gladhand.refusals import code_of
from tools.reference.contract import Contract
from tools.reference.markdown import GENERATED, page, prose

_PACKAGE, _ENUM = "logistics.error.v1", "logistics.error.v1.ErrorReason"
_EXAMPLE = "Example: "

_INTRODUCTION = """\
Every error carries `google.rpc.ErrorInfo` with domain `gladhand`; its `reason` is one of these, for programs. The
message is for people and may change."""


class NoExample(ValueError):
    """A reason whose comment has no example that is JSON."""


def errors_page(contract: Contract) -> str:
    """Return the page of all reasons. Raises NoExample."""
    (enum,) = (found for found in contract.enums(_PACKAGE) if found.full_name == _ENUM)
    parts = [
        "# Error reasons",
        "",
        GENERATED,
        "",
        _INTRODUCTION,
    ]
    for reason, meaning, example in reasons(contract, enum):
        parts += [
            "",
            f"## {reason}",
            "",
            f"gRPC status `{code_of(reason)}`. {prose(meaning)}",
            "",
            "```json",
            json.dumps(example, indent=2, ensure_ascii=False),
            "```",
        ]
    return page(parts)


def reasons(contract: Contract, enum: EnumDescriptor) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yield short name, meaning and example of each reason that is ever sent. Raises NoExample."""
    for value in enum.values:
        if not value.number:
            continue
        meaning, found, told = contract.comment(f"{enum.full_name}.{value.name}").partition(_EXAMPLE)
        try:
            example = json.loads(" ".join(told.split()).rstrip("."))
        except json.JSONDecodeError as error:
            raise NoExample(f"{value.name}: its comment needs `{_EXAMPLE}{{…}}.` in JSON; {error}") from error
        if not found:
            raise NoExample(f"{value.name}: its comment gives no example")
        yield value.name.removeprefix("ERROR_REASON_"), " ".join(meaning.split()), example
