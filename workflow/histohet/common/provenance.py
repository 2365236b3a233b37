"""Where a number came from: software version, parameters, inputs, and the code of a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from types import CodeType
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

    Only meaning counts: comments, formatting, docstrings and assertions do not change the hash, so
    that editing them does not recompute a cohort.

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
def _code(path: Path) -> CodeType:
    """Compile a module without docstrings and assertions, which change no result."""
    source = path.read_text(encoding="utf-8")
    return compile(source, str(path), "exec", dont_inherit=True, optimize=2)


def _nested(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a module and of all that is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


@cache
def _meaning(path: Path) -> str:
    """Digest of a module's code without where it stands in the file."""
    meaning = [
        (
            code.co_name,
            code.co_code,
            code.co_exceptiontable,
            code.co_names,
            (code.co_varnames, code.co_freevars, code.co_cellvars),
            (code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags),
            [_constant(value) for value in code.co_consts if not isinstance(value, CodeType)],
        )
        for code in _nested(_code(path))
    ]
    return hashlib.sha256(repr(meaning).encode()).hexdigest()


def _constant(value: object) -> str:
    """Write a constant out, the same in every process: sets have no order of their own."""
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


@cache
def _modules(root: Path) -> dict[str, Path]:
    """Files of the package under `root` by the name they are imported by.

    Without the package's own, which holds the version number and no code.
    """
    files = {}
    for path in (root / PACKAGE).rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    files.pop(PACKAGE)
    return files


@cache
def _scripts(folder: Path) -> dict[str, Path]:
    """Files of a folder by the name they import each other by."""
    return {path.stem: path for path in folder.glob("*.py")}


@cache
def _imported_modules(path: Path, root: Path) -> set[Path]:
    """Files of this package, and beside a script, that `path` imports directly.

    Now and then also one that only has the name of something else in `path`.
    """
    names: set[str] = set()
    for code in _nested(_code(path)):
        names.update(code.co_names)
        # What a module is asked for may be a module itself; that stands among the constants.
        tuples = [value for value in code.co_consts if isinstance(value, tuple)]
        asked = [name for name in chain(*tuples) if isinstance(name, str)]
        own = [name for name in code.co_names if name.split(".")[0] == PACKAGE]
        names.update(f"{module}.{name}" for module in own for name in asked)
    beside = {} if path.is_relative_to(root / PACKAGE) else _scripts(path.parent)
    known = _modules(root) | beside
    return {known[name] for name in names & known.keys()}
