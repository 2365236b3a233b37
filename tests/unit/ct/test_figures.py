"""The picture of a scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import AxesImage

from helpers.scans import ball, prepared, tissue, write_scan_files, write_volume
from histohet.ct.figures import draw_scan


def test_planes_go_through_the_largest_part_head_up(tmp_path: Path) -> None:
    voxels = tissue()
    voxels[-6:] = -1000
    ct = write_volume(tmp_path / "ct.nii.gz", voxels)
    _, mask = write_scan_files(tmp_path, 8)
    other = write_volume(tmp_path / "other.nii.gz", ball(9))
    ct = write_volume(tmp_path / "ct.nii.gz", voxels)
    figure = draw_scan("s1", prepared(ct, mask, other), (-150, 250))
    axial, coronal, sagittal, histogram = figure.axes
    pictures = [panel.findobj(AxesImage)[0].get_array() for panel in (axial, coronal, sagittal)]
    for picture in pictures[1:]:
        # Air is above the head.
        assert picture[0].mean() < -900
        assert picture[-1].mean() > -600
    assert [text.get_text() for text in axial.get_legend().get_texts()] == ["r0", "r1"]
    assert histogram.get_title(loc="left").endswith("voxels, 100% within the range")
    # The outline of a ball of 8 mm.
    lines = axial.collections[0].get_paths()[0].vertices
    assert np.ptp(lines[:, 0]) == np.clip(np.ptp(lines[:, 0]), 14, 18)
