"""The hash of a step's code: it changes with what changes results, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from histohet.common import resources
from histohet.common.code import _package_modules, code_hash, files_of, read_module


@pytest.fixture
def package(tmp_path: Path) -> Path:
    library = tmp_path / "histohet"
    (library / "inner").mkdir(parents=True)
    (library / "__init__.py").write_text('__version__ = "1"\n')
    (library / "used.py").write_text(
        "from histohet.inner.deep import f\n\n\ndef g():\n    return f()\n"
    )
    (library / "inner" / "__init__.py").write_text("")
    (library / "inner" / "deep.py").write_text('def f():\n    """Say one."""\n    return 1\n')
    (library / "unused.py").write_text("x = 1\n")
    (tmp_path / "script.py").write_text("import numpy\nfrom histohet import used\n")
    return tmp_path


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    # Files are read once per process; a new Snakemake run is a new process.
    code_hash.cache_clear()
    read_module.cache_clear()


def test_code_hash_follows_imports_however_deep(package: Path) -> None:
    def current() -> str:
        return code_hash(package / "script.py", package)

    before = current()
    rewrite(package / "histohet" / "unused.py", "x = 2\n")
    assert current() == before
    rewrite(package / "histohet" / "__init__.py", '__version__ = "2"\n')
    assert current() == before
    rewrite(
        package / "histohet" / "inner" / "deep.py",
        'def f():\n    """Say two."""\n    assert True\n    return 1  # one\n',
    )
    assert current() == before
    rewrite(package / "histohet" / "inner" / "deep.py", "def f():\n    return 2\n")
    assert current() != before


def test_code_hash_sees_the_script_itself(package: Path) -> None:
    before = code_hash(package / "script.py", package)
    rewrite(package / "script.py", "from histohet import used\n\nused.g()\n")
    assert code_hash(package / "script.py", package) != before


def test_code_hash_is_the_same_in_every_process(package: Path) -> None:
    (package / "script.py").write_text("def f(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n")
    command = (
        "import sys; from histohet.common.code import code_hash; "
        "print(code_hash(sys.argv[1] + '/script.py', sys.argv[1]))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", command, str(package)],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(a, b=1):\n    return a\n", "def f(a, b=2):\n    return a\n"),
        ("def f(a, b):\n    return a\n", "def f(a, *, b):\n    return a\n"),
        ("x = {'a'} & {1}\n", "x = {'a'} & {2}\n"),
        ("x = 1\n", "x = 1.0\n"),
        ("def f(a):\n    return [b for b in a]\n", "def f(a):\n    return [b for b in a if b]\n"),
        ("from math import sin\n", "from math import cos as sin\n"),
        ("class A:\n    b = 1\n", "class A:\n    c = 1\n"),
    ],
)
def test_code_hash_sees_what_changes_results(package: Path, before: str, after: str) -> None:
    def hash_of(text: str, docstring: str = "One.") -> str:
        rewrite(package / "script.py", f'"""{docstring}"""\n\n{text}')
        return code_hash(package / "script.py", package)

    assert hash_of(before) != hash_of(after)
    assert hash_of(before) == hash_of(f"# A comment.\n{before}", "Another.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = ('a' 'b',)\n", 'x = (\n    "ab",\n)\n'),
        ("x = 1_000\n", "x = (1000)  # a comment\n"),
        ("class A:\n    b: int = 1\n", 'class A:\n    b: int = 1\n    """About b."""\n'),
        ("def f(a):\n    return a\n", "def f(a):\n    assert a\n    return a\n"),
    ],
)
def test_code_hash_does_not_see_what_changes_none(package: Path, before: str, after: str) -> None:
    rewrite(package / "script.py", before)
    expected = code_hash(package / "script.py", package)
    rewrite(package / "script.py", after)
    assert code_hash(package / "script.py", package) == expected


def test_code_hash_is_the_same_in_every_python(package: Path) -> None:
    # Found with 3.11, 3.12 and 3.13: their syntax trees differ in f-strings and empty fields.
    text = (
        "@decorated\nasync def f(a, /, b=None, *, c: int = 0) -> str:\n"
        "    return f'{a!r:>{c}}' f'{b}' '' if (d := [*b, -1.5]) else {**a, 'x': d[1:]}\n"
    )
    rewrite(package / "script.py", text)
    assert code_hash(package / "script.py", package) == "574a6da771cc9f3c"


def test_code_hash_sees_what_the_modules_read_of_the_resources(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = package / "colours.yaml"
    monkeypatch.setattr(resources, "_PLACES", (package,))

    def hash_of(text: str) -> str:
        resource.write_text(text)
        resources._parse.cache_clear()
        code_hash.cache_clear()
        return code_hash(package / "script.py", package)

    assert hash_of("pink: 1\n") == hash_of("pink: 2\n"), "nobody reads it yet"
    rewrite(package / "histohet/used.py", "from a import read_resource\nread_resource('colours')\n")
    expected = hash_of("pink: 1\n")
    assert hash_of("pink: 1  # a comment\n") == expected
    assert hash_of("pink: 2\n") != expected
    (package / "histohet/used.py").rename(package / "histohet/settings.py")
    rewrite(package / "script.py", "from histohet import settings\n")
    _package_modules.cache_clear()
    assert hash_of("pink: 1\n") == hash_of("pink: 2\n"), "it comes as a parameter"


def test_files_of_a_script_are_its_own_and_those_of_what_it_imports(package: Path) -> None:
    rewrite(package / "script.py", "def f():\n    import numpy\n    from histohet import used\n")
    names = ["script.py", "histohet/inner/deep.py", "histohet/used.py"]
    assert files_of(package / "script.py", package) == {package / name for name in names}
