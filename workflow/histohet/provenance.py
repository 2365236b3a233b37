"""Where a number came from: software version, parameters, inputs, and the code of a step."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from histohet import __version__

PACKAGE = "histohet"


@dataclass(frozen=True)
class Provenance:
    """Parameters and inputs of a step, written into every output.

    Attributes
    ----------
    parameters
        What was in force, JSON-serialisable.
    inputs
        Role of each input and its path as the workflow names it.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dictionary, the same for the same run anywhere."""
        return {
            "software": f"histohet {__version__}",
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
        }

    def as_json(self) -> str:
        """Return `as_dict` as one line of JSON with sorted keys."""
        return json.dumps(self.as_dict(), sort_keys=True, allow_nan=False)


def code_hash(script: str | Path, package_root: str | Path) -> str:
    """Hash a script with every module that it imports, of this package or beside it, however deep.

    Only meaning counts: comments, formatting and docstrings do not change the hash, so that editing
    them does not recompute a cohort.

    Parameters
    ----------
    script
        The Python file to start from.
    package_root
        The folder that holds the ``histohet`` package.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    root = Path(package_root)
    pending = [Path(script)]
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in seen:
            seen.add(path)
            pending.extend(_imported_modules(path, root))
    digests = sorted(_meaning(path) for path in seen)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


@cache
def _syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _meaning(path: Path) -> str:
    """Digest of a module's syntax tree without its docstrings."""
    tree = _syntax_tree(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                first.value.value = ""
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@cache
def _imported_modules(path: Path, root: Path) -> tuple[Path, ...]:
    """Files of this package, and beside a script, that `path` imports directly.

    The version number is not code.
    """
    names: set[str] = set()
    for node in ast.walk(_syntax_tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    files: set[Path] = set()
    for name in names:
        if name.split(".")[0] == PACKAGE:
            place = root.joinpath(*name.split("."))
            candidates = (place.with_suffix(".py"), place / "__init__.py")
            files.update(file for file in candidates if file.is_file())
        elif not path.is_relative_to(root / PACKAGE) and path.with_name(f"{name}.py").is_file():
            files.add(path.with_name(f"{name}.py"))
    return tuple(sorted(files - {root / PACKAGE / "__init__.py"}))
