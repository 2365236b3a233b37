"""A cluster, a cohort that one machine has finished, and runs of that cohort on the cluster."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.cohorts import CONFIG, PHANTOMS, Cohort
from helpers.encoders import THIN, write_thin_weights
from helpers.slurmcluster import Cluster, why_not_here
from helpers.slurmruns import Run, Submit

BEFORE_ENCODING = {"phantoms", "preflight", "tissue", "thumbnails", "tiles", "coverage"}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    reason = why_not_here()
    if reason is not None:
        pytest.skip(reason)
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="requirements/slurm.txt")
    with Cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def local(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The cohort after a complete run on this machine, encoded by a network, which wants a GPU."""
    config = CONFIG | {
        "phantoms": PHANTOMS | {"epithelial_tiles": 30},
        "encoder": THIN,
        "variants": ["full"],
    }
    cohort = Cohort(tmp_path_factory.mktemp("local"), ROOT / "workflow", config)
    write_thin_weights(cohort.folder)
    cohort.run(snakefile="workflow/phantoms.smk")
    cohort.run()
    return cohort


@pytest.fixture
def submit(cluster: Cluster) -> Iterator[Submit]:
    """Start Snakemake with the cluster's profile; whatever is left at the end is killed."""
    runs: list[Run] = []

    def start(cohort: Cohort, *arguments: str) -> Run:
        runs.append(Run(cluster, cohort, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            run.process.wait(timeout=120)


def copy(local: Cohort, folder: Path, folders: set[str]) -> Cohort:
    """Copy the finished cohort with only some folders of its results."""
    results = local.folder / "results"

    def others(folder: str, names: list[str]) -> set[str]:
        return set(names) - folders if Path(folder) == results else set()

    shutil.copytree(local.folder, folder, ignore=others)
    return Cohort(folder, local.workflow, local.config)


@pytest.fixture
def fresh(local: Cohort, tmp_path: Path) -> Cohort:
    """The cohort before its first step."""
    return copy(local, tmp_path / "cohort", {"phantoms"})


@pytest.fixture
def before_encoding(local: Cohort, tmp_path: Path) -> Cohort:
    """The cohort when its tiles are to be encoded."""
    return copy(local, tmp_path / "cohort", BEFORE_ENCODING)
