"""Planted truth: found by place, and compared with clusters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histohet.agreement.truth import Truth, agree, read_truth, subclone_of_tiles
from histohet.clustering.result import OUTLIER


def test_truth_is_found_by_place(tmp_path: Path) -> None:
    path = tmp_path / "truth.tsv"
    path.write_text(
        "x\ty\tepithelium_fraction\tsubclone\n0\t0\t0.5\t2\n100.0\t0\t0.9\t1.0\n200\t0\t0\t-1\n"
    )
    truth = read_truth(path)
    assert truth.n_subclones == 2
    coords = np.array([[100, 0], [4, 3], [200, 0], [900, 900]])
    assert subclone_of_tiles(truth, coords, 100).tolist() == [1, 2, -1, 0]
    assert subclone_of_tiles(truth, np.empty((0, 2), np.int64), 100).shape == (0,)
    path.write_text("x\ty\n0\t0\n")
    with pytest.raises(ValueError, match="no column 'subclone'"):
        read_truth(path)
    path.write_text("x\ty\tsubclone\n0\t0\t1\n3\t0\tB\n")
    with pytest.raises(ValueError, match="row 3: subclone is 'B'"):
        read_truth(path)
    path.write_text(f"x\ty\tsubclone\n{10**30}\t0\t1\n")
    with pytest.raises(ValueError, match="row 2: x is '1000000"):
        read_truth(path)


def test_agreement_counts_tumour_tiles_only() -> None:
    subclones = np.array([1, 1, 2, 2, 0, -1])
    perfect = np.array([7, 7, 3, 3, 3, 3])
    one = np.zeros(6, int)
    agreement = agree(subclones, 2, one, perfect, perfect)
    assert (agreement.ari_start, agreement.ari_raw, agreement.ari) == (0.0, 1.0, 1.0)
    assert agreement.n_tumour_tiles == 4
    nothing = agree(np.array([0, 0]), 0, one[:2], one[:2], one[:2])
    assert nothing.ari is None
    assert Truth(np.empty((0, 2), np.int64), np.empty(0, np.int64)).n_subclones == 0


def test_a_tile_that_stands_twice_counts_once_and_never_as_two_subclones(tmp_path: Path) -> None:
    path = tmp_path / "truth.tsv"
    path.write_text("x\ty\tsubclone\n8\t0\t2\n0\t0\t1\n8\t0\t2\n")
    found = read_truth(path)
    assert (found.coords.tolist(), found.subclones.tolist()) == ([[8, 0], [0, 0]], [2, 1])
    path.write_text("x\ty\tsubclone\n8\t0\t2\n8\t0\t1\n")
    with pytest.raises(ValueError, match=r"\(8, 0\) stands twice, with different values"):
        read_truth(path)


def test_outliers_are_left_out_of_the_comparison_and_counted() -> None:
    """Two of the three are tumour, and would each be a mistake."""
    subclones = np.array([1, 1, 2, 2, 0, -1])
    perfect = np.array([7, 7, 3, 3, 3, 3])
    odd = np.insert(subclones, [0, 3, 6], [1, 2, 0])
    labels = np.insert(perfect, [0, 3, 6], OUTLIER)
    found = agree(odd, 2, np.where(labels == OUTLIER, OUTLIER, 0), labels, labels)
    alone = agree(subclones, 2, np.zeros(6, int), perfect, perfect)
    assert alone.n_outlier_tumour_tiles == 0
    assert found == replace(alone, n_outlier_tumour_tiles=2)
    nothing = np.full(6, OUTLIER)
    found = agree(subclones, 2, nothing, nothing, nothing)
    assert (found.n_tumour_tiles, found.n_outlier_tumour_tiles, found.ari) == (0, 4, None)
