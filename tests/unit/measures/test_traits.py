"""Trait maps: what is read and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histohet.measures.traits import read_traits


def test_trait_maps(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\tMKI67\tmiR-17\n0\t0\t1\t0.0\n512\t0\t1\t1.0\n1024\t0\t0\t0.\n")
    names, traits = read_traits(path)
    assert names == ["MKI67", "miR-17"]
    np.testing.assert_array_equal(traits, [[True, False], [True, True], [False, False]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\ty\n0\t0\n", "at least one trait"),
        ("x\tA\n0\t1\n", "columns x, y"),
        ("x\ty\tA\n", "has no rows"),
        ("x\ty\tA\n0\t0\t1\n5\t0\t0.4\n", r"row 3: A is '0\.4', it must be 0 or 1"),
        ("x\ty\tA\n0\t0\t\n", "row 2: A is ''"),
        ("x\ty\tA\n0\t0\t1\n0\twest\t1\n", "row 3: y is 'west', not a position"),
        ("x\ty\tA\n0\t0\t1\nnan\t0\t1\n", "row 3: x is 'nan', not a position"),
        ("x\ty\tA\tB\n0\t0\t1\t0\n0.0\t0\t1\t1\n", r"\(0, 0\) stands twice, with diff"),
    ],
)
def test_unusable_trait_maps(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_traits(tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="does not exist"):
        read_traits(tmp_path / "b.tsv")


def test_a_tile_that_stands_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\tA\n512\t0\t1\n0\t0\t0\n512.0\t0\t1\n")
    np.testing.assert_array_equal(read_traits(path)[1], [[True], [False]])
