from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from google.protobuf.message import Message

from gladhand.calls import correlated
from gladhand.logging import ConsoleFormatter, JsonFormatter, configure
from gladhand.masking import BLOT, masked, masked_copy
from gladhand.settings import LogFormat, Settings
from tests.adapters.serving.trial import compiled

pb2, _ = compiled()
SECRET = "swordfish"


def person() -> Any:
    sealed = pb2.Person()
    message = pb2.Person(
        name=SECRET,
        phones=[SECRET, SECRET],
        tokens={SECRET: SECRET},
        home=pb2.Place(city="Oslo", resident=SECRET),
        work=pb2.Place(city="Bonn", resident=SECRET),
        stays=[pb2.Place(city="Rome", resident=SECRET), pb2.Place(city="Lima")],
        by_code={"de": pb2.Place(city="Köln", resident=SECRET)},
        by_truth={True: pb2.Place(resident=SECRET)},
        friend=pb2.Person(name=SECRET, friend=pb2.Person(work=pb2.Place(resident=SECRET))),
        shoe_size="43",
        mail=SECRET,
        year=1970,
    )
    message.sealed.Pack(sealed)
    message.age.seconds = 5
    return message


def test_what_the_contract_marks_is_blotted_out_wherever_it_stands() -> None:
    shown = masked(person())
    assert SECRET not in json.dumps(shown)
    assert shown == {
        "name": BLOT,
        "phones": BLOT,
        "tokens": BLOT,
        "home": BLOT,
        "work": {"city": "Bonn", "resident": BLOT},
        "stays": [{"city": "Rome", "resident": BLOT}, {"city": "Lima"}],
        "by_code": {"de": {"city": "Köln", "resident": BLOT}},
        "by_truth": {"true": {"resident": BLOT}},
        "friend": {"name": BLOT, "friend": {"work": {"resident": BLOT}}},
        "sealed": BLOT,
        "age": "5s",
        "shoe_size": "43",
        "mail": BLOT,
        "year": BLOT,
    }


def test_the_message_itself_is_left_as_it_was() -> None:
    message = person()
    before = message.SerializeToString(deterministic=True)
    masked(message)
    assert message.SerializeToString(deterministic=True) == before


def test_unknown_fields_are_left_out() -> None:
    stranger: Message = pb2.ReadResponse.FromString(
        pb2.WriteRequest(name=SECRET).SerializeToString() + b"\xfa\x07\x01a"
    )
    assert b"\xfa\x07\x01a" not in masked_copy(stranger).SerializeToString()


def lines(log_format: LogFormat) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logger = logging.Logger("gladhand.trial")  # noqa: LOG001 - apart from the process's own tree
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("erp") if log_format is LogFormat.JSON else ConsoleFormatter("erp"))
    logger.addHandler(handler)
    return logger, stream


def test_a_json_line_carries_correlation_facts_and_fault() -> None:
    logger, stream = lines(LogFormat.JSON)
    with correlated("order-journey-1"):
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it %s", "failed", extra={"facts": {"order_id": "o-1", "n": 3, "odd": object}})
    line = json.loads(stream.getvalue())
    assert (line["level"], line["service"], line["message"]) == ("ERROR", "erp", "it failed")
    assert (line["correlation_id"], line["order_id"], line["n"]) == ("order-journey-1", "o-1", 3)
    assert "ValueError: broken" in line["fault"]
    assert line["time"].endswith("+00:00")


def test_a_console_line_reads_as_one_line() -> None:
    logger, stream = lines(LogFormat.CONSOLE)
    with correlated("order-journey-1"):
        logger.warning("slow call", extra={"facts": {"ms": 12.5}})
    assert stream.getvalue().endswith("erp gladhand.trial: slow call ms=12.5 correlation_id=order-journey-1\n")


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_the_whole_process_logs_to_one_place(log_format: LogFormat) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        configure(Settings(log_format=log_format), "erp", stream)
        logging.getLogger("anybody").info("hello")
        logging.getLogger("anybody").debug("too fine")
    finally:
        root.handlers[:], root.level = before, level
    assert "hello" in stream.getvalue()
    assert "too fine" not in stream.getvalue()
