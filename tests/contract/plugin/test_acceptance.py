"""The project's own contract: each way to break it makes `make check` fail with file, line and a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gladhand.cli.contracts.checks import complaints
from tests.contract.plugin.workspace import edited, position

ORDER = "logistics/order/v1/order.proto"
ORDER_EVENT = "logistics/order/v1/order_event.proto"
SERVICE = "logistics/orchestrator/v1/orchestrator_service.proto"
PLACE = "logistics/type/v1/place.proto"

VALIDATING = """(logistics.contract.v1.state) = {
    edges: [
      {
        event: "validated"
        to: ["ORDER_STATE_VALIDATING"]
      },
      {
        event: "released"
"""
EDGE = """      {
        event: "rejected"
        to: ["ORDER_STATE_REJECTED"]
      },
"""
REMARK = "string city = 2 [(buf.validate.field).string.max_len = 100]"


@pytest.fixture
def proto(repository: Path, tmp_path: Path) -> Path:
    """A copy of the contract, of its released images and of what it imports."""
    shutil.copy(repository / "buf.yaml", tmp_path)
    for folder in ("proto", "third_party"):
        shutil.copytree(repository / folder, tmp_path / folder)
    return tmp_path / "proto"


def test_the_contract_as_it_stands_passes(proto: Path) -> None:
    assert list(complaints(proto)) == []


@pytest.mark.parametrize(
    ("file", "edits", "at", "says"),
    [
        (
            ORDER,
            {EDGE: ""},
            VALIDATING,
            "ORDER_STATE_VALIDATING no longer goes to ORDER_STATE_REJECTED by rejected",
        ),
        (
            PLACE,
            {REMARK: REMARK.replace("100", "50")},
            "(buf.validate.field).string.max_len = 50",
            "logistics.type.v1.Address.city: max_len was 100 and is 50",
        ),
        (
            SERVICE,
            {'scopes: ["orders.write"]': 'scopes: ["orders.write", "orders.admin"]'},
            "scopes: [",
            "OrchestratorService/SubmitOrder opens to the scope orders.admin too",
        ),
        (
            PLACE,
            {f"  // City or town. Unset where none is known.\n  {REMARK};\n": ""},
            "message Address",
            'Previously present field "2" with name "city" on message "Address" was deleted.',
        ),
        (
            ORDER_EVENT,
            {'token: "released"': 'token: "freed"'},
            'token: "freed"',
            "the subject of logistics.order.v1.OrderReleased ended with released and ends with freed",
        ),
    ],
    ids=["an edge", "a rule", "a scope", "a field", "a subject"],
)
def test_breaking_it_fails_with_file_line_and_a_sentence(
    proto: Path, file: str, edits: dict[str, str], at: str, says: str
) -> None:
    path = proto / file
    source = edited(edits, path.read_text(encoding="utf-8"))
    path.write_text(source, encoding="utf-8")
    line, column = position(source, at)
    told = [told for complaint in complaints(proto) for told in complaint.splitlines() if says in told]
    assert told, "nothing was told"
    assert all(sentence.startswith(f"proto/{file}:{line}:{column}:") for sentence in told), told
