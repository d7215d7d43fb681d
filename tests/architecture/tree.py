"""The modules of the repository, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("gladhand", "services", "clients", "tools", "bench", "examples", "deploy", "tests")


@dataclass(frozen=True)
class Module:
    """One Python file; `name` is dotted and starts at the root of the repository."""

    path: Path
    name: str
    tree: ast.Module
    lines: int

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    def within(self, package: str) -> bool:
        return self.name == package or self.name.startswith(package + ".")

    def imports(self) -> Iterator[str]:
        """Full names of all that it imports, anywhere in it: `a.b` and `a.b.name` for `from a.b import name`."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*above, base] if base else above)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> tuple[Module, ...]:
    """Every module outside the generated code, by path."""
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    found = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        found.append(Module(path, _name(path), ast.parse(text, str(path)), text.count("\n")))
    return tuple(found)


def within(*packages: str) -> Iterator[Module]:
    """Every module of some packages."""
    return (module for module in modules() if any(module.within(package) for package in packages))


def belongs(imported: str, packages: frozenset[str] | set[str]) -> bool:
    """Whether an imported name is one of `packages` or lies within one."""
    return any(imported == package or imported.startswith(package + ".") for package in packages)


def services() -> list[str]:
    """Names of the services."""
    return sorted({module.name.split(".")[1] for module in within("services") if module.name.count(".")})
