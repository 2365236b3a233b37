"""The page of scans: a row per mask, a picture per scan, whatever became of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.scans import ball, prepared, write_scan_files, write_volume
from histohet.common.files import read_json
from histohet.common.html import write_html
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.ct.file import write_record
from histohet.ct.page import scans_to_look_at


def test_every_mask_has_a_row_and_every_scan_a_picture(tmp_path: Path) -> None:
    ct, mask = write_scan_files(tmp_path)
    other = write_volume(tmp_path / "other.nii.gz", ball(10))
    two = prepared(ct, mask, other)
    write_record(tmp_path / "a.json", "a", two, two.outcome, Provenance())
    refused = Outcome(Status.REFUSED, "ct: <4> dimensions")
    write_record(tmp_path / "b.json", "b", None, refused, Provenance())
    records = [read_json(tmp_path / f"{name}.json") for name in "ab"]
    table = scans_to_look_at(records, ["p", "q"], ["a.png", 'b".png'])
    assert table["scan"].tolist() == ["a", "a", "b"]
    assert table["reader"].tolist() == ["r0", "r1", ""]
    assert table["status"].tolist() == ["ok", "ok", "refused"]
    voxels = [int(one.voxels.sum()) for one in two.regions]
    assert table["voxels"].tolist()[:2] == voxels
    assert table["ml"].tolist()[:2] == [round(n * 0.008, 1) for n in voxels]
    # Balls of 14 and 10 mm, as voxels of 1.5 × 1.5 × 3 mm cut them.
    assert table["ml"].tolist()[:2] == pytest.approx([11.49, 4.19], rel=0.06)
    write_html(tmp_path / "scans.html", {"Scans and regions": table}, Provenance())
    page = (tmp_path / "scans.html").read_text()
    assert page.count("<img ") == 2
    assert '<img src="a.png" loading="lazy">' in page
    assert "b&quot;.png" in page
    assert "ct: &lt;4&gt; dimensions" in page
    assert "None" not in page
