"""The workflow as a module of another one: from a folder, from a Git repository, from GitHub."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.slidefiles import gradient, write_plain

SNAKEDEPLOY = """
from snakemake.utils import min_version

min_version("6.10.0")


# Snakemake configuration file
configfile: "config/config.yaml"


module histohet:
    snakefile:
        {snakefile}
    config:
        config


use rule * from histohet
"""
"""What `snakedeploy deploy-workflow` writes as `workflow/Snakefile`."""

HUB = "github.com"
REPOSITORY = "lab/histohet"


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Git repository of the workflow as it is, tagged."""
    folder = tmp_path / "repository"
    for name in ("envs", "profiles", "resources", "workflow"):
        shutil.copytree(ROOT / name, folder / name)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "all")
    git(folder, "tag", "v1")
    return folder


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A folder with a configuration, the profile and one small slide, as a user has it."""
    folder = tmp_path / "deployed"
    # Its rerun triggers: with `code`, Snakemake 9.27 fails on scripts of `git+file:`.
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "workflow").mkdir(parents=True)
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text("slides: slides.tsv\n")
    (folder / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    write_plain(folder / "a.png", gradient(50, 50))
    return folder


def check_preflight(deployed: Path, snakefile: str, cache: Path) -> None:
    (deployed / "workflow/Snakefile").write_text(SNAKEDEPLOY.format(snakefile=snakefile))
    snakemake = (sys.executable, "-m", "snakemake", "--cores", "1")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*snakemake, *arguments],
            cwd=deployed,
            env={"XDG_CACHE_HOME": str(cache), "PATH": "/usr/bin:/bin", "HOME": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("preflight")
    assert (deployed / "results/preflight/preflight.html").is_file()
    planned = run("--dry-run")
    assert "rule collect_preflight:" not in planned
    assert "rule summarise:" in planned


def test_from_a_folder(deployed: Path, tmp_path: Path) -> None:
    check_preflight(deployed, f'"{ROOT}/workflow/Snakefile"', tmp_path / "cache")


def test_from_a_git_repository_on_disk(deployed: Path, repository: Path, tmp_path: Path) -> None:
    snakefile = f'"git+file://{repository}/workflow/Snakefile@v1"'
    check_preflight(deployed, snakefile, tmp_path / "cache")


def test_from_github(deployed: Path, repository: Path, tmp_path: Path) -> None:
    """As Snakemake finds it after its first look: its own clone is there, and no network."""
    cache = tmp_path / "cache"
    clone = cache / "snakemake/snakemake/source-cache/snakemake-git-cache" / HUB / REPOSITORY
    clone.parent.mkdir(parents=True)
    git(tmp_path, "clone", "--bare", str(repository), str(clone))
    snakefile = f'github("{REPOSITORY}", path="workflow/Snakefile", tag="v1")'
    check_preflight(deployed, snakefile, cache)
