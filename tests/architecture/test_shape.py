"""Files stay small, say what they are for, and are named after things of the field."""

from __future__ import annotations

import ast

from tests.architecture.tree import ROOT, modules, within

MOST_LINES = 450
NO_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "data", "info", "misc"}
NO_CLASS_ENDINGS = ("Manager", "Helper", "Helpers", "Utils", "Util")


def test_no_file_is_long() -> None:
    assert [f"{module} has {module.lines} lines" for module in modules() if module.lines > MOST_LINES] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [str(module) for module in within("gladhand", "services", "clients", "tools") if not module.docstring] == []


def test_no_module_is_named_after_nothing() -> None:
    found = [
        str(module)
        for module in modules()
        for part in module.path.relative_to(ROOT).with_suffix("").parts
        if NO_NAMES & set(part.lower().split("_"))
    ]
    assert found == []


def test_no_class_is_named_after_nothing() -> None:
    found = [
        f"{module} {node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(NO_CLASS_ENDINGS)
    ]
    assert found == []
