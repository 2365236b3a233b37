"""The code of a step: which modules a script imports, and a hash of what they mean."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from histohet.common.resources import read_resource

PACKAGE = "histohet"


@dataclass(frozen=True)
class Module:
    """A Python file without what changes no result: comments, formatting, docstrings, assertions.

    Attributes
    ----------
    meaning
        The rest, the same in every version of Python.
    imports
        Dotted names that it imports, anywhere in it; of ``from a import b`` both ``a`` and ``a.b``.
    resources
        Names of the resources that it reads.
    """

    meaning: str
    imports: frozenset[str]
    resources: frozenset[str]


@cache
def code_hash(script: str | Path, package_root: str | Path) -> str:
    """Hash a script with every module of this package that it imports, however deep.

    Only meaning counts: comments, formatting, docstrings, assertions and the version of Python do
    not change the hash, so that these do not recompute a cohort. What the modules read of
    ``resources/`` counts as their code; not so for ``settings.py``, whose values reach a step as
    its parameters: a new preset is nothing to those who have chosen another.

    Parameters
    ----------
    script
        The Python file to start from.
    package_root
        The folder that holds the ``histohet`` package.

    Returns
    -------
    str
        16 hexadecimal digits; of files as they were when this was first asked.
    """
    files = files_of(script, package_root)
    meanings = sorted(read_module(path).meaning for path in files)
    read = [read_module(path).resources for path in files if path.name != "settings.py"]
    names = sorted(set(chain(*read)))
    meanings += [f"{name}: {json.dumps(read_resource(name), default=str)}" for name in names]
    return hashlib.sha256("\n".join(meanings).encode()).hexdigest()[:16]


def files_of(script: str | Path, package_root: str | Path) -> set[Path]:
    """Return a script and every file of the package that it imports."""
    root = Path(package_root)
    pending = [Path(script)]
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in seen:
            seen.add(path)
            known = _package_modules(root)
            pending.extend(known[name] for name in read_module(path).imports & known.keys())
    return seen


@cache
def read_module(path: Path) -> Module:
    """Read the meaning of a Python file and what it imports."""
    nodes: list[ast.AST] = []
    meaning = _write(ast.parse(path.read_text(encoding="utf-8")), nodes)
    return Module(
        hashlib.sha256(meaning.encode()).hexdigest(),
        frozenset(name for node in nodes for name in _imported_names(node)),
        frozenset(name for node in nodes for name in _resource_names(node)),
    )


def _write(value: object, nodes: list[ast.AST]) -> str:
    """Write a syntax tree out, and note its nodes.

    Left out is what is not the same in every version of Python, and means nothing: empty fields,
    empty parts of f-strings; and whether a name is read or set, which its place says.
    """
    if isinstance(value, list):
        return f"[{','.join([_write(item, nodes) for item in value if not _is_idle(item)])}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    nodes.append(value)
    fields = value.__dict__
    if isinstance(value, ast.JoinedStr):
        fields = {"values": [part for part in value.values if getattr(part, "value", None) != ""]}
    written = [
        f"{name}={_write(field, nodes)}"
        for name in value._fields
        if (field := fields.get(name)) is not None and field != [] and name != "ctx"
    ]
    return f"{type(value).__name__}({','.join(written)})"


def _is_idle(node: object) -> bool:
    """Tell whether a statement changes no result: an assertion, or a docstring, of whatever."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Assert)


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _resource_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == read_resource.__name__:
        yield from (str(name.value) for name in node.args if isinstance(name, ast.Constant))


@cache
def _package_modules(root: Path) -> dict[str, Path]:
    """Files of the package under `root` by the name they are imported by.

    Without the package's own, which holds the version number and no code.
    """
    files = {}
    for path in (root / PACKAGE).rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    files.pop(PACKAGE)
    return files
