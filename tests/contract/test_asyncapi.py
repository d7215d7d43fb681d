"""The AsyncAPI document tells every event once, and the official JSON schema of AsyncAPI 3.0 takes it.

The official schema is on npm alone (`@asyncapi/specs`, pinned in `asyncapi/package-lock.json`), so that check needs
node; a machine without it is told loudly, and the structural checks hold there all the same.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gladhand.envelope import Subject
from tests.contract import catalog
from tools import document
from tools.reference import yaml
from tools.reference.asyncapi import asyncapi_document
from tools.reference.contract import Contract

HERE = Path(__file__).resolve().parent / "asyncapi"


@pytest.fixture(scope="module")
def contract(repository: Path) -> Contract:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return document.read()


@pytest.fixture(scope="module")
def described(contract: Contract) -> dict[str, Any]:
    return asyncapi_document(contract, "1.0.0")


def resolved(described: dict[str, Any], reference: dict[str, str]) -> Any:
    """What a local reference points to; KeyError where it points to nothing."""
    found: Any = described
    for key in reference["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def references(value: Any) -> list[dict[str, str]]:
    if isinstance(value, dict):
        own = [value] if str(value.get("$ref", "")).startswith("#/") else []
        return own + [found for inner in value.values() for found in references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in references(inner)]
    return []


def test_every_event_of_the_contract_has_one_channel_one_message_and_one_operation(described: dict[str, Any]) -> None:
    bodies = {body.message_type.name for message in catalog.envelopes() for body in catalog.bodies(message)}  # type: ignore[union-attr] # a body is a message
    assert set(described["channels"]) == bodies
    assert set(described["components"]["messages"]) == bodies
    assert set(described["operations"]) == {f"send{body}" for body in bodies}


def test_every_reference_resolves(described: dict[str, Any]) -> None:
    found = references(described)
    assert found
    for reference in found:
        assert resolved(described, reference)


def test_an_address_is_the_subject_of_its_event_with_its_parameters(described: dict[str, Any]) -> None:
    for channel in described["channels"].values():
        names = set(re.findall(r"\{(\w+)\}", channel["address"]))
        assert names == set(channel["parameters"])
        assert Subject.parse(re.sub(r"\{\w+\}", "x", channel["address"]))
    addresses = [channel["address"] for channel in described["channels"].values()]
    assert len(set(addresses)) == len(addresses)


def test_every_payload_names_a_proto_file_that_is_there(described: dict[str, Any], repository: Path) -> None:
    for message in described["components"]["messages"].values():
        file = repository / document.TARGET / message["payload"]["schema"]["$ref"]
        declared = message["x-protobuf-message"].rpartition(".")[2]
        assert f"message {declared} {{" in file.read_text(encoding="utf-8")


def test_strings_that_look_like_something_else_stay_strings() -> None:
    shown = yaml.dump({"on": "no", "a b": "x: y # z", "list": [{"k": 1, "more": ["ü\n"]}, "-"], "none": [], "map": {}})
    assert shown == (
        '"on": "no"\n"a b": "x: y # z"\nlist:\n  - k: 1\n    more:\n      - "ü\\n"\n  - "-"\nnone: []\nmap: {}\n'
    )


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the official schema and the program that holds documents against it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("NOT CHECKED against the official AsyncAPI schema: node and npm are not installed here")
    folder = tmp_path_factory.mktemp("asyncapi")
    for name in ("package.json", "package-lock.json", "check.mjs"):
        shutil.copy(HERE / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"NOT CHECKED against the official AsyncAPI schema: npm ci failed: {done.stderr[-300:]}")
    return folder


def faults(checker: Path, file: Path) -> list[str]:
    done = subprocess.run(
        ["node", "check.mjs", str(file)], cwd=checker, capture_output=True, text=True, check=True, timeout=60
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_official_schema_takes_the_document(checker: Path, repository: Path) -> None:
    assert faults(checker, repository / document.TARGET / "asyncapi.yaml") == []


def test_the_official_schema_refuses_a_damaged_one(checker: Path, repository: Path, tmp_path: Path) -> None:
    good = (repository / document.TARGET / "asyncapi.yaml").read_text(encoding="utf-8")
    bad = tmp_path / "bad.yaml"
    bad.write_text(good.replace('action: "send"', 'action: "sent"', 1), encoding="utf-8")
    assert any("/operations/" in fault and "action" in fault for fault in faults(checker, bad))
