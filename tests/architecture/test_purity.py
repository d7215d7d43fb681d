"""What decides is pure: no clock, no network, no randomness, no logging; settings are read in one place."""

from __future__ import annotations

import ast

from tests.architecture.tree import Module, belongs, modules, within

IMPURE = {
    "aiosqlite",
    "asyncio",
    "asyncpg",
    "concurrent",
    "grpc",
    "httpx",
    "logging",
    "nats",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
    "uvicorn",
}
PURE_FOLDERS = {"deciders", "phases"}
WALL_CLOCK = {"now", "utcnow", "today"}


def is_pure(module: Module) -> bool:
    """Deciders and phases are pure by place; any other module says so in the first line of its docstring."""
    by_place = module.within("services") and bool(PURE_FOLDERS & set(module.path.parts))
    first, *_ = module.docstring.splitlines() or [""]
    return by_place or first.rstrip().endswith("(pure).")


def calls(module: Module, owners: set[str], names: set[str]) -> list[str]:
    return [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) in owners
    ]


def test_pure_modules_import_nothing_that_acts() -> None:
    found = [
        f"{module} imports {name}"
        for module in modules()
        if is_pure(module)
        for name in sorted(set(module.imports()))
        if belongs(name, IMPURE)
    ]
    assert found == []


def test_only_the_clock_reads_the_clock() -> None:
    owners = {"datetime", "datetime.datetime", "date", "datetime.date"}
    found = [
        line
        for module in within("gladhand", "services")
        if module.name != "gladhand.clock"
        for line in calls(module, owners, WALL_CLOCK)
    ]
    assert found == []


def test_only_mains_and_settings_read_the_environment() -> None:
    readers = {"main", "settings", "__main__"}
    found = [
        line
        for module in within("gladhand", "services")
        if module.name.rpartition(".")[2] not in readers and not module.within("gladhand.cli")
        for line in calls(module, {"os"}, {"environ", "getenv"})
    ]
    assert found == []
