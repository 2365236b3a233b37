"""The ways to install the packages agree: locks, conda environments, container recipe."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

from helpers import ROOT
from histohet.common.code import files_of, read_module

WORKFLOW = ROOT / "workflow"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
NAMED = re.compile(r'conda:\s+"[./]+/(envs/\w+\.yaml)"|script:\s+"(\S+)"')
"""The environment of a rule, and the script that follows."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if "==" in line)
    pairs = (line.strip().removeprefix("- ").split("==") for line in lines)
    return {canonical(name): version for name, version in pairs}


LOCKS = ("core", "encoders", "radiomics", "z-rad", "segmentation")
LOCK = {k: v for n in LOCKS for k, v in pins(ROOT / f"requirements/{n}.txt").items()}


DISTRIBUTIONS = packages_distributions()
OURS = {"histohet", *(file.stem for file in (WORKFLOW / "scripts").glob("*.py"))}


def imported(files: Iterable[Path]) -> set[str]:
    """Packages that files import, by canonical name."""
    modules = {name.split(".")[0] for file in files for name in read_module(file).imports}
    foreign = modules - set(sys.stdlib_module_names) - OURS
    # Where a package is not installed, its module has its name.
    return {canonical(DISTRIBUTIONS.get(module, [module])[0]) for module in foreign}


# --- the library ----------------------------------------------------------------------------------


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]


def test_the_lock_has_what_the_library_asks_for() -> None:
    for requirement in map(Requirement, ASKED):
        assert requirement.specifier.contains(LOCK[canonical(requirement.name)]), requirement


def test_the_library_asks_for_what_it_imports() -> None:
    needed = imported((WORKFLOW / "histohet").rglob("*.py"))
    assert needed <= {canonical(Requirement(text).name) for text in ASKED}


def test_the_wheel_holds_the_library_with_its_resources(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in ZipFile(wheel).namelist() if name.startswith("histohet/")}
    modules = {str(p.relative_to(WORKFLOW)) for p in (WORKFLOW / "histohet").rglob("*.py")}
    files = [*ROOT.glob("resources/*.yaml"), *ROOT.glob("resources/atlas/**/*")]
    assert held == modules | {f"histohet/{p.relative_to(ROOT)}" for p in files if p.is_file()}


# --- conda ----------------------------------------------------------------------------------------


def needs_installed(file: Path) -> None:
    """Skip a test of an environment whose packages only some make targets install."""
    for package in pins(file):
        try:
            version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed: make .venv/{file.stem}.txt")


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda file: file.stem)
def test_conda_environments_are_what_the_lock_says(file: Path, tmp_path: Path) -> None:
    needs_installed(file)
    command = [sys.executable, "envs/generate.py", str(tmp_path), file.stem]
    subprocess.run(command, cwd=ROOT, check=True)
    assert file.read_text() == (tmp_path / file.name).read_text(), "make environments"


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda file: file.stem)
def test_conda_environments_pin_what_their_packages_need(file: Path) -> None:
    needs_installed(file)
    packages = pins(file)
    needed = [Requirement(text) for package in packages for text in requires(package) or []]
    in_force = [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    for requirement in in_force:
        if (package := canonical(requirement.name)) in packages:
            assert requirement.specifier.contains(packages[package]), requirement


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda file: file.stem)
def test_conda_environments_take_python_from_conda_forge(file: Path) -> None:
    described = yaml.safe_load(file.read_text())
    assert described["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    python, pip, packages = described["dependencies"]
    assert (python, pip, list(packages)) == ("python=3.11", "pip", ["pip"])
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", package) for package in packages["pip"])


def environments_of_scripts() -> dict[Path, Path]:
    """Environment of each script, as the rules name it; a rule that is like another has its."""
    found = {}
    current = ""
    for file in [*WORKFLOW.glob("rules/*.smk"), WORKFLOW / "phantoms.smk"]:
        for environment, script in NAMED.findall(file.read_text()):
            current = environment or current
            if script:
                found[(file.parent / script).resolve()] = ROOT / current
    return found


OF_SCRIPT = environments_of_scripts()


def test_every_environment_is_some_rules() -> None:
    assert set(OF_SCRIPT.values()) == set(ENVIRONMENTS)
    assert set(OF_SCRIPT) == set((WORKFLOW / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", OF_SCRIPT, ids=lambda script: script.stem)
def test_a_script_imports_what_its_environment_holds(script: Path) -> None:
    assert imported(files_of(script, WORKFLOW)) <= set(pins(OF_SCRIPT[script]))


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
    for file in ENVIRONMENTS:
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
