"""What changed is told with its kind, its place and those who notice."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gladhand.contracts import image
from gladhand.contracts.changes import Change, ChangeKind, compare

SOURCE = """syntax = "proto3";
package acme.dock.v1;

service DockService {
  rpc Book(BookRequest) returns (BookResponse);
}

message BookRequest {
  Slot slot = 1;
  map<string, Gate> gates = 2;
}

message BookResponse {
  string number = 1;
}

message Slot {
  string name = 1;
  optional int32 size = 2;
  oneof kind {
    string dry = 3;
    string cold = 4;
  }
}

message Gate {
  GateState state = 1;
}

enum GateState {
  GATE_STATE_UNSPECIFIED = 0;
  GATE_STATE_OPEN = 1;
}
"""

BOOK = "  rpc Book(BookRequest) returns (BookResponse);\n"
NAME = "  string name = 1;"


def contract(folder: Path, source: str) -> FileDescriptorSet:
    folder.mkdir()
    (folder / "dock.proto").write_text(source, encoding="utf-8")
    return image.load(folder)


@pytest.fixture
def old(tmp_path: Path) -> FileDescriptorSet:
    return contract(tmp_path / "old", SOURCE)


def changes(old: FileDescriptorSet, folder: Path, part: str, instead: str) -> tuple[Change, ...]:
    assert part in SOURCE
    return compare(old, contract(folder / "new", SOURCE.replace(part, instead, 1)))


@pytest.mark.parametrize(
    ("part", "instead", "rule", "kind", "element", "line"),
    [
        ("  string name = 1;\n", "", "FIELD_NO_DELETE", "BROKEN", "Slot.name", 17),
        (NAME, "  int32 name = 1;", "FIELD_SAME_TYPE", "BROKEN", "Slot.name", 18),
        (NAME, "  string title = 1;", "FIELD_SAME_NAME", "BROKEN", "Slot.name", 18),
        (NAME, "  repeated string name = 1;", "FIELD_SAME_CARDINALITY", "BROKEN", "Slot.name", 18),
        (NAME, '  string name = 1 [json_name = "n"];', "FIELD_SAME_JSON_NAME", "BROKEN", "Slot.name", 18),
        ("  optional int32 size", "  int32 size", "FIELD_SAME_CARDINALITY", "BROKEN", "Slot.size", 19),
        ("    string cold = 4;\n  }", "  }\n  string cold = 4;", "FIELD_SAME_ONEOF", "BROKEN", "Slot.cold", 23),
        (NAME, "  string name = 1 [deprecated = true];", "FIELD_DEPRECATED", "DEPRECATED", "Slot.name", 18),
        (NAME, "  string name = 1;\n  bool wet = 9;", "FIELD_ADDED", "ADDED", "Slot.wet", 19),
        ("  GATE_STATE_OPEN = 1;\n", "", "ENUM_VALUE_NO_DELETE", "BROKEN", "GateState.GATE_STATE_OPEN", 30),
        ("GATE_STATE_OPEN", "GATE_STATE_WIDE", "ENUM_VALUE_SAME_NAME", "BROKEN", "GateState.GATE_STATE_OPEN", 32),
        (BOOK, "", "STAGE_NO_SKIP", "BROKEN", "DockService/Book", 4),
        ("returns (", "returns (stream ", "RPC_SAME_SERVER_STREAMING", "BROKEN", "DockService/Book", 5),
        ("(BookRequest)", "(Slot)", "RPC_SAME_REQUEST_TYPE", "BROKEN", "DockService/Book", 5),
    ],
)  # fmt: skip
def test_a_change_is_told_with_rule_kind_element_and_line(
    old: FileDescriptorSet, tmp_path: Path, part: str, instead: str, rule: str, kind: str, element: str, line: int
) -> None:
    (change,) = changes(old, tmp_path, part, instead)
    assert change.rule == rule
    assert change.kind is ChangeKind[kind]
    assert change.element == f"acme.dock.v1.{element}"
    assert (change.file, change.line) == ("dock.proto", line)


def test_nothing_is_told_of_the_same_contract(old: FileDescriptorSet) -> None:
    assert compare(old, old) == ()


def test_those_who_send_a_message_within_a_message_notice(old: FileDescriptorSet, tmp_path: Path) -> None:
    (change,) = changes(old, tmp_path, "  GATE_STATE_OPEN = 1;\n", "")
    assert change.whom == ("callers of acme.dock.v1.DockService/Book (audience not declared)",)


def test_what_is_gone_with_its_message_is_told_at_the_file(old: FileDescriptorSet, tmp_path: Path) -> None:
    gone = "message BookResponse {\n  string number = 1;\n}\n"
    source = SOURCE.replace(gone, "").replace("returns (BookResponse)", "returns (Slot)")
    told = compare(old, contract(tmp_path / "new", source))
    (deleted,) = [change for change in told if change.rule == "MESSAGE_NO_DELETE"]
    assert (deleted.file, deleted.line) == ("dock.proto", None)


def test_an_image_without_positions_is_compared_without_lines(old: FileDescriptorSet, tmp_path: Path) -> None:
    new = contract(tmp_path / "new", SOURCE.replace("  string name = 1;\n", ""))
    for file in new.file:
        file.ClearField("source_code_info")
    (change,) = compare(old, new)
    assert (change.file, change.line) == ("dock.proto", None)
