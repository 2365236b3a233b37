"""What the tests of this folder share: a finished run to compare with, and the plan of kills."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT
from helpers.cohorts import CHANGING, CONFIG, MAIN_ANALYSIS, Cohort, digest

KILLER = ROOT / "tests/faults/killer"
SEED = int(os.environ.get("FAULTS_SEED", "314"))
KILLS = int(os.environ.get("FAULTS_KILLS", "3"))
"""Kills of each job: the last at a random moment, the others between two deeds."""

CHANGES = {
    "slides": "given/slides.tsv",
    "clinical": [CONFIG["clinical"][0] | {"table": "given/clinical.tsv"}],
    "variants": ["full", {"name": "patients", "pooled": True}],
    "specification_curve": {"variants": ["full"], "groupings": ["median", "none"]},
    "slide_embeddings": ["mean"],
    "added_value": {"analysis": "main", "folds": 2, "repeats": 1, "horizons": [12]},
    "attention": {"from": "sheet"},
    "agreement": {
        "pathologist": {"table": "given/counts.tsv", "column": "n_subclones"},
        "expression": [{"slide": "whole", "spots": "given/spots.csv", "label": "subclone"}],
    },
    "statistics": {"permutations": 99, "bootstrap_replicates": 100},
    "analyses": [MAIN_ANALYSIS],
}
SETTINGS = {k: v for k, v in CONFIG.items() if k != "phantoms"} | CHANGES


def results_of(folder: Path) -> dict[str, Path]:
    """Return the results that lie under their final names, by name."""
    found = {}
    for parent, folders, files in os.walk(folder / "results"):
        folders[:] = [name for name in folders if not name.startswith(".partial-")]
        for name in files:
            path = Path(parent, name)
            relative = path.relative_to(folder / "results")
            if relative.parts[0] not in CHANGING and not name.startswith(".partial-"):
                found[str(relative)] = path
    return found


@dataclass(frozen=True)
class Undisturbed:
    """A finished cohort, the folder of what it was given, and the record of its jobs."""

    cohort: Cohort
    given: Path
    record: Path
    seconds: float

    @cached_property
    def digests(self) -> dict[str, str]:
        return {name: digest(path) for name, path in results_of(self.cohort.folder).items()}

    def damaged(self, folder: Path) -> list[str]:
        """Return the results in another folder that differ from those of this run."""
        expected = self.digests
        found = {name: digest(path) for name, path in results_of(folder).items()}
        return [name for name, value in found.items() if expected.get(name) != value]

    def missing(self, folder: Path) -> list[str]:
        """Return the results that another folder does not have."""
        return sorted(set(self.digests) - set(results_of(folder)))


class Watch:
    """Looks at results while they are made and notes every one that is not what it has to be."""

    def __init__(self, folder: Path, expected: dict[str, str]) -> None:
        self._folder = folder
        self._expected = expected
        self._seen: dict[str, tuple[int, ...]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.damaged: list[str] = []
        self.looked_at = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for name, path in results_of(self._folder).items():
                self._look(name, path)

    def _look(self, name: str, path: Path) -> None:
        try:
            status = path.stat()
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._seen.get(name) == state:
                return
            found = digest(path)
        except FileNotFoundError:
            return  # Snakemake removes what a failed job made.
        self._seen[name] = state
        self.looked_at += 1
        if found != self._expected.get(name):
            self.damaged.append(name)


@dataclass(frozen=True)
class Event:
    """Something that a job did to a file: in which of its processes, and when."""

    process: str
    seconds: float
    deed: str
    file: str


def recorded_jobs(record: Path) -> dict[str, list[Event]]:
    """Return what each job did, by the name of the job."""
    jobs = {}
    for path in sorted(record.glob("*.events")):
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        jobs[path.stem] = [Event(p, float(s), deed, file) for p, s, deed, file in lines]
    return jobs


def rule_of(job: str) -> str:
    return job.split("+")[0]


def surely_reached(events: list[Event]) -> int:
    """Return how many deeds every run of the job counts.

    A process counts its own and those from before it was forked; which of several does the work is
    left to chance.
    """
    by_process = Counter(event.process for event in events)
    own = by_process.pop(events[0].process)
    return own + min(by_process.values(), default=0)


def plan_kills(record: Path, state: Path, rng: random.Random) -> Counter[str]:
    """Write for every job at which moments it is killed, one in each attempt.

    The deeds at which the jobs of a rule are killed are dealt out over its jobs, so that as many
    different ones as possible have their turn.

    Returns
    -------
    Counter
        How many kills are planned, by rule.
    """
    planned: Counter[str] = Counter()
    dealt: dict[str, list[int]] = defaultdict(list)
    for job, events in recorded_jobs(record).items():
        rule = rule_of(job)
        most = surely_reached(events)
        plan: list[dict[str, Any]] = []
        for _ in range(KILLS - 1):
            if not dealt[rule]:
                dealt[rule] = rng.sample(range(most), most)
            plan.append({"event": min(dealt[rule].pop(), most - 1)})
        plan.append({"seconds": round(rng.uniform(0, events[-1].seconds), 3)})
        (state / f"{job}.plan").write_text(json.dumps(plan))
        planned[rule] += len(plan)
    return planned


def kills_by_rule(state: Path) -> Counter[str]:
    """Count the kills that took place."""
    kills: Counter[str] = Counter()
    for path in state.glob("*.killed"):
        kills[rule_of(path.stem)] += len(path.read_text().splitlines())
    return kills


def new_cohort(folder: Path, workflow: Path, given: Path) -> Cohort:
    """Set up the cohort in a folder of its own; what it is given is shared."""
    cohort = Cohort(folder, workflow, SETTINGS)
    (folder / "given").symlink_to(given)
    return cohort


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of processes that have to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue  # It has ended.
        if str(folder) in command:
            found.append(command)
    return found


@contextmanager
def watched_by_killer(state: Path) -> Iterator[None]:
    """Have every job of the block look into `state` for what is to happen to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(KILLER))
        patch.setenv("FAULTS_STATE", str(state))
        yield


def undisturbed_run(
    cohort: Cohort, given: Path, record: Path, snakefile: str = "Snakefile"
) -> Undisturbed:
    """Run a cohort, recording what every job does."""
    record.mkdir()
    start = time.monotonic()
    with watched_by_killer(record):
        cohort.run(snakefile=snakefile)
    return Undisturbed(cohort, given, record, time.monotonic() - start)
