"""What the steps of a slide need, by the number of its tiles: memory and processor time.

Slides of two kinds go through the workflow: pictures of different size (a phantom repeated), for
the steps that read pixels, and finished features of synthetic slides, for those that follow. A line
through what Snakemake's benchmarks say of each step is what `growing` in workflow/rules stands for.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyvips
import yaml

from bench.synthetic_slides import PITCH_PX, make_slide
from helpers import ROOT
from helpers.featurefiles import write_trident

RESULT = ROOT / "results/bench/resources.json"
MPP = 0.25
SHEET = ("slide", "path", "mpp", "features")


def write_features(folder: Path, n_tiles: int) -> str:
    """Write finished features of a synthetic slide; return its row of the sheet."""
    slide = make_slide(n_tiles, n_regions=5, seed=0)
    size = tuple(int(edge) + PITCH_PX for edge in slide.coords.max(axis=0))
    file = folder / f"features_{n_tiles}.h5"
    write_trident(file, slide.features, slide.coords, side_px=PITCH_PX, patch_size=224, size=size)
    return "\t".join((file.stem, "", str(MPP), file.name))


def write_picture(folder: Path, phantom: Path, times: int) -> str:
    """Write a slide that repeats a phantom so many times in either direction; return its row."""
    file = folder / f"picture_{times}.tif"
    picture = pyvips.Image.new_from_file(
        str(phantom), access="sequential" if times == 1 else "random"
    )
    repeated = picture[:3].replicate(times, times)
    repeated.tiffsave(
        str(file),
        tile=True,
        tile_width=256,
        tile_height=256,
        compression="jpeg",
        Q=80,
        pyramid=True,
        bigtiff=True,
        properties=False,
    )
    return "\t".join((file.stem, file.name, str(MPP), ""))


def tiles_of(folder: Path, slide: str) -> int:
    """Number of tiles that a slide has."""
    name = "imported/tiles" if slide.startswith("features") else "tiles"
    with h5py.File(folder / f"results/{name}/{slide}.h5", locking=False) as file:
        return len(file["coords"])


def collect(folder: Path) -> list[dict[str, Any]]:
    """Read what Snakemake's benchmarks say of the steps of slides."""
    rows = []
    for path in sorted((folder / "results/benchmarks").rglob("*_[0-9]*.tsv")):
        with path.open() as file:
            found = next(csv.DictReader(file, delimiter="\t"))
        if found["max_rss"] != "-":
            rows.append(
                {
                    "rule": path.relative_to(folder / "results/benchmarks").parts[0],
                    "slide": path.stem,
                    "tiles": tiles_of(folder, path.stem),
                    "rss_mb": float(found["max_rss"]),
                    "cpu_seconds": float(found["cpu_time"]),
                }
            )
    return rows


def fit(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fit a line per rule through the memory and the processor time over thousands of tiles."""
    fits = []
    for rule in dict.fromkeys(row["rule"] for row in rows):
        own = [row for row in rows if row["rule"] == rule]
        thousands = np.array([row["tiles"] for row in own]) / 1000
        line: dict[str, Any] = {"rule": rule, "slides": len(own)}
        for what in ("rss_mb", "cpu_seconds"):
            slope, base = np.polyfit(thousands, [row[what] for row in own], 1)
            line |= {what: round(base, 1), f"{what}_per_1000_tiles": round(slope, 2)}
        fits.append(line)
    return fits


def main() -> None:
    """Run the workflow on slides of several sizes and write what its steps took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phantom", type=Path, help="a slide to repeat, e.g. of `make demo`")
    parser.add_argument("--tiles", type=int, nargs="+", default=[2000, 20000, 100000])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = [write_picture(folder, arguments.phantom, n) for n in arguments.times]
        features = [write_features(folder, n) for n in arguments.tiles]
        rows: list[dict[str, Any]] = []
        # Features of different encoders cannot be in one cohort.
        for kind, lines in (("pictures", pictures), ("features", features)):
            own = folder / kind
            own.mkdir()
            for line in lines:
                for file in filter(None, line.split("\t")[1::2]):
                    if (folder / file).is_file():
                        (folder / file).rename(own / file)
            (own / "slides.tsv").write_text("\n".join(["\t".join(SHEET), *lines]) + "\n")
            (own / "config.yaml").write_text(yaml.safe_dump({"slides": "slides.tsv"}))
            subprocess.run(
                [
                    *(sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all"),
                    *("--snakefile", str(ROOT / "Snakefile")),
                    *("--directory", str(own), "--replace-workflow-config"),
                    *("--configfile", str(own / "config.yaml")),
                ],
                check=True,
            )
            rows += collect(own)
    result = {"fits": fit(rows), "rows": rows}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write("".join(f"{json.dumps(line)}\n" for line in result["fits"]))


if __name__ == "__main__":
    main()
