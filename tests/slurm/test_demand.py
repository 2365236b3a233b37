"""What a dry run says that a cohort will ask for is the sum of what its jobs ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain

OF_COHORT = ("collect_preflight", "collect_slides", "check_failures", "draw_maps", "summarise")


def test_a_dry_run_adds_up_what_its_jobs_ask_for(tmp_path: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="requirements/slurm.txt")
    write_plain(tmp_path / "a.png", gradient(50, 50))
    (tmp_path / "tiny.safetensors").write_bytes(b"read when the job runs")
    (tmp_path / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\nb\ta.png\t0.5\n")
    encoder = {"name": "lunit_dino_16", "checkpoint": "tiny.safetensors"}
    cohort = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", "encoder": encoder})
    profile = ("--profile", str(ROOT / "slurm"))
    done = cohort.snakemake("--dry-run", "--cores", "64", *profile)
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    blocks = re.split(r"^ *rule ", text, flags=re.MULTILINE)[1:]
    jobs = [
        dict(re.findall(r"(\w+)[=:] ?(\d+)", block))
        for block in blocks
        if not block.startswith(("default:", "all:"))
    ]

    def hours(what: str, default: int) -> float:
        return sum(int(job["runtime"]) / 60 * int(job.get(what, default)) for job in jobs)

    assert hours("gpu", 0) > 0
    # Two slides are one submission before and one after they are encoded, one by one.
    n_submissions = 1 + 2 + 1 + len(OF_COHORT)
    assert (
        f"On the cluster: {len(jobs)} jobs in {n_submissions} submissions that ask for "
        f"{hours('threads', 1):,.0f} core-hours and {hours('gpu', 0):,.0f} GPU-hours"
    ) in text
