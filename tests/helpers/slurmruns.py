"""Runs of a cohort on a cluster: what was submitted, and what became of it."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slurmcluster import Cluster, ClusterError, wait_for

PROFILE = (
    *("--profile", "slurm"),
    # Not more than the machine is likely to have: all readers start at once.
    *("--set-threads", "encode_tiles=2"),
    *("--slurm-init-seconds-before-status-checks", "2"),
    *("--latency-wait", "10"),
)


class Run:
    """Snakemake, at work on the cluster."""

    def __init__(self, cluster: Cluster, cohort: Cohort, *arguments: str) -> None:
        self.cluster = cluster
        self.logs = cohort.folder / "results/logs"
        self.log = cohort.folder / f"run_{len(list(cohort.folder.glob('run_*')))}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                # Shells start what runs in the background with Ctrl-C ignored.
                ["env", "--default-signal=INT", *cohort.command(*PROFILE, *arguments)],
                # Where `--profile slurm` is found.
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def submissions(self, about: str = "", *states: str) -> list[dict[str, str]]:
        """List what was submitted for a rule or group, or for any."""
        run = re.search(r"SLURM run ID: (\S+)", self.log.read_text())
        return [
            job
            for job in self.cluster.jobs(*states)
            if run and job["JobName"] == run[1] and job["Comment"].startswith(f"rule_{about}")
        ]

    def rules(self) -> Counter[str]:
        """Count submissions by the rule, or the group, that they are for."""
        names = [
            job["Comment"].removeprefix("rule_").split("_wildcards_")[0]
            for job in self.submissions()
        ]
        groups = ("prepare", "measure", "maps")
        return Counter(name.split("_")[0] if name.startswith(groups) else name for name in names)

    def wait_until(self, state: str, about: str, n: int = 1) -> list[dict[str, str]]:
        """Wait until `n` submissions for a rule or group have a state; return them."""

        def found() -> bool:
            if self.process.poll() is not None:
                raise ClusterError(f"Snakemake ended before {about} was {state}:\n{self.text()}")
            return len(self.submissions(about, state)) >= n

        wait_for(found, 600, f"{about} {state}")
        return self.submissions(about, state)

    def wait_for_work(self, rule: str, n: int = 1) -> list[dict[str, str]]:
        """Wait until the scripts of `n` jobs of a rule are at work; return what runs for it."""
        logs = self.logs / rule
        wait_for(lambda: len(list(logs.rglob("*.log"))) >= n, 600, f"work of {rule}")
        return [job for job in self.submissions("", "RUNNING") if rule in job["Comment"]]

    def text(self) -> str:
        return self.log.read_text()

    def end(self, *, fails: bool = False) -> None:
        """Wait for the end and check how it ended."""
        self.process.wait(timeout=1800)
        assert (self.process.returncode != 0) == fails, self.text()


Submit = Callable[..., Run]
