"""What jobs ask for: by all files of a slide, the distance of its tiles, its mask."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import Cohort

FIVE = ["full", "no_mask", "no_potts", "no_tumor_filter", "paper"]


def sparse(path: Path, megabytes: float = 100) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(int(megabytes * 1e6))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Slides of 100 MB, that is of 5,000 tiles, in formats of one and of several files."""
    (tmp_path / "tiny.safetensors").write_bytes(b"read when the job runs")
    for name in ("plain.svs", "mirax/Data0.dat", "index(1,0).jpg", "series/2.dcm", "p.geojson"):
        sparse(tmp_path / name)
    for name in ("mirax.mrxs", "index.vms", "series/1.dcm"):
        (tmp_path / name).touch()
    for name in ("two/a.dcm", "two/b.dcm"):
        sparse(tmp_path / name, 40)
    rows = (
        *("plain\tplain.svs\tp.geojson", "mirax\tmirax.mrxs\t", "index\tindex.vms\t"),
        *("series\tseries/1.dcm\t", "a\ttwo/a.dcm\t", "b\ttwo/b.dcm\t", "absent\tx/absent.dcm\t"),
    )
    (tmp_path / "slides.tsv").write_text("\n".join(["slide\tpath\tmask", *rows]) + "\n")
    encoder = {"name": "lunit_dino_16", "checkpoint": "tiny.safetensors"}
    return Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", "encoder": encoder})


def asked(cohort: Cohort, **changes: Any) -> list[tuple[str, str, int, int]]:
    """Rule, wildcards, memory and minutes of every job."""
    done = cohort.snakemake("--dry-run", "--cores", "64", **changes)
    assert done.returncode == 0, done.stdout + done.stderr
    blocks = re.split(r"^rule ", done.stdout + done.stderr, flags=re.MULTILINE)[1:]
    return [
        (
            block.split(":")[0],
            "".join(re.findall(r"wildcards: (.*)", block)),
            *(int(re.findall(rf"{what}=(\d+)", block)[0]) for what in ("mem_mb", "runtime")),
        )
        for block in blocks
        if "mem_mb=" in block
    ]


def test_all_files_of_a_slide_count(cohort: Cohort) -> None:
    jobs = asked(cohort, epithelium={"without_mask": "stain"})
    found = {wildcards: mb for rule, wildcards, mb, _ in jobs if rule == "segment_epithelium"}
    sizes = {"absent": 0, "a": 60, "b": 60} | dict.fromkeys(("mirax", "index", "series"), 100)
    assert found == {f"slide={slide}": 2000 + 70 * mb // 20 for slide, mb in sizes.items()}


def test_tiles_that_lie_closer_are_more(cohort: Cohort) -> None:
    found = {
        wildcards: mb
        for rule, wildcards, mb, _ in asked(cohort, tiles={"overlap_um": 56})
        if rule == "cluster_tiles"
    }
    assert {mb for wildcards, mb in found.items() if wildcards.endswith("mirax")} == {1000 + 8 * 20}


def test_every_process_that_reads_polygons_holds_them(cohort: Cohort) -> None:
    jobs = asked(cohort, variants=["full", "no_mask"])
    coverage = {of: mb for rule, of, mb, _ in jobs if rule == "measure_coverage"}
    assert coverage["slide=plain"] == 1500 + 10 + 12 * 100
    assert coverage["slide=mirax"] == 1500 + 10
    encoding = [mb for rule, of, mb, _ in jobs if rule == "encode_tiles" and "plain" in of]
    assert sorted(encoding) == [12000 + 10, 12000 + 10 + 16 * 12 * 100]


def test_a_group_of_large_slides_fits_a_day(cohort: Cohort) -> None:
    sparse(cohort.folder / "large.svs", 1000)
    (cohort.folder / "slides.tsv").write_text("slide\tpath\nlarge\tlarge.svs\n")
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())
    groups = dict(pair.split("=") for pair in profile["groups"])
    slides = dict(pair.split("=") for pair in profile["group-components"])
    jobs = asked(cohort, variants=FIVE)
    for group, number in slides.items():
        minutes = sum(of_job for rule, _, _, of_job in jobs if groups.get(rule) == group)
        if group == "maps":
            # Jobs that share nothing: what is counted in a submission is each of them.
            minutes //= len(FIVE)
        # Four times as much at the third attempt.
        assert 0 < minutes * int(number) < 12 * 60
