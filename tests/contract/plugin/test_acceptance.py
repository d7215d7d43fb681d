"""The project's own contract: each way to break it makes `make check` fail with file, line and a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

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
LENGTH = "(buf.validate.field).string.max_len"
CITY = """  // City or town. Unset where none is known.
  string city = 2 [(buf.validate.field).string.max_len = 100];
"""


class Harm(NamedTuple):
    """What is changed in a file, what has to be pointed at there and what has to be said."""

    file: str
    edits: dict[str, str]
    at: str
    says: str


HARMFUL = {
    "an edge": Harm(
        ORDER, {EDGE: ""}, VALIDATING, "ORDER_STATE_VALIDATING no longer goes to ORDER_STATE_REJECTED by rejected"
    ),
    "a rule": Harm(
        PLACE,
        {f"subdivision = 3 [{LENGTH} = 100": f"subdivision = 3 [{LENGTH} = 50"},
        f"{LENGTH} = 50",
        "logistics.type.v1.Address.subdivision: max_len was 100 and is 50",
    ),
    "a scope": Harm(
        SERVICE,
        {'scopes: ["orders.write"]': 'scopes: ["orders.write", "orders.admin"]'},
        "scopes: [",
        "OrchestratorService/SubmitOrder opens to the scope orders.admin too",
    ),
    "a field": Harm(
        PLACE,
        {CITY: ""},
        "message Address",
        'Previously present field "2" with name "city" on message "Address" was deleted.',
    ),
    "a subject": Harm(
        ORDER_EVENT,
        {'token: "released"': 'token: "freed"'},
        'token: "freed"',
        "the subject of logistics.order.v1.OrderReleased ended with released and ends with freed",
    ),
}


def copy(repository: Path, folder: Path) -> Path:
    """A copy of the contract, of its released images and of what it imports."""
    shutil.copy(repository / "buf.yaml", folder)
    for name in ("proto", "third_party"):
        shutil.copytree(repository / name, folder / name)
    return folder / "proto"


@pytest.fixture(scope="module")
def broken(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A copy that is broken in every way, and the lines that the checks print about it."""
    proto = copy(repository, tmp_path_factory.mktemp("broken"))
    for harm in HARMFUL.values():
        path = proto / harm.file
        path.write_text(edited(harm.edits, path.read_text(encoding="utf-8")), encoding="utf-8")
    return proto, [line for complaint in complaints(proto) for line in complaint.splitlines()]


def test_the_contract_as_it_stands_passes(repository: Path, tmp_path: Path) -> None:
    assert list(complaints(copy(repository, tmp_path))) == []


@pytest.mark.parametrize("name", HARMFUL)
def test_breaking_it_fails_with_file_line_and_a_sentence(name: str, broken: tuple[Path, list[str]]) -> None:
    harm, (proto, lines) = HARMFUL[name], broken
    line, column = position((proto / harm.file).read_text(encoding="utf-8"), harm.at)
    told = [told for told in lines if harm.says in told]
    assert told, "nothing was told"
    assert all(sentence.startswith(f"proto/{harm.file}:{line}:{column}:") for sentence in told), told
