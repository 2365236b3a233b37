from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers.tiletables import three_tiles
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.tiles.file import (
    TISSUE_SHARE,
    TileTable,
    nominal_magnification,
    read_column,
    read_glass,
    read_tiles,
    write_column,
    write_tiles,
)
from histohet.tiles.settings import TileSpec

PROVENANCE = Provenance({"k": 8}, {"slide": "a.svs"})


@pytest.fixture
def tiles() -> TileTable:
    return three_tiles()


def test_tile_file_is_tridents(tmp_path: Path, tiles: TileTable) -> None:
    """FORMATS §2: names, dtypes and attributes of TRIDENT 0.3's patches file."""
    write_tiles(tmp_path / "a.h5", tiles, PROVENANCE)
    with h5py.File(tmp_path / "a.h5") as file:
        coords = file["coords"]
        assert coords.dtype == np.int64
        assert coords.shape == (3, 2)
        assert coords.maxshape == (None, 2)
        attributes = dict(coords.attrs)
    integers = {
        "patch_size": 224,
        "patch_size_level0": 443,
        "level0_magnification": 40,
        "target_magnification": 20,
        "overlap": 0,
        "level0_width": 1000,
        "level0_height": 900,
    }
    for name, value in integers.items():
        assert attributes[name] == value
        assert np.issubdtype(type(attributes[name]), np.integer)
    assert attributes["name"] == "a"
    assert attributes["savetodir"] == "tiles"
    assert attributes["mpp"] == 0.2527
    assert attributes["tile_um"] == 112
    assert attributes["side_level0_px"] == pytest.approx(112 / 0.2527)


def test_magnification_buckets() -> None:
    """FORMATS §2: mpp < 0.16 is 80x, < 0.2 60x, < 0.3 40x, < 0.6 20x, < 1.2 10x, < 2.4 5x."""
    scales = [0.15, 0.16, 0.2, 0.25, 0.3, 0.499, 0.6, 1.2, 2.4]
    assert [nominal_magnification(s) for s in scales] == [80, 60, 40, 40, 20, 20, 10, 5, 0]


def test_round_trip_of_tiles(tmp_path: Path, tiles: TileTable) -> None:
    write_tiles(tmp_path / "a.h5", tiles, PROVENANCE)
    found = read_tiles(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.coords, tiles.coords)
    assert (found.mpp, found.spec, found.outcome) == (0.2527, TileSpec(), OK)
    assert found.side_px == tiles.side_px


def test_shares_of_tissue_and_tiles_of_glass_stand_beside_the_tiles(
    tmp_path: Path, tiles: TileTable
) -> None:
    shares, glass = np.float32([0.5, np.nan, 1]), np.array([[443, 443], [0, 886]])
    write_tiles(tmp_path / "a.h5", tiles, PROVENANCE, shares, glass)
    np.testing.assert_array_equal(read_column(tmp_path / "a.h5", TISSUE_SHARE)[0], shares)
    np.testing.assert_array_equal(read_glass(tmp_path / "a.h5"), glass)
    np.testing.assert_array_equal(read_tiles(tmp_path / "a.h5").coords, tiles.coords)
    write_tiles(tmp_path / "b.h5", tiles, PROVENANCE)
    assert read_glass(tmp_path / "b.h5").shape == (0, 2)
    assert read_tiles(tmp_path / "b.h5").n_glass is None


def test_every_file_tells_outcome_and_provenance(tmp_path: Path) -> None:
    lost = Outcome(Status.NO_TISSUE, "nothing pink")
    write_tiles(
        tmp_path / "a.h5", TileTable(np.empty((0, 2), np.int64), {"name": "a"}, lost), PROVENANCE
    )
    assert read_tiles(tmp_path / "a.h5").outcome == lost
    assert read_tiles(tmp_path / "a.h5").coords.shape == (0, 2)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["provenance"] == PROVENANCE.as_json()


def test_column(tmp_path: Path) -> None:
    write_column(tmp_path / "a.h5", "coverage", np.array([0.1, np.nan]), OK, PROVENANCE)
    values, outcome = read_column(tmp_path / "a.h5", "coverage")
    np.testing.assert_array_equal(values, np.float32([0.1, np.nan]))
    assert outcome == OK


def test_same_content_gives_the_same_bytes(tmp_path: Path, tiles: TileTable) -> None:
    for name in ("1.h5", "2.h5"):
        write_tiles(tmp_path / name, tiles, PROVENANCE)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


@pytest.mark.real
def test_clams_published_coordinates_have_the_stated_layout(real_data: Path) -> None:
    with h5py.File(real_data / "interop" / "clam_coords_TCGA-2V-A95S.h5") as file:
        coords = file["coords"][:]
    assert coords.ndim == 2
    assert coords.shape[1] == 2
    assert (coords >= 0).all()
