"""How long Snakemake takes to plan a cohort, and in how much memory.

Slides are empty files: a dry run opens none. All five variants of the method, so that every slide
has all its jobs; and the first of 20 batches, as docs/cluster.md advises for huge cohorts. Then
cores of tissue microarrays, regions of a few files: apart and pooled, and their masks alone.
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

CORES = 200
"""Of an array."""


def write_cohort(folder: Path, slides: int) -> None:
    """Write sheets and empty slides, with masks and attention, and the configuration."""
    (folder / "slides").mkdir()
    columns = ("path", "mask", "attention")
    rows = ["\t".join(("slide", "patient", *columns))]
    for number in range(slides):
        name = f"slide_{number:05}"
        files = [f"slides/{name}.{suffix}" for suffix in ("svs", "tif", "csv")]
        for file in files:
            (folder / file).touch()
        rows.append("\t".join((name, f"patient_{number:05}", *files)))
    write_sheets(folder, rows, patients=slides)


def write_arrays(folder: Path, arrays: int) -> None:
    """Write sheets and empty arrays of `CORES` cores, three of them of each patient."""
    (folder / "slides").mkdir()
    rows = ["slide\tpatient\tpath\tregion\tcore_diameter_um"]
    for array in range(arrays):
        file = f"slides/array_{array:02}.svs"
        (folder / file).touch()
        for core in range(CORES):
            name, patient = f"array_{array:02}_{core:03}", (array * CORES + core) // 3
            place = f"{core % 20 * 3000},{core // 20 * 3000},2688,2688"
            rows.append(f"{name}\tpatient_{patient:05}\t{file}\t{place}\t600")
    pooled = ["full", {"name": "together", "pooled": True}]
    write_sheets(folder, rows, patients=arrays * CORES // 3 + 1, variants=pooled)


def write_sheets(folder: Path, rows: list[str], patients: int, **changes: Any) -> None:
    """Write the slide sheet, the clinical table of so many patients, and the configuration."""
    table = ["patient\tos_months\tos_event\tage"]
    table += [
        f"patient_{number:05}\t{1 + number % 60}\t{number % 2}\t{40 + number % 50}"
        for number in range(patients)
    ]
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    (folder / "clinical.tsv").write_text("\n".join(table) + "\n")
    clinical = [CONFIG["clinical"][0] | {"table": "clinical.tsv"}]
    config = CONFIG | {"slides": "slides.tsv", "clinical": clinical} | changes
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
    parser.add_argument("--slides", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--arrays", type=int, nargs="*", default=[10])
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
    for arrays in arguments.arrays:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_arrays(folder, arrays)
            masks = plan(folder, "core_masks")
            rows.append({"arrays": arrays, "cores": CORES, **plan(folder), "masks_alone": masks})
        sys.stdout.write(f"{json.dumps(rows[-1])}\n")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
