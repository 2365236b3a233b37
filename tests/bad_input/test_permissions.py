"""Files that the user may not read. Nothing is closed to root, so root runs this as nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cohorts import REPOSITORY, Cohort
from featurefiles import write_trident
from histohet.formats.tables import read_tsv
from pictures import section
from slidefiles import write_jpeg_tiff, write_plain

DENIED = "cannot be opened: Permission denied"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of nobody's; pytest's own are closed to others."""
    made = Path(tempfile.mkdtemp())
    try:
        yield made
    finally:
        (made / "closed").chmod(0o700)
        shutil.rmtree(made)


def as_nobody(folder: Path) -> dict[str, Any]:
    """Return what makes a process of nobody, who owns the folder then."""
    if os.geteuid() != 0:
        return {}
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, "nobody", "nogroup")
    process = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": folder}
    process["env"] = os.environ | {"HOME": str(folder)}
    script = f"import sys; open({str(REPOSITORY / 'Makefile')!r}).close()"
    if subprocess.run([sys.executable, "-c", script], check=False, **process).returncode:
        pytest.skip("the repository or its environment is closed to nobody")
    return process


def test_a_file_that_may_not_be_read_concerns_its_slide_alone(folder: Path) -> None:
    slide = write_jpeg_tiff(folder / "open.svs", section(900, 100), 256)
    closed_slide = Path(shutil.copy(slide, folder / "closed.svs"))
    mask = write_plain(folder / "mask.tif", np.full((90, 90), 3, np.uint8))
    attention = folder / "attention.csv"
    attention.write_text("x_coord,y_coord,attention_value\n0,0,1\n")
    features = write_trident(folder / "a.h5", np.ones((1, 53), np.float32), [[0, 0]], side_px=224)
    (folder / "closed").mkdir()
    inside = Path(shutil.copy(slide, folder / "closed/inside.svs"))
    for path in (closed_slide, mask, attention, features, inside.parent):
        path.chmod(0)
    rows = [
        ("slide", "path", "mask", "attention", "features", "mpp"),
        ("open", slide, "", "", "", ""),
        ("slide", closed_slide, "", "", "", ""),
        ("mask", slide, mask, "", "", ""),
        ("attention", slide, "", attention, "", ""),
        ("features", "", "", "", features, "0.5"),
        ("inside", inside, "", "", "", ""),
    ]
    (folder / "slides.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
    cohort = Cohort(folder, REPOSITORY / "workflow", {"slides": "slides.tsv"})
    process = as_nobody(folder)
    planned = cohort.snakemake("--dry-run", process=process)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    done = cohort.snakemake("--cores", "2", "preflight", process=process)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    slides = read_tsv(folder / "results/preflight/slides.tsv").set_index("slide")
    reasons = slides["reason"].fillna("").to_dict()
    assert reasons == {
        "open": "",
        "slide": f"path: {closed_slide} {DENIED}",
        "mask": f"mask: {mask} {DENIED}",
        "attention": f"attention: {attention} {DENIED}",
        "features": f"features: {features} {DENIED}",
        "inside": f"path: {inside} {DENIED}",
    }
