from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from services.erp_gateway.adapters import tryton_errors as tryton
from services.erp_gateway.adapters.tryton_wire import decode_answer, encode_call, form_values

NOON = dt.datetime(2026, 1, 5, 12, 30, 15, 678901, tzinfo=dt.UTC)


def answer(payload: object, headers: dict[str, str] | None = None) -> Any:
    return decode_answer(200, headers or {}, json.dumps({"id": 1, "result": payload}).encode())


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.20"),
        dt.date(2026, 1, 5),
        NOON,
        dt.timedelta(minutes=5),
        b"\x00\xff",
        "text",
        5,
        1.5,
        None,
        [1, {"a": 2}],
    ],
)
def test_values_survive_the_way_there_and_back(value: object) -> None:
    sent = json.loads(encode_call(1, "model.x.y", [value]))["params"][0]
    assert answer(sent) == value


def test_a_local_time_is_sent_as_utc() -> None:
    local = NOON.astimezone(dt.timezone(dt.timedelta(hours=-7)))
    assert json.loads(encode_call(1, "m", [local]))["params"][0]["hour"] == 12


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TypeError, match="naive"):
        encode_call(1, "m", [dt.datetime(2026, 1, 5)])  # noqa: DTZ001 - the point of the test


def test_a_plain_body_that_is_labelled_gzip_is_read() -> None:
    body = json.dumps({"id": 1, "result": "x" * 2000}).encode()
    assert decode_answer(200, {"Content-Encoding": "gzip"}, body) == "x" * 2000


def test_a_zipped_body_is_read_whatever_its_label() -> None:
    body = gzip.compress(json.dumps({"id": 1, "result": [1]}).encode())
    assert decode_answer(200, {}, body) == [1]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": 1}', gzip.compress(b'{"id":1,"result":2}')[:-9]])
def test_a_body_that_cannot_be_read_leaves_the_outcome_open(body: bytes) -> None:
    with pytest.raises(tryton.AmbiguousError):
        decode_answer(200, {}, body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, tryton.RequestRefusedError),
        (401, tryton.SessionExpiredError),
        (403, tryton.ForbiddenError),
        (404, tryton.NotFoundError),
        (413, tryton.RequestRefusedError),
        (429, tryton.ThrottledError),
        (500, tryton.AmbiguousError),
        (502, tryton.AmbiguousError),
        (503, tryton.BusyError),
        (504, tryton.AmbiguousError),
    ],
)
def test_each_status_is_an_error_of_its_own(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        decode_answer(status, {}, b"sorry")


def test_the_server_says_how_long_to_hold_back() -> None:
    with pytest.raises(tryton.ThrottledError) as held:
        decode_answer(429, {"Retry-After": "12"}, b"")
    assert held.value.retry_after == 12.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (["UserError", ["No.", "Because.", None]], tryton.UserError),
        (["UserWarning", ["name.1", "Sure?", ""]], tryton.UserWarningRaised),
        (["ConcurrencyException", "Records were modified"], tryton.ConcurrencyError),
        (["LoginException", ["otp", "One-time password", "char"]], tryton.LoginParameterError),
        (["division by zero", ""], tryton.ServerFaultError),
        ("odd", tryton.ServerFaultError),
    ],
)
def test_each_rpc_error_is_an_error_of_its_own(error: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        decode_answer(200, {}, json.dumps({"id": 1, "error": error}).encode())


def test_the_field_definitions_in_an_error_are_dropped() -> None:
    error = ["UserError", ["m" * 5000, "why", {"domain": "x" * 30_000}]]
    with pytest.raises(tryton.UserError) as refused:
        decode_answer(200, {}, json.dumps({"id": 1, "error": error}).encode())
    assert len(str(refused.value)) < 1100


def test_companions_of_a_wizard_form_are_not_sent_back() -> None:
    view = {"defaults": {"company": 1, "company.": {"rec_name": "Ours"}}, "values": {"unit": 2, "unit.": {}}}
    assert form_values(view) == {"company": 1, "unit": 2}
