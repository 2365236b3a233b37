"""Feature files written as CLAM, TRIDENT, STAMP and AtlasPatch write them.

Names, dtypes, chunks and attributes are those of the tools' own writers: CLAM's
``WholeSlideImage.py`` (463-475) and ``extract_features_fp.py`` (35-46); TRIDENT 0.3.0's ``IO.py``
(460-515, 646-687) and ``WSI.py`` (1024-1035); STAMP 2.5's ``preprocessing/__init__.py`` (342-359)
and ``tiling.py``; AtlasPatch 1.0's ``storage.py``.
"""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Floats, Ints

Array = npt.NDArray[np.generic]


def write_trident(
    path: Path,
    features: Array,
    coords: Array,
    *,
    side_px: float = 512,
    patch_size: int = 256,
    overlap: int = 0,
    magnification: int = 40,
    size: tuple[int, int] = (20000, 20000),
    encoder: str = "uni_v2",
    by_command_line: bool = True,
) -> Path:
    """TRIDENT features; made on the command line, magnifications and side are float64."""
    number = float if by_command_line else int
    attributes = {
        "patch_size": patch_size,
        "patch_size_level0": number(side_px),
        "level0_magnification": magnification,
        "target_magnification": number(magnification * patch_size / side_px),
        "overlap": overlap,
        "name": path.stem,
        "savetodir": "job/20x_256px_0px_overlap",
        "level0_width": size[0],
        "level0_height": size[1],
    }
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "features", data=features, maxshape=(None, *features.shape[1:]), chunks=True
        )
        dataset.attrs.update({"name": path.stem, "savetodir": "job", "encoder": encoder})
        written = file.create_dataset(
            "coords",
            data=np.asarray(coords, np.int64),
            maxshape=(None, *np.shape(coords)[1:]),
            chunks=(1, *np.shape(coords)[1:]) if len(coords) else True,
        )
        written.attrs.update(attributes)
    return path


def write_clam(
    folder: Path,
    name: str,
    features: Array,
    coords: Array,
    *,
    patch_size: int = 512,
    level: int = 0,
    downsample: float = 1.0,
    size: tuple[int, int] = (20000, 20000),
) -> tuple[Path, Path]:
    """CLAM's ``h5_files/<name>.h5`` without any attribute, and its ``patches/<name>.h5``."""
    folders = folder / "h5_files", folder / "patches"
    for one in folders:
        one.mkdir(parents=True, exist_ok=True)
    paths = folders[0] / f"{name}.h5", folders[1] / f"{name}.h5"
    with h5py.File(paths[0], "w") as file:
        width = features.shape[1]
        file.create_dataset(
            "features", data=features, maxshape=(None, width), chunks=(32, width), dtype=np.float32
        )
        file.create_dataset(
            "coords", data=np.asarray(coords, np.int32), maxshape=(None, 2), chunks=(32, 2)
        )
    with h5py.File(paths[1], "w") as file:
        dataset = file.create_dataset(
            "coords", data=np.asarray(coords, np.int64), maxshape=(None, 2), chunks=(32, 2)
        )
        shrunk = np.array([int(length / downsample) for length in size])
        dataset.attrs.update(
            {
                "patch_size": patch_size,
                "patch_level": level,
                "downsample": np.array([downsample, downsample]),
                "downsampled_level_dim": shrunk,
                "level_dim": shrunk,
                "name": name,
                "save_path": "patches",
            }
        )
    return paths


def write_stamp(
    path: Path,
    features: Array,
    coords_um: Array,
    *,
    tile_size_um: float = 256.0,
    tile_size_px: int = 224,
    extractor: str = "mahmood-uni2",
) -> Path:
    """STAMP features: half precision, float32 positions in µm, contiguous, all said by the file."""
    with h5py.File(path, "w") as file:
        file["coords"] = np.asarray(coords_um, np.float32)
        file["feats"] = np.asarray(features, np.float16)
        file.attrs["stamp_version"] = "2.5.0"
        file.attrs["extractor"] = extractor
        file.attrs["unit"] = "um"
        file.attrs["tile_size_um"] = tile_size_um
        file.attrs["tile_size_px"] = tile_size_px
        file.attrs["code_hash"] = "0123abcd"
        file.attrs["feat_type"] = "tile"
    return path


def stamp_grid(n_squares: tuple[int, int], mpp: float, tile_size_um: float) -> tuple[Floats, Ints]:
    """Positions in µm as STAMP computes them, and the level-0 pixels that it really reads."""
    per_square = max(int(1024 * mpp // tile_size_um), 1)
    side = math.ceil(tile_size_um / mpp)
    um, px = [], []
    for row in range(n_squares[1]):
        for column in range(n_squares[0]):
            corner = column * per_square * side, row * per_square * side
            for y in range(per_square):
                for x in range(per_square):
                    um.append(
                        (corner[0] * mpp + x * tile_size_um, corner[1] * mpp + y * tile_size_um)
                    )
                    px.append((corner[0] + x * side, corner[1] + y * side))
    return np.array(um), np.array(px)


def write_atlaspatch(
    path: Path, features: dict[str, Array], coords: Array, *, side_px: int = 512
) -> Path:
    """AtlasPatch: five columns of coordinates, several encoders, attributes on the file."""
    n = len(coords)
    with h5py.File(path, "w") as file:
        five = np.column_stack([coords, np.full((n, 2), side_px), np.zeros(n)])
        file.create_dataset("coords", data=five.astype(np.int32))
        file.create_dataset("passports", data=np.full(n, b"x", "S160"))
        for name, values in features.items():
            file.create_dataset(f"features/{name}", data=np.asarray(values, np.float32))
        file.attrs.update(
            {
                "patch_size": 256,
                "patch_size_level0": side_px,
                "level0_magnification": 40,
                "target_magnification": 20,
                "overlap": 0,
                "level0_width": 20000,
                "level0_height": 20000,
                "wsi_path": "a.svs",
            }
        )
    return path


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all datasets of a file."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, one: h5py.HLObject) -> None:
        if isinstance(one, h5py.Dataset):
            found[name] = one[:]

    with h5py.File(path) as file:
        file.visititems(keep)
    return found
