"""Kills the jobs of a test where its plan says; else notes what they do.

Python imports this in every process that finds the folder in PYTHONPATH. It wakes up when a process
opens the log of a job for writing, which is the first thing that every job does, and counts from
there what the job does to files under ``results``: opening one for writing, renaming, removing. An
audit hook is called before the deed, so a kill at a rename is a kill between the end of writing and
the rename.

The folder named by FAULTS_STATE holds, for each job (called like its log, with + for /), ``.plan``:
a JSON list of what is to happen in each attempt, ``{"event": n}`` or ``{"seconds": s}``;
``.attempts``: a line for each that began; ``.killed``: a line for each kill; ``.events``, where
there is no plan: what the job did (process, second, deed, file).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

LOGS = "results/logs/"
DEEDS = {"open", "os.rename", "os.remove"}


class Job:
    """The job of this process, and of those that it forks."""

    def __init__(self, log: str) -> None:
        name = log.removeprefix(LOGS).removesuffix(".log").replace("/", "+")
        self.base = Path(os.environ["FAULTS_STATE"], name)
        self.process = os.getpid()
        self.start = time.monotonic()
        self.count = 0
        self.plan = None
        if self.file("plan").exists():
            attempts = self.add("attempts", "began")
            plan = json.loads(self.file("plan").read_text())
            self.plan = plan[attempts - 1] if attempts <= len(plan) else {}
            if "seconds" in self.plan:
                self.kill_later(self.plan["seconds"])

    def file(self, kind: str) -> Path:
        """Return a file of the job: not by `with_suffix`, names have dots."""
        return self.base.with_name(f"{self.base.name}.{kind}")

    def add(self, kind: str, line: str) -> int:
        """Add a line to a file of the job and return how many there are."""
        with self.file(kind).open("a+") as file:
            file.write(line + "\n")
            file.seek(0)
            return len(file.readlines())

    def kill(self, when: str) -> None:
        self.add("killed", when)
        os.kill(self.process, signal.SIGKILL)

    def kill_later(self, seconds: float) -> None:
        """Kill from another process, which needs nothing of this one: it may be deep in C."""
        if os.fork():
            return
        time.sleep(seconds)
        if os.getppid() == self.process:
            self.kill(f"{seconds:.3f} s")
        os._exit(0)

    def note(self, deed: str, file: str) -> None:
        if self.plan is None:
            seconds = time.monotonic() - self.start
            self.add("events", f"{os.getpid()}\t{seconds:.3f}\t{deed}\t{file}")
        elif self.plan.get("event") == self.count:
            self.kill(f"{deed} {file}")
        self.count += 1


job: Job | None = None


def watch(deed: str, arguments: tuple) -> None:
    """See what a process does to files."""
    global job
    if deed not in DEEDS:
        return
    file = str(arguments[0])
    if deed == "open" and not writes(*arguments[1:]):
        return
    here = os.path.relpath(file)
    if job is None and deed == "open" and here.startswith(LOGS):
        job = Job(here)
    if job is not None and here.startswith("results/"):
        job.note(deed, here)


def writes(mode: str | None, flags: int) -> bool:
    return bool(set(mode) & set("wax+")) if mode else bool(flags & (os.O_WRONLY | os.O_RDWR))


# Snakemake's own processes touch logs too.
if "FAULTS_STATE" in os.environ and sys.orig_argv[-1].endswith(".py"):
    sys.addaudithook(watch)
