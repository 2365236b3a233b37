"""What all benchmarks share: tasks in processes of their own, and how figures came about."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PROGRESS_S = 10

Json = dict[str, Any]


def run_all(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    weights: Sequence[float],
    jobs: int,
    keep: Callable[[Any], None] = lambda result: None,
    warm_up: Callable[[], None] | None = None,
) -> list[Any]:
    """Run `function` on every task in processes of one thread each; results in order of the tasks.

    Heavy tasks go first. `keep` sees every result as soon as it is there; `warm_up` runs first in
    every process. Progress goes to the
    terminal; the time left assumes that tasks take time as their weights say.
    """
    results: list[Any] = [None] * len(tasks)
    start, finished, last_line = time.monotonic(), 0.0, 0.0
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=warm_up)
    try:
        order = sorted(range(len(tasks)), key=lambda i: -weights[i])
        futures = {pool.submit(function, tasks[i]): i for i in order}
        for n, future in enumerate(as_completed(futures), 1):
            i = futures[future]
            results[i] = future.result()
            keep(results[i])
            finished += weights[i]
            elapsed = time.monotonic() - start
            if n == len(tasks) or elapsed - last_line >= PROGRESS_S:
                last_line = elapsed
                left = elapsed * (sum(weights) - finished) / finished
                sys.stderr.write(
                    f"{function.__name__} {n}/{len(tasks)}, {elapsed:.0f} s, {left:.0f} s left\n"
                )
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def circumstances(args: argparse.Namespace, **more: Any) -> Json:
    """Where, with what and how figures came about."""
    packages = ("numpy", "scipy", "scikit-learn", "numba")
    given = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    given = {k: v for k, v in given.items() if k not in ("out", "data", "cache")}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": given,
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "workflow", "tests/bench")),
        **more,
    }


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_rss_gb() -> float:
    """Peak resident memory of this process, in 10^9 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike ru_maxrss, this forgets the process from which this one was forked.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def git(*command: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    found = subprocess.run(
        [program, "-C", str(ROOT), *command], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() if found.returncode == 0 else None


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def one_thread() -> None:
    """Let numerical libraries of this process and those it starts use one thread each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
