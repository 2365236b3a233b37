"""What is known of a mask, as the next step reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from histohet.common.outcome import OK, Outcome, SlideLost, Status
from histohet.common.provenance import Provenance
from histohet.segmentation.record import Region, check_found, write_record

MODEL = {"name": "Dataset011_Gastric", "configuration": "3d_fullres"}


def written(path: Path, outcome: Outcome = OK, voxels: int = 8) -> Path:
    regions = {"organ": Region((1,), 100, 0.1, 1), "tumour": Region((2,), voxels, 0.0, 0)}
    write_record(path, "s1", outcome, regions, MODEL, Provenance())
    return path


def test_a_region_that_is_there(tmp_path: Path) -> None:
    check_found(written(tmp_path / "r.json"), "tumour")


def test_nothing_found_names_the_model(tmp_path: Path) -> None:
    path = written(tmp_path / "r.json", voxels=0)
    with pytest.raises(SlideLost) as lost:
        check_found(path, "tumour")
    assert lost.value.outcome == Outcome(
        Status.NO_REGION, "segmentation: Dataset011_Gastric (3d_fullres) found no 'tumour'"
    )
    check_found(path, "organ")


def test_a_scan_that_could_not_be_read_stays_so(tmp_path: Path) -> None:
    outcome = Outcome(Status.UNREADABLE, "ct: cannot be read")
    with pytest.raises(SlideLost) as lost:
        check_found(written(tmp_path / "r.json", outcome), "tumour")
    assert lost.value.outcome == outcome
