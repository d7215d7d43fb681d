"""Answers the procedure Check: from the bytes of buf's request to the bytes of the response."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from gladhand.clock import SystemClock
from gladhand.contracts.model import read
from gladhand.contracts.plugin import checking
from gladhand.contracts.plugin.catalog import RULES
from gladhand.contracts.plugin.introduction import response
from gladhand.contracts.plugin.wire import message

_INVALID_ARGUMENT = 3
"""As in gRPC."""


class _OptionError(Exception):
    """An option in buf.yaml is wrong; told to buf, which prints it."""


def answer(given: bytes) -> bytes:
    """Return the serialized Response to a serialized Request. Raises ValueError where the request cannot be read."""
    try:
        request = message("CheckRequest").FromString(message("Request").FromString(given).value.value)
        files, against = _files(request.files), _files(request.against_files)
    except DecodeError as error:
        raise ValueError("standard input holds a CheckRequest that cannot be read") from error
    try:
        found = _check(request, files, against, _today(request.options))
    except _OptionError as error:
        refused = message("Response")(error={"code": _INVALID_ARGUMENT, "message": str(error)})
        return bytes(refused.SerializeToString())
    return response("Check", message("CheckResponse")(annotations=found).SerializeToString())


def _check(
    request: Any, files: list[FileDescriptorProto], against: list[FileDescriptorProto], today: date
) -> list[dict[str, Any]]:
    rules = list(request.rule_ids) or [rule.id for rule in RULES]
    own = frozenset(
        file.name
        for given, read_files in ((request.files, files), (request.against_files, against))
        for handed, file in zip(given, read_files, strict=True)
        if not handed.is_import
    )
    contract = read(files)
    found = list(checking.lint(contract, own, rules))
    if against:
        found += checking.breaks(read(against), contract, own, rules, today)
    return [_annotation(annotation) for annotation in found]


def _files(handed: Iterable[Any]) -> list[FileDescriptorProto]:
    return [FileDescriptorProto.FromString(file.descriptor) for file in handed]


def _annotation(found: checking.Annotation) -> dict[str, Any]:
    annotation: dict[str, Any] = {"rule_id": found.rule, "message": found.sentence}
    for name, place in (("file_location", found.place), ("against_file_location", found.was)):
        if place is not None:
            annotation[name] = {"file_name": place.file, "source_path": place.path}
    return annotation


def _today(options: Iterable[Any]) -> date:
    """The day by which sunsets are judged: the option `today` of buf.yaml, else the clock's."""
    for option in options:
        if option.key != "today":
            raise _OptionError(f"buf-plugin-gladhand has no option {option.key}; it has today")
        try:
            return date.fromisoformat(option.value.string_value)
        except ValueError as error:
            raise _OptionError("the option today of buf-plugin-gladhand must be a day such as '2026-01-31'") from error
    return SystemClock().now().date()
