"""The ways to install the packages agree: locks, conda environments, container recipe."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from helpers import ROOT

LIBRARY = ROOT / "workflow/histohet"
ENCODER_MODULES = {
    "networks.py",
    "hub.py",
    "checkpoints.py",
    "timm_model.py",
    "torchvision_operators.py",
    "weights.py",
}
"""What only encoders of foundation models need; `weights.py` imports the hub where it uses it."""

ENVIRONMENTS = ["core", "encoders"]
BUILT_BY = re.compile(r"nvidia-|cuda-|triton")
"""Parts of PyTorch for GPUs; it names them, with their versions, only where it is built for one."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if "==" in line)
    pairs = (line.strip().removeprefix("- ").split("==") for line in lines)
    return {canonical(name): version for name, version in pairs}


def environment(name: str) -> dict[str, str]:
    return pins(ROOT / f"envs/{name}.yaml")


# --- conda ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_environments_pin_the_versions_of_the_lock(name: str) -> None:
    lock = pins(ROOT / "requirements/core.txt") | pins(ROOT / "requirements/encoders.txt")
    assert environment(name)
    assert environment(name).items() <= lock.items()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_environments_pin_what_their_packages_need(name: str) -> None:
    packages = environment(name)
    needed = [Requirement(text) for package in packages for text in requires(package) or []]
    in_force = {r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})}
    names = {canonical(r.name) for r in in_force}
    assert {name for name in names if not BUILT_BY.match(name)} <= set(packages)
    for requirement in in_force:
        if (package := canonical(requirement.name)) in packages:
            assert requirement.specifier.contains(packages[package]), requirement


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_environments_hold_what_the_library_imports(name: str) -> None:
    files = [
        file
        for file in [*LIBRARY.rglob("*.py"), *(ROOT / "workflow/scripts").glob("*.py")]
        if name == "encoders" or file.name not in ENCODER_MODULES
    ]
    modules = {module for file in files for module in imported(file)}
    ours = {file.stem for file in (ROOT / "workflow/scripts").glob("*.py")}
    modules -= set(sys.stdlib_module_names) | {"histohet"} | ours
    distributions = packages_distributions()
    needed = {canonical(distributions[module][0]) for module in modules}
    assert needed <= set(environment(name))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_environments_take_python_from_conda_forge(name: str) -> None:
    described = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert described["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    python, pip, packages = described["dependencies"]
    assert (python, pip, list(packages)) == ("python=3.11", "pip", ["pip"])
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", package) for package in packages["pip"])


def environments_of_rules() -> set[Path]:
    return {
        (file.parent / path).resolve()
        for file in [*ROOT.glob("workflow/rules/*.smk"), ROOT / "workflow/phantoms.smk"]
        for path in re.findall(r'"([./]+/envs/\w+\.yaml)"', file.read_text())
    }


def test_every_rule_names_an_environment_that_exists_and_none_is_left_over() -> None:
    assert environments_of_rules() == set(ROOT.glob("envs/*"))


# --- the container --------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Instructions of the recipe and their arguments, without comments and continued lines."""
    lines = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    split = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, argument) for name, _, argument in split]


def arguments(instruction: str) -> list[str]:
    return [argument for name, argument in instructions() if name == instruction]


COPIED = {target: source for source, target in map(str.split, arguments("COPY"))}


def in_checkout(path: str) -> Path:
    """Where a file of the image comes from."""
    target = next(target for target in COPIED if f"{path}/".startswith(f"{target}/"))
    return ROOT / COPIED[target] / path.removeprefix(target).lstrip("/")


def test_the_container_installs_the_lock_and_nothing_else() -> None:
    commands = " ".join(arguments("RUN"))
    (packages,) = re.findall(r"apt-get install ([-\w ]+)", commands)
    assert [p for p in packages.split() if p[0] != "-"] == ["python3", "python3-venv"]
    (installed,) = re.findall(r"pip install (.*)", commands)
    assert installed.split()[:-1] == ["--no-cache-dir", "--requirement"]
    lock = in_checkout(installed.split()[-1])
    assert lock == ROOT / "requirements/encoders.txt"
    assert "-r core.txt" in lock.read_text().splitlines()


def test_the_container_copies_what_exists_and_the_build_may_see_it() -> None:
    seen = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in seen
    assert {line for line in seen if line.startswith("!")} == {f"!{s}" for s in COPIED.values()}
    assert all((ROOT / source).exists() for source in COPIED.values())


def test_the_container_holds_the_files_that_rules_name() -> None:
    (root,) = (
        target.removesuffix("/workflow") for target in COPIED if COPIED[target] == "workflow"
    )
    for file in environments_of_rules():
        inside = f"{root}/{file.relative_to(ROOT)}"
        assert in_checkout(inside) == file


def test_the_container_starts_the_workflow_and_not_as_root() -> None:
    (entry,) = arguments("ENTRYPOINT")
    program, option, snakefile = yaml.safe_load(entry)
    assert (program, option) == ("snakemake", "--snakefile")
    assert in_checkout(snakefile) == ROOT / "Snakefile"
    assert in_checkout(snakefile).is_file()
    (user,) = arguments("USER")
    assert all(int(number) > 0 for number in user.split(":"))


def test_the_container_starts_from_a_release() -> None:
    (base,) = arguments("FROM")
    assert re.fullmatch(r"debian:12\.\d+-slim", base), "Debian 12 is what has Python 3.11"
