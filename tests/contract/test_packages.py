"""Callers find everything in the package `logistics.<noun>.v1` and never need a module that protoc named."""

from __future__ import annotations

import importlib

from tests.contract import catalog


def test_packages_export_everything_that_the_contract_declares() -> None:
    missing = []
    for file in catalog.files():
        package = importlib.import_module(file.package)
        declared = [*file.message_types_by_name, *file.enum_types_by_name, *file.extensions_by_name]
        declared += [value.name for enum in file.enum_types_by_name.values() for value in enum.values]
        for service in file.services_by_name:
            declared += [f"{service}Stub", f"{service}Servicer", f"add_{service}Servicer_to_server"]
        missing += [f"{file.package}.{name}" for name in declared if name not in package.__all__]
    assert missing == []


def test_packages_have_what_they_promise() -> None:
    packages = [importlib.import_module(name) for name in {file.package for file in catalog.files()}]
    assert [(package, name) for package in packages for name in package.__all__ if not hasattr(package, name)] == []
