"""The command line without a mesh: help, exit codes, logs, and what it costs to start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gladhand.cli.home import clone_root
from gladhand.cli.letters import how_many
from gladhand.cli.logs import parsed, readable
from gladhand.cli.main import app


def run(*arguments: str, home: Path) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"GLADHAND_HOME": str(home), "COLUMNS": "160"})


@pytest.mark.parametrize(
    "command",
    [
        ["status"], ["orders", "list"], ["orders", "show", "1"], ["loads", "list"], ["trace", "1"],
        ["excursions", "list"], ["excursions", "show", "1"],
        ["excursions", "decide", "1", "release", "--by", "quinn", "--evidence", "fine"],
        ["loads", "interrupt", "1", "-r", "engine"], ["loads", "resume", "1"],
        ["loads", "reassign", "1", "--vehicle", "truck-2"], ["loads", "hand-over", "1", "--seal", "7"],
        ["loads", "answer-for-hours", "1", "-r", "seen", "--by", "dora"], ["loads", "replan", "1", "-r", "closed"],
        ["loads", "answer-plan", "1", "--refuse", "-r", "low bridge"],
        ["policy", "list"], ["policy", "show", "us@1"], ["policy", "show", "--order", "14"],
        ["policy", "diff", "us@1", "us@2"],
        ["tender", "list"], ["tender", "show", "1"], ["tender", "accept", "1", "SWFT"],
        ["tender", "decline", "1", "SWFT"], ["tender", "counter", "1", "SWFT", "--rate", "USD 950"],
        ["tender", "take", "1", "SWFT", "--by", "quinn"], ["tender", "offer", "1", "SWFT", "--by", "quinn"],
        ["tender", "withdraw", "1", "--by", "quinn", "--reason", "no"],
        ["tender", "own-fleet", "1", "--by", "quinn", "--reason", "no"],
        ["dead-letters", "list"], ["dead-letters", "show", "1"], ["dead-letters", "replay", "1"],
    ],
)  # fmt: skip
def test_without_a_mesh_a_command_says_how_to_start_one(command: list[str], tmp_path: Path) -> None:
    done = run(*command, home=tmp_path)
    assert done.exit_code == 3
    assert "gladhand up --detach" in done.stderr
    assert done.stdout == ""


def test_annotations_that_cannot_be_written_are_told_with_the_folder(tmp_path: Path) -> None:
    (taken := tmp_path / "file").write_text("in the way")
    done = run("contracts", "sources", str(taken / "proto"), home=tmp_path)
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
    assert str(taken) in done.stderr


@pytest.mark.parametrize("command", [["live"], ["check", "proto"]])
@pytest.mark.parametrize("option", ["--credentials", "--ca"])
def test_proofs_for_another_mesh_need_its_address(command: list[str], option: str, tmp_path: Path) -> None:
    done = run("contracts", *command, option, "some.nk", home=tmp_path)
    assert done.exit_code == 2
    assert "go with --nats" in done.stderr


def test_down_without_a_mesh_is_fine(tmp_path: Path) -> None:
    assert run("down", home=tmp_path).exit_code == 0


@pytest.mark.parametrize(
    "command", [[], ["orders"], ["loads"], ["excursions"], ["policy"], ["tender"], ["dead-letters"]]
)
def test_help_names_the_commands(command: list[str], tmp_path: Path) -> None:
    shown = run(*command, "--help", home=tmp_path)
    assert shown.exit_code == 0
    assert "list" in shown.stdout or "demo" in shown.stdout


@pytest.mark.parametrize("command", ["up", "demo", "trace", "logs"])
def test_help_teaches_with_examples(command: str, tmp_path: Path) -> None:
    assert f"gladhand {command}" in run(command, "--help", home=tmp_path).stdout


def test_exit_codes_are_told(tmp_path: Path) -> None:
    assert "3 no mesh runs" in " ".join(run("--help", home=tmp_path).stdout.split())


def test_a_demo_of_fewer_than_five_orders_is_wrong_usage(tmp_path: Path) -> None:
    assert run("demo", "--orders", "4", home=tmp_path).exit_code == 2


def test_help_loads_neither_grpc_nor_nats() -> None:
    heavy = ("grpc", "nats", "google.protobuf", "httpx", "pydantic", "sqlalchemy")
    code = f"import sys, gladhand.cli.main; sys.exit(' '.join(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_logs_of_an_ended_mesh_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    line = {"time": "2026-01-05T15:04:05.123+00:00", "level": "ERROR", "message": "broke", "why": "power"}
    (tmp_path / "logs" / "orchestrator.log").write_text(f"plain\n{json.dumps(line)}\n")
    shown = run("logs", home=tmp_path)
    assert "orchestrator   plain" in shown.stdout
    assert "15:04:05.123 broke  why=power" in shown.stdout
    as_json = run("logs", "orchestrator", "--json", home=tmp_path)
    assert [json.loads(each)["message"] for each in as_json.stdout.splitlines()] == ["plain", "broke"]
    assert run("logs", "orchestrator", "--lines", "1", home=tmp_path).stdout.count("\n") == 1


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("logs", "nobody", home=tmp_path)
    assert done.exit_code == 4
    assert "nobody" in done.stderr


@pytest.mark.parametrize("line", ["", "plain", "{", "[1]", '{"a": 1'])
def test_only_json_objects_are_parsed(line: str) -> None:
    assert parsed(line) is None


def test_a_trace_of_a_fault_stands_below_its_line() -> None:
    text = readable({"message": "broke", "level": "ERROR", "fault": "Traceback\n  line"}).plain
    assert text.endswith("broke\nTraceback\n  line")


def test_a_shortened_list_of_letters_tells_how_to_see_all() -> None:
    assert how_many(12, 53) == "12 of 53; -n 53 shows all"
    assert how_many(2, 2) == "2 of 2"


def test_an_unknown_state_is_wrong_usage(tmp_path: Path) -> None:
    done = run("orders", "list", "--state", "WRONG", home=tmp_path)
    assert done.exit_code == 2
    assert "INVOICED" in done.stderr


@pytest.mark.parametrize("command", [["trace"], ["orders", "show"]])
def test_an_empty_name_of_an_order_is_wrong_usage(command: list[str], tmp_path: Path) -> None:
    done = run(*command, "", home=tmp_path)
    assert done.exit_code == 2
    assert "it is empty" in done.stderr


def test_policy_files_are_checked_together_without_a_mesh(tmp_path: Path) -> None:
    shipped = [str(file) for file in sorted((clone_root() / "deploy" / "policies").glob("*.yaml"))]
    done = run("policy", "check", "--offline", *shipped, "--json", home=tmp_path)
    assert done.exit_code == 0, done.stdout + done.stderr
    verdicts = json.loads(done.stdout)["files"]
    assert [verdict["file"] for verdict in verdicts] == shipped
    assert len(shipped) >= 3


def test_a_faulty_policy_file_is_refused_with_line_field_and_remedy(tmp_path: Path) -> None:
    (file := tmp_path / "us.yaml").write_text("name: us\nfor: {region: us}\npolicy:\n  quiet_period: soon\n")
    done = run("policy", "check", "--offline", str(file), home=tmp_path)
    assert done.exit_code == 1
    assert "us.yaml:4: policy.quiet_period: 'soon' is no duration; write a number" in done.stdout


def test_an_unsafe_policy_is_refused_with_the_way_to_the_harm(tmp_path: Path) -> None:
    (file := tmp_path / "us.yaml").write_text("name: us\nfor: {region: us}\npolicy:\n  pod_methods: [EDI_ONLY]\n")
    done = run("policy", "check", "--offline", str(file), home=tmp_path)
    assert done.exit_code == 1
    assert "property 1" in done.stdout
    assert "3. the billing gate opens" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["show", "us", "--region", "us"],
        ["diff", "us@1"],
        ["apply", "one", "two", "-r", "why", "--expect", "1"],
    ],
)
def test_half_a_question_about_policies_is_wrong_usage(command: list[str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("name: us\n")
    files = [str(tmp_path / word) if word in {"one", "two"} else word for word in command]
    assert run("policy", *files, home=tmp_path).exit_code == 2


@pytest.mark.parametrize("command", [["reassign", "1"], ["replan", "1", "-r", "closed", "--at", "north"]])
def test_half_a_wish_about_a_load_is_wrong_usage(command: list[str], tmp_path: Path) -> None:
    assert run("loads", *command, home=tmp_path).exit_code == 2
