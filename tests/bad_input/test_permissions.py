"""Files that the user may not read. Nothing is closed to root, who gives up that right here."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.featurefiles import write_trident
from helpers.pictures import section
from helpers.slidefiles import write_jpeg_tiff, write_plain
from histohet.common.tables import read_tsv

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
DENIED = "cannot be opened: Permission denied"


def give_up_privileges() -> None:
    """Let root, from its next program on, read only what its permissions say."""
    prctl = ctypes.CDLL(None).prctl
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_a_file_that_may_not_be_read_concerns_its_slide_alone(tmp_path: Path) -> None:
    slide = write_jpeg_tiff(tmp_path / "open.svs", section(900, 100), 256)
    closed_slide = Path(shutil.copy(slide, tmp_path / "closed.svs"))
    mask = write_plain(tmp_path / "mask.tif", np.full((90, 90), 3, np.uint8))
    attention = tmp_path / "attention.csv"
    attention.write_text("x_coord,y_coord,attention_value\n0,0,1\n")
    features = write_trident(tmp_path / "a.h5", np.ones((1, 53), np.float32), [[0, 0]], side_px=224)
    (tmp_path / "closed").mkdir()
    inside = Path(shutil.copy(slide, tmp_path / "closed/inside.svs"))
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
    (tmp_path / "slides.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
    small = {"tissue": {"preset": "bwh_biopsy"}, "clustering": {"min_tiles": 10}}
    cohort = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", **small})
    process = {"preexec_fn": give_up_privileges} if os.geteuid() == 0 else {}
    if subprocess.run(["cat", mask], check=False, capture_output=True, **process).returncode == 0:
        pytest.skip("root cannot give up its right to read everything here")
    planned = cohort.snakemake("--dry-run", process=process)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    done = cohort.snakemake("--cores", "2", "preflight", process=process)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    inside.parent.chmod(0o700)
    slides = read_tsv(tmp_path / "results/preflight/slides.tsv").set_index("slide")
    reasons = slides["reason"].fillna("").to_dict()
    assert reasons == {
        "open": "",
        "slide": f"path: {closed_slide} {DENIED}",
        "mask": f"mask: {mask} {DENIED}",
        "attention": f"attention: {attention} {DENIED}",
        "features": f"features: {features} {DENIED}",
        "inside": f"path: {inside} {DENIED}",
    }
