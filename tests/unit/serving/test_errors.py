from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from gladhand import errors
from gladhand.decider import Rejected
from gladhand.errors import GladhandError, Precondition, Violation
from gladhand.problems import http_status, to_problem
from gladhand.refusals import as_error, code_of
from gladhand.statuses import from_rpc_error, from_status, to_status
from logistics.error.v1.error_reason_pb2 import ErrorReason

EVERY: list[GladhandError] = [
    errors.InvalidArgument("too long", field="order.lines[0].sku", remedy="use 40 at most", rule="string.max_len"),
    errors.InvalidArgument("two", violations=[Violation("a", "is b", "r"), Violation("c", "is d")]),
    errors.Unauthenticated("no token"),
    errors.PermissionDenied("no scope", metadata={"scope": "holds.release"}),
    errors.NotFound("order", "o-1"),
    errors.NotFound("wave", "w-1"),
    errors.AlreadyExists("other content", reason="REFERENCE_CONFLICT"),
    errors.RequestIdReused("018f3f8e-7e5c-7c3a-8e2d-0f6d8a6b1c2d", "ab" * 32),
    errors.FailedPrecondition("held", reason="HOLD_BLOCKS", preconditions=[Precondition("HOLD", "h-1", "active")]),
    errors.Conflict("first", retry_after_s=0.25),
    errors.ResourceFull("full", reason="LOG_FULL"),
    errors.Unavailable("down", reason="ERP_UNAVAILABLE", retry_after_s=2.5, metadata={"erp": "tryton-us"}),
    errors.Ambiguous("who knows"),
    errors.DeadlineExceeded("late"),
    errors.Cancelled("gone"),
    errors.Unsupported("not here"),
]


def seen(error: GladhandError) -> dict[str, object]:
    return {"kind": type(error), "text": str(error), **vars(error), "retry_after_s": error.retry_after_s}


@pytest.mark.parametrize("error", EVERY, ids=repr)
def test_an_error_comes_back_as_what_it_was(error: GladhandError) -> None:
    raw = to_status(error).SerializeToString()
    assert seen(from_status(Status.FromString(raw))) == seen(error)


@pytest.mark.parametrize("error", EVERY, ids=repr)
def test_an_error_travels_inside_a_grpc_error(error: GladhandError) -> None:
    status = to_status(error)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    code = grpc.StatusCode[error.code]
    assert seen(from_rpc_error(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, "x"))) == seen(error)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_an_error_of_a_foreign_server_keeps_its_meaning(code: grpc.StatusCode) -> None:
    error = from_rpc_error(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "told so"))
    assert error.reason == ""
    assert error.message == "told so"
    assert error.code == {"OUT_OF_RANGE": "INVALID_ARGUMENT", "DATA_LOSS": "INTERNAL"}.get(code.name, code.name)


@pytest.mark.parametrize("error", EVERY, ids=repr)
def test_every_error_carries_a_reason_of_the_contract(error: GladhandError) -> None:
    info = error_details_pb2.ErrorInfo()
    assert to_status(error).details[0].Unpack(info)
    assert info.domain == "gladhand"
    assert f"ERROR_REASON_{info.reason}" in list(ErrorReason.keys())


def kinds(root: type[GladhandError] = GladhandError) -> list[type[GladhandError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.__module__ == "gladhand.errors"])
def test_every_kind_has_a_status_and_a_reason_of_the_contract(kind: type[GladhandError]) -> None:
    assert kind.code in grpc.StatusCode.__members__
    assert f"ERROR_REASON_{kind.default_reason}" in list(ErrorReason.keys())


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    public = {k.__name__ for k in kinds() if k.__module__ == "gladhand.errors" and not k.__name__.startswith("_")}
    assert drawn | {"GladhandError"} == public


def test_each_reason_travels_as_the_contract_says(repository: Path) -> None:
    text = (repository / "proto/logistics/error/v1/error_reason.proto").read_text()
    found = re.findall(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = [1-9]\d*;", text)
    assert len(found) == len(ErrorReason.keys()) - 1
    known = "|".join(grpc.StatusCode.__members__)
    for comment, reason in found:
        said = re.findall(rf"\b({known})\b", re.sub(r"// Example.*", "", comment))
        assert code_of(reason) in said, reason


@pytest.mark.parametrize("name", sorted(set(ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}))
def test_a_refusal_for_any_reason_can_be_told(name: str) -> None:
    rejected = Rejected(ErrorReason.Value(name), "refused", {"order_id": "o-1"})
    error = as_error(rejected)
    assert error.__cause__ is rejected
    assert error.reason == name.removeprefix("ERROR_REASON_")
    assert error.code == code_of(error.reason)
    assert from_status(to_status(error)).metadata == {"order_id": "o-1"}


def test_a_refused_transition_names_what_does_not_hold() -> None:
    rejected = Rejected(ErrorReason.ERROR_REASON_HOLD_BLOCKS, "billing is held", {"subject": "h-1"})
    error = as_error(rejected)
    assert isinstance(error, errors.FailedPrecondition)
    assert error.preconditions == (Precondition("HOLD_BLOCKS", "h-1", "billing is held"),)


def test_what_nobody_foresaw_is_internal_and_says_nothing() -> None:
    error = as_error(ValueError("the password is swordfish"))
    status = to_status(error, "find-me-there")
    assert isinstance(error, errors.Internal)
    assert "swordfish" not in str(status)
    assert "find-me-there" in status.message
    assert "swordfish" not in str(to_problem(error, "find-me-there"))


@pytest.mark.parametrize("error", [*EVERY, errors.Internal("bug")], ids=repr)
def test_every_error_has_a_problem_document(error: GladhandError) -> None:
    problem = to_problem(error, "order-journey-1")
    assert problem["status"] == http_status(error)
    assert problem["type"] == f"urn:gladhand:error:{error.reason}"
    assert problem["title"]
    assert problem["correlation_id"] == "order-journey-1"
    assert 400 <= http_status(error) <= 599


def test_a_problem_names_fields_conditions_and_pause() -> None:
    assert to_problem(EVERY[1])["violations"] == [
        {"field": "a", "description": "is b", "rule": "r"},
        {"field": "c", "description": "is d", "rule": ""},
    ]
    assert to_problem(EVERY[8])["preconditions"] == [{"type": "HOLD", "subject": "h-1", "description": "active"}]
    assert to_problem(EVERY[9])["retry_after_s"] == 0.25
    assert to_problem(EVERY[10])["status"] == 507


def test_a_detail_of_another_kind_is_left_alone() -> None:
    status = to_status(errors.Conflict("first"))
    stranger: Message = error_details_pb2.Help(links=[error_details_pb2.Help.Link(url="https://example.org")])
    status.details.add().Pack(stranger)
    assert isinstance(from_status(status), errors.Conflict)


def test_details_stay_within_what_peers_take() -> None:
    violations = [Violation(f"lines[{n}].sku", "ü" * 2000, "string.pattern") for n in range(1000)]
    error = errors.InvalidArgument("x" * 5000, violations=violations, metadata={"erp_message": "é" * 5000})
    status = to_status(error)
    assert status.ByteSize() <= 4200
    found = from_status(status)
    assert isinstance(found, errors.InvalidArgument)
    assert found.violations[0].field == "lines[0].sku"
    assert found.message.endswith("…")
    assert found.reason == "CONTRACT_VIOLATION"
