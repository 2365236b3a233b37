"""Any bytes in a feature or tiles file: tiles and embeddings, or one message.

libhdf5 is written in C; a damaged file that makes it crash ends the whole run of this test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings

from helpers.featurefiles import (
    stamp_grid,
    write_atlaspatch,
    write_clam,
    write_stamp,
    write_trident,
)
from helpers.mutations import message_of, mutated
from histohet.common.anndata import AnnDataError, read_observations
from histohet.features.imported.layouts import FeatureFileError, read_source, read_tile_positions
from histohet.features.imported.placement import place_tiles
from histohet.features.imported.rows import read_rows

FEATURES = np.arange(36, dtype=np.float32).reshape(9, 4)
COORDS = np.array([[x, y] for y in (0, 512, 1024) for x in (0, 512, 1024)])
TOKENS = (
    *(b"\x00" * 8, b"\xff" * 8, b"\x01", b"\x7f" * 4, b"\xff\xff\xff\x7f", b"\x80", b"\xff"),
    *(b"features", b"coords", b"feats", b"OHDR", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"\x89HDF"),
    *(number.to_bytes(8, "little") for number in (1, 2, 3, 9, 96, 800, 2**31, 2**40, 2**62)),
)


def trident(path: Path) -> None:
    write_trident(path, FEATURES, COORDS)


def clam(path: Path) -> None:
    write_clam(path.parent, path.stem, FEATURES, COORDS)[0].rename(path)


def patches(path: Path) -> None:
    write_clam(path.parent, path.stem, FEATURES, COORDS)[1].rename(path)


def stamp(path: Path) -> None:
    um, _ = stamp_grid((2, 2), 0.25, 128.0)
    write_stamp(path, np.ones((len(um), 4)), um, tile_size_um=128.0)


def atlaspatch(path: Path) -> None:
    write_atlaspatch(path, {"uni_v2": FEATURES}, COORDS)


def read_features(path: Path) -> None:
    source = read_source(path)
    placed = place_tiles(source, 0.25, side_px=512 if source.facts.side_um is None else None)
    blocks = list(read_rows(source, placed.source_row))
    assert sum(len(block) for block in blocks) == len(placed.coords)
    assert all(np.isfinite(block).all() for block in blocks)


def read_patches(path: Path) -> None:
    positions = read_tile_positions(path)
    assert np.isfinite(positions.positions).all()


def anndata(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["obs/barcode"] = np.array([b"a", b"b", b"c"])
        file["obs"].attrs["_index"] = "barcode"
        file["obs/cluster/codes"] = np.array([0, -1, 1], np.int8)
        file["obs/cluster/categories"] = np.array([b"T1", b"T2"])
        file["obsm/spatial"] = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])


def read_anndata(path: Path) -> None:
    names, centres, labels = read_observations(path, "cluster")
    assert len(names) == len(centres) == len(labels)


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (trident, read_features),
        (clam, read_features),
        (stamp, read_features),
        (atlaspatch, read_features),
        (patches, read_patches),
        (anndata, read_anndata),
    ],
)
def test_any_bytes_give_tiles_or_one_message(
    write: Callable[[Path], None], read: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path / "valid.h5")
    valid = (tmp_path / "valid.h5").read_bytes()
    read(tmp_path / "valid.h5")
    path = tmp_path / "fuzz.h5"
    error = AnnDataError if read is read_anndata else FeatureFileError

    @settings(settings.get_profile("fuzz"))
    @given(mutated((valid,), TOKENS))
    def attempt(content: bytes) -> None:
        path.write_bytes(content)
        message = message_of(lambda: read(path), error)
        assert message is None or path.name in message

    attempt()
