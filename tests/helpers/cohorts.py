"""A small phantom cohort, and ways to run the workflow on it and to ask Snakemake about it."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import main

from helpers import ROOT

PHANTOMS = {
    "n_slides": 4,
    "epithelial_tiles": 60,
    "seed": 7,
    "hazard_ratio": 2.0,
    "share_40x": 0.25,
}

MAIN_ANALYSIS: dict[str, Any] = {
    "name": "main",
    "grouping": "median",
    "covariates": [{"column": "age", "kind": "numeric"}],
}

CONFIG: dict[str, Any] = {
    "phantoms": PHANTOMS,
    "slides": "results/phantoms/slides.tsv",
    "clinical": [
        {
            "table": "results/phantoms/clinical.tsv",
            "patient": "patient",
            "endpoints": {
                "OS": {
                    "time": "os_months",
                    "unit": "months",
                    "event": "os_event",
                    "events": ["1"],
                    "censored": ["0"],
                }
            },
        }
    ],
    "variants": ["full", "no_mask", "no_potts", "no_tumor_filter", "paper"],
    "tissue": {"preset": "bwh_biopsy"},
    "clustering": {"q": 8, "restarts": 3, "min_tiles": 20},
    "analyses": [MAIN_ANALYSIS],
}


def in_another_form(value: Any) -> Any:
    """Return the same with the keys of sections in another order and whole numbers as floats."""
    if isinstance(value, dict):
        return {key: in_another_form(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [in_another_form(one) for one in value]
    return float(value) if type(value) is int else value


TARGETS = {
    *("default", "all", "preflight", "slides", "maps", "qupath", "attention", "slide_vectors"),
    *("traits", "cohort", "survival", "ablation", "prognosis", "agreement", "report", "anndata"),
    *("cores", "core_masks", "dearray", "rotation", "radiomics", "segmentation", "fusion"),
    *("atlas", "train_segmentation"),
}
"""Rules that only name what others make."""


@dataclass
class Job:
    """One job of a dry run."""

    rule: str
    wildcards: str


CHANGING = {"logs", "benchmarks"}
"""Folders of results that hold times."""


def digest(path: Path) -> str:
    """Return the SHA-256 of what a result says, apart from the time that jobs took."""
    data = path.read_bytes()
    if path.name == "summary.json":
        data = re.sub(rb'"wall_seconds": {[^}]*}', b"", data)
    return hashlib.sha256(data).hexdigest()


class Cohort:
    """A working directory with its configuration, and the workflow it is run with."""

    def __init__(self, folder: Path, workflow: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.workflow = workflow
        self.config = config
        folder.mkdir(parents=True, exist_ok=True)

    def command(self, *arguments: str, snakefile: str = "Snakefile", **changes: Any) -> list[str]:
        """Return the command that runs Snakemake here, with top-level keys of the configuration
        replaced by `changes`."""
        # Tests of several processes may look at one cohort.
        config = self.folder / f"config_{os.getpid()}.yaml"
        config.write_text(yaml.safe_dump(self.config | changes, sort_keys=False))
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(self.workflow.parent / snakefile)),
            *("--directory", str(self.folder)),
            *("--replace-workflow-config", "--configfile", str(config)),
            *arguments,
        ]

    def snakemake(
        self,
        *arguments: str,
        snakefile: str = "Snakefile",
        process: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here, see `command`; `process` are arguments of `subprocess.run`."""
        command = self.command(*arguments, snakefile=snakefile, **changes)
        return subprocess.run(
            command, capture_output=True, text=True, check=False, **(process or {})
        )

    def refusal(self, **changes: Any) -> str:
        """Return what Snakemake prints when it parses the workflow with a configuration that it
        must refuse. It does so in this process, ten times as fast as in one of its own."""
        arguments = self.command("--list-rules", **changes)[3:]
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed), pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 1, printed.getvalue()
        return printed.getvalue()

    def run(self, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Run Snakemake and expect success."""
        done = self.snakemake("--cores", "2", *arguments, **changes)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def digests(self) -> dict[str, str]:
        """SHA-256 of every result, but for what differs from run to run: logs and times."""
        results = self.folder / "results"
        files = (path.relative_to(results) for path in results.rglob("*") if path.is_file())
        return {
            str(file): digest(results / file)
            for file in files
            if file.parts[0] not in {*CHANGING, "phantoms"}
        }

    def jobs(self, *arguments: str, **changes: Any) -> list[Job]:
        """List the jobs that a run would execute now."""
        done = self.snakemake("--dry-run", *arguments, **changes)
        assert done.returncode == 0, done.stdout + done.stderr
        text = done.stdout + done.stderr
        blocks = re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)[1:]
        jobs = []
        for block in blocks:
            found = re.search(r"^    wildcards: (.*)$", block, flags=re.MULTILINE)
            jobs.append(Job(block.split(":")[0], found.group(1) if found else ""))
        return [job for job in jobs if job.rule not in TARGETS]

    def rules(self, *arguments: str, **changes: Any) -> Counter[str]:
        """Count the jobs that a run would execute now, by rule."""
        return Counter(job.rule for job in self.jobs(*arguments, **changes))


def copy_workflow(folder: Path) -> Path:
    """Copy the workflow into `folder`, so that a test may edit it; return the copy of `workflow/`.

    What numba has compiled is copied too: it is kept beside the sources and valid for their times.
    """
    for shared in ("envs", "profiles", "resources"):
        (folder / shared).symlink_to(ROOT / shared)
    shutil.copy(ROOT / "Snakefile", folder)
    return Path(shutil.copytree(ROOT / "workflow", folder / "workflow"))
