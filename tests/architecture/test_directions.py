"""Imports go one way: logistics, gladhand, services, then tests, bench, examples and tools."""

from __future__ import annotations

import pytest

from tests.architecture.tree import Module, belongs, services, within

OUTSIDE = {"tests", "bench", "examples", "deploy", "tools"}
OF_THE_RUNTIME = {"logistics.contract.v1", "logistics.error.v1", "logistics.server.v1"}


def wrong(module: Module, forbidden: set[str], allowed: set[str] | None = None) -> list[str]:
    return [
        f"{module} imports {name}"
        for name in sorted(set(module.imports()))
        if belongs(name, forbidden) and not belongs(name, allowed or set())
    ]


def test_the_runtime_knows_no_service_and_nothing_to_the_right() -> None:
    found = [line for module in within("gladhand") for line in wrong(module, {"services", *OUTSIDE})]
    assert found == []


def test_the_runtime_knows_of_logistics_only_annotations_error_reasons_and_what_a_server_tells() -> None:
    # `from logistics.contract import v1` is fine
    parents = {"logistics", "logistics.contract", "logistics.error", "logistics.server"}
    found = [
        f"{module} imports {name}"
        for module in within("gladhand")
        if not module.within("gladhand.cli")
        for name in sorted(set(module.imports()))
        if belongs(name, {"logistics"}) and name not in parents and not belongs(name, OF_THE_RUNTIME)
    ]
    assert found == []


def test_the_runtime_stands_without_its_command_line_and_test_kit() -> None:
    found = [
        line
        for module in within("gladhand")
        if not (module.within("gladhand.cli") or module.within("gladhand.testing"))
        for line in wrong(module, {"gladhand.cli", "gladhand.testing"})
    ]
    assert found == []


def test_the_client_of_teams_outside_needs_the_contracts_alone() -> None:
    own = "clients.python.gladhand_client"
    found = [line for module in within(own) for line in wrong(module, {"gladhand", "services", *OUTSIDE})]
    assert list(within(own))
    assert found == []


@pytest.mark.parametrize("service", services())
def test_a_service_knows_no_other_service_and_nothing_to_the_right(service: str) -> None:
    own = f"services.{service}"
    found = [
        line
        for module in within(own)
        for line in wrong(module, {"services", "gladhand.cli", "gladhand.testing", *OUTSIDE}, {own})
        if not line.endswith(" imports services")
    ]
    assert found == []
