"""How long Snakemake takes to plan a cohort, and in how much memory.

Slides are empty files: a dry run opens none. All five variants of the method, so that every slide
has all its jobs; and the first of 20 batches, as docs/cluster.md advises for huge cohorts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from helpers import ROOT
from helpers.cohorts import CONFIG

RESULT = ROOT / "results/bench/scale.json"


def write_cohort(folder: Path, slides: int) -> None:
    """Write sheets and empty slides, with masks and attention, and the configuration."""
    (folder / "slides").mkdir()
    columns = ("path", "mask", "attention")
    rows = ["\t".join(("slide", "patient", *columns))]
    patients = ["patient\tos_months\tos_event\tage"]
    for number in range(slides):
        name = f"slide_{number:05}"
        files = [f"slides/{name}.{suffix}" for suffix in ("svs", "tif", "csv")]
        for file in files:
            (folder / file).touch()
        rows.append("\t".join((name, f"patient_{number:05}", *files)))
        patients.append(f"patient_{number:05}\t{1 + number % 60}\t{number % 2}\t{40 + number % 50}")
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    (folder / "clinical.tsv").write_text("\n".join(patients) + "\n")
    clinical = [CONFIG["clinical"][0] | {"table": "clinical.tsv"}]
    config = CONFIG | {"slides": "slides.tsv", "clinical": clinical}
    del config["phantoms"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def plan(folder: Path, *arguments: str) -> dict[str, Any]:
    """Dry-run the workflow; return the number of jobs, seconds, and peak memory."""
    command = [
        *(sys.executable, "-m", "snakemake", *arguments, "--dry-run", "--quiet", "rules"),
        *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
        *("--replace-workflow-config", "--configfile", str(folder / "config.yaml")),
    ]
    log = folder / "snakemake.log"
    start = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    text = log.read_text()
    found = re.search(r"^total +(\d+)$", text, flags=re.MULTILINE)
    if os.waitstatus_to_exitcode(status) or not found:
        raise SystemExit(text)
    return {
        "jobs": int(found.group(1)),
        "dag_seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


def main() -> None:
    """Plan cohorts of several sizes and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    rows = []
    for slides in arguments.slides:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_cohort(folder, slides)
            batch = plan(folder, "slides", "--batch", "slides=1/20")
            rows.append({"slides": slides, **plan(folder), "one_batch_of_20": batch})
        sys.stdout.write(f"{json.dumps(rows[-1])}\n")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
