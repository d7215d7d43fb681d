"""The plugin speaks to nobody but buf, and says so in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = "/buf.plugin.check.v1.CheckService/Check"
NAME = b"type.googleapis.com/buf.plugin.check.v1.CheckRequest"


def call(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = Path(sys.executable).with_name("buf-plugin-gladhand")
    return subprocess.run([program, *arguments], input=given, capture_output=True, check=False)


def packed(value: bytes) -> bytes:
    """A Request that carries a CheckRequest."""
    carried = bytes([0x0A, len(NAME)]) + NAME + bytes([0x12, len(value)]) + value
    return bytes([0x0A, len(carried)]) + carried


def test_it_names_its_protocol() -> None:
    done = call("--protocol")
    assert (done.returncode, done.stdout) == (0, b"1\n")


def test_an_empty_check_finds_nothing() -> None:
    done = call(CHECK, "--format", "binary", given=packed(b""))
    assert done.returncode == 0
    assert b"CheckResponse" in done.stdout


@pytest.mark.parametrize(
    "given", [b"garbage", b"\x00" * 64, packed(b"\xff\xff"), packed(b"\x0a\x03\x0a\x01\xff")], ids=range(4)
)
def test_garbage_on_standard_input_is_refused_in_one_line(given: bytes) -> None:
    done = call(CHECK, "--format", "binary", given=given)
    assert done.returncode == 1
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("buf-plugin-gladhand: standard input holds")
    assert line.endswith("name it under plugins in buf.yaml, then call buf lint or buf breaking")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["/other.Service/Method"], [CHECK, "--format", "json"]])
def test_other_arguments_are_refused_in_one_line(arguments: list[str]) -> None:
    done = call(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert "nothing answers to the arguments" in line


def test_what_buf_asks_before_a_check_does_not_wait_for_protobuf() -> None:
    """buf calls eight times for each module before it checks; protobuf would add a tenth of a second to each."""
    probe = (
        "import sys\n"
        "from gladhand.contracts.plugin.main import answer\n"
        "answer(['--spec'], b'')\n"
        "answer(['/buf.plugin.check.v1.CheckService/ListRules'], b'')\n"
        "answer(['/buf.plugin.check.v1.CheckService/ListCategories'], b'')\n"
        "sys.exit('google.protobuf' in sys.modules or 'grpc' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_a_check_needs_no_grpc() -> None:
    probe = "import sys, gladhand.contracts.plugin.check\nsys.exit('grpc' in sys.modules)\n"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
