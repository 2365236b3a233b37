"""Finished features that are damaged, make no sense or are of another slide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bad_input.cases import Case, first_half, later, refused, written
from helpers.featurefiles import write_trident
from histohet.encoders.stain_texture.descriptor import FEATURES

GRID = np.array([[x * 224, y * 224] for y in range(7) for x in range(7)])


def bad_features(folder: Path) -> dict[str, Case]:
    """Return feature files, all but the one that is sound with something wrong."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(GRID), len(FEATURES))).astype(np.float32)
    holed = vectors.copy()
    holed[7, 3] = np.nan

    def trident(name: str, features: Any = vectors, coords: Any = GRID, **more: Any) -> Path:
        shape = {"side_px": 224, "patch_size": 224, "magnification": 20, "size": (1700, 1700)}
        return write_trident(
            folder / f"{name}.h5", features, coords, encoder="stain_texture", **(shape | more)
        )

    def given(path: Path) -> dict[str, object]:
        return {"features": path, "mpp": 0.5}

    sound, lost = trident("sound"), trident("lost_coords")
    with h5py.File(lost, "a") as file:
        coords, attributes = file["coords"][:].astype(np.float64), dict(file["coords"].attrs)
        coords[3] = np.nan
        del file["coords"]
        file["coords"] = coords
        file["coords"].attrs.update(attributes)
    twice = {
        "features": np.concatenate([vectors, vectors[:2]]),
        "coords": np.concatenate([GRID, GRID[:2]]),
    }
    unlike = {**twice, "features": np.concatenate([vectors, vectors[2:4]])}
    return {
        "sound_features": Case(given(sound)),
        "features_nan": later(
            "refused", "of 1 tiles are not finite", **given(trident("nan", holed))
        ),
        "features_of_no_width": refused(
            "has tiles of no numbers", **given(trident("width", vectors[:, :0]))
        ),
        "features_flat": refused(
            "not numbers (tiles, features)", **given(trident("flat", vectors[:, 0]))
        ),
        "features_of_integers": refused(
            "not numbers (tiles, features)", **given(trident("integers", vectors.astype(np.int32)))
        ),
        "features_too_many": refused(
            "the file is incomplete", **given(trident("many", coords=GRID[:40]))
        ),
        "coords_twice": Case(given(trident("twice", **twice)), message="2 of 51 tiles stand twice"),
        "coords_twice_with_other_features": refused(
            "have the same position and different features", **given(trident("unlike", **unlike))
        ),
        "coords_nan": refused("values that are no positions on a slide", **given(lost)),
        "coords_of_other_slide": refused(
            "lie outside the slide", **given(trident("other", coords=GRID + 5000))
        ),
        "tiles_of_other_size": refused(
            "which contradicts 0.5 µm per pixel",
            **given(trident("size", side_px=448, magnification=40)),
        ),
        "features_truncated": refused(
            "cannot be read as an HDF5", **given(first_half(sound, "half.h5"))
        ),
        "features_of_no_bytes": refused(
            "cannot be read as an HDF5", **given(written(folder / "0.h5", ""))
        ),
        "features_pickled": refused("is not unpickled", **given(written(folder / "a.pt", b"PK"))),
        "features_folder": refused("is not a file", **given(folder)),
    }
