"""A folder with a picture per core, listed by the commands of docs/cores.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers import ROOT
from histohet.common.outcome import OK
from histohet.cores.masks import MaskRow, mask_table
from histohet.slides.sheet import read_slide_sheet
from histohet.tissue.settings import TISSUE_PRESETS

PICTURES = ("slide001_core059.jpg", "slide001_core060.jpg", "slide003_core055.jpg")
PATTERN = r"^(slide\d+)_"


def commands() -> str:
    """Return the block of commands."""
    blocks = (ROOT / "docs/cores.md").read_text().split("```")[1::2]
    [block] = [one for one in blocks if "for f in" in one]
    return block


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    for folder in ("cores", "config"):
        (tmp_path / folder).mkdir()
    for name in PICTURES:
        (tmp_path / "cores" / name).touch()
    subprocess.run(["/bin/sh", "-ec", commands()], cwd=tmp_path, check=True)
    return tmp_path / "config/slides.tsv"


def test_every_picture_is_a_core_with_scale_and_diameter(sheet: Path) -> None:
    rows = read_slide_sheet(sheet).slides
    assert [row.path for row in rows.values()] == [f"cores/{name}" for name in PICTURES]
    assert list(rows) == [name.removesuffix(".jpg") for name in PICTURES]
    for row in rows.values():
        assert row.tissue_preset in TISSUE_PRESETS
        assert float(row.mpp or 0) > 0
        assert float(row.core_diameter_um or 0) > 50
        assert row.patient == row.slide


def test_cores_of_an_array_are_a_patient_if_the_pattern_says_so(sheet: Path) -> None:
    assert f"`patient_pattern: {PATTERN}`" in (ROOT / "docs/cores.md").read_text()
    rows = read_slide_sheet(sheet, PATTERN).slides.values()
    assert [row.patient for row in rows] == ["slide001", "slide001", "slide003"]


def test_masks_bear_the_names_of_the_original(sheet: Path) -> None:
    rows = read_slide_sheet(sheet).slides
    table = mask_table(MaskRow(slide, "p", "a", "b", 2.0, 1.0, OK) for slide in rows)
    assert table[["slide", "core"]].agg("_".join, axis=1).tolist() == list(rows)
