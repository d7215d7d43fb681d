"""The reference in docs/contract is fresh, whole, and has no dead link."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gladhand.contracts.lifecycles import lifecycles
from gladhand.contracts.mermaid import page
from logistics.contract.v1 import sensitivity
from logistics.error.v1 import ErrorReason
from tests.contract import catalog
from tools import document
from tools.reference import errors, packages
from tools.reference.contract import Contract
from tools.reference.markdown import cell, slug

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def contract(repository: Path) -> Contract:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return document.read()


@pytest.fixture(scope="module")
def pages(contract: Contract, repository: Path) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return document.pages(contract)


def test_what_is_committed_is_fresh(pages: dict[str, str], repository: Path) -> None:
    assert document.differences(pages, repository / document.TARGET) == []


def test_a_page_that_is_edited_missing_or_left_over_is_stale(pages: dict[str, str], tmp_path: Path) -> None:
    for name, text in pages.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "errors.md").write_text("by hand", encoding="utf-8")
    (tmp_path / "events.md").unlink()
    (tmp_path / "logistics.gone.v1.md").write_text("left over", encoding="utf-8")
    assert document.differences(pages, tmp_path) == ["errors.md", "events.md", "logistics.gone.v1.md"]


def test_the_lifecycles_are_what_the_command_writes(pages: dict[str, str]) -> None:
    assert pages["lifecycles.md"] == page(lifecycles(catalog.files()))


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_every_link_leads_somewhere(pages: dict[str, str]) -> None:
    anchors = {name: {slug(heading) for heading in HEADING.findall(text)} for name, text in pages.items()}
    dead, alive = [], 0
    for name, text in pages.items():
        for target in LINK.findall(without_code(text)) if name.endswith(".md") else ():
            file, _, anchor = target.partition("#")
            home = file or name
            if home not in pages or (anchor and anchor not in anchors[home]):
                dead.append(f"{name}: {target}")
            alive += 1
    assert dead == []
    assert alive > 500


def test_no_two_headings_of_a_page_share_an_anchor(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        found = [slug(heading) for heading in HEADING.findall(text)] if name.endswith(".md") else []
        assert len(set(found)) == len(found), name


def test_every_message_field_and_enum_value_is_told_with_its_meaning(pages: dict[str, str]) -> None:
    silent = [
        field.full_name
        for message in catalog.messages()
        for field in message.fields
        if not message.GetOptions().map_entry
        and not re.search(
            rf"\| {field.number} \| `{field.name}` \| .+ \| .{{4,}} \| .*\|", pages[f"{message.file.package}.md"]
        )
    ]
    silent += [
        value.name
        for enum in catalog.enums()
        for value in enum.values
        if not re.search(rf"\| {value.number} \| `{value.name}` \| .{{4,}} \|", pages[f"{enum.file.package}.md"])
    ]
    assert silent == []


def test_every_method_is_told_with_its_whole_policy(pages: dict[str, str]) -> None:
    for method in catalog.methods():
        service = method.containing_service
        text = pages[f"{service.file.package}.md"]
        section = text.partition(f"### {service.name}.{method.name}\n")[2].partition("\n### ")[0]
        assert section, method.full_name
        for row in ("scopes", "audience", "rate class", "timeout", "repeating it", "stage"):
            assert f"| {row}" in section, f"{method.full_name}: {row}"


def test_every_reason_is_told_with_an_example_of_its_own(contract: Contract) -> None:
    (enum,) = (found for found in contract.enums("logistics.error.v1") if found.name == "ErrorReason")
    told = list(errors.reasons(contract, enum))
    assert {reason for reason, _, _ in told} == {
        name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items() if number
    }
    assert [reason for reason, _, example in told if example["reason"] != reason] == []
    assert all(meaning for _, meaning, _ in told)


def test_a_reason_without_an_example_stops_the_writing(contract: Contract) -> None:
    (enum,) = (found for found in contract.enums("logistics.error.v1") if found.name == "ErrorReason")
    without = {**contract.comments, f"{enum.full_name}.ERROR_REASON_INTERNAL": "A fault."}
    mute = replace(contract, comments=without)
    with pytest.raises(errors.NoExample, match="ERROR_REASON_INTERNAL"):
        list(errors.reasons(mute, enum))


def test_rules_and_sensitivity_are_told_in_words(pages: dict[str, str]) -> None:
    order = pages["logistics.order.v1.md"]
    assert re.search(r"`currency` \| string \| .* \| matches `\^\[A-Z\]\{3\}\$` \|", order)
    assert "- line_id must be unique within the order: `this.lines.map(l, l.line_id).unique()`" in order
    assert sum(text.count("at most ") for text in pages.values()) > 200
    masked = [
        rf"\| {field.number} \| `{field.name}` .*, masked"
        for message in catalog.messages()
        for field in message.fields
        if field.GetOptions().Extensions[sensitivity]
    ]
    assert masked
    whole = "\n".join(pages.values())
    assert [row for row in masked if not re.search(row, whole)] == []


def test_the_same_contract_gives_the_same_pages(contract: Contract, pages: dict[str, str], repository: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        again = document.read()
    assert packages.index_page(again) == pages["README.md"]
    assert {name: packages.package_page(again, name) for name in again.packages} == {
        name: pages[f"{name}.md"] for name in contract.packages
    }


def test_no_text_breaks_its_table() -> None:
    assert cell("a | b\n<c> `<d>`") == "a \\| b &lt;c> `<d>`"
