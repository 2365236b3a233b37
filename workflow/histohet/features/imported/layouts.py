"""Finished features of other tools: files of CLAM, TRIDENT, STAMP and AtlasPatch.

A file is read in three steps, each of which refuses what it cannot vouch for:

1. `read_source` recognises the layout and reads what the file says of itself, and all positions;
2. `placement.place_tiles` turns positions into level-0 pixels, once the scale of the
   slide is known, and checks them against the tile size, the slide and each other;
3. `imported_rows.read_rows` streams the embeddings in the order of the placed tiles.

Nothing is unpickled: PyTorch's ``.pt`` files are refused, the tools write HDF5 beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from histohet.common.arrays import Floats
from histohet.common.hdf5 import MOST_ROWS, UNREADABLE, open_file
from histohet.common.outcome import SlideLost
from histohet.tiles.lattice import LARGEST_PX

Layout = Literal["CLAM", "TRIDENT", "STAMP", "AtlasPatch"]

PICKLES = {".pt", ".pth", ".pkl", ".bin"}
STAMP_DATASETS = ("feats", "patch_embeddings")

WIDEST = 10**5
LARGEST_CHUNK = 2**30
"""Numbers per tile, and bytes of a chunk, that no feature file exceeds; see also `MOST_ROWS`."""

SAME_ENCODER = {
    "univ1": "uni",
    "univ2": "uni2h",
    "uni2": "uni2h",
    "conchv1": "conch",
    "conch15": "conchv15",
    "provgigapath": "gigapath",
    "lunitvits8": "lunitdino8",
}
"""What the tools call one and the same encoder, without prefix, capitals and punctuation."""


class FeatureFileError(SlideLost):
    """Features cannot be used; the message names the file, says why and what to give instead."""


@dataclass(frozen=True)
class TileFacts:
    """What a file says about its tiles; None where it says nothing.

    Attributes
    ----------
    side_px, side_um
        Side of a tile in level-0 px (CLAM, TRIDENT) or µm (STAMP).
    tile_px
        Side as the encoder saw it.
    overlap
        Overlap of neighbours as a share of the side.
    mpp, magnification
        Scale of level 0.
    size
        (width, height) of level 0.
    """

    side_px: float | None = None
    side_um: float | None = None
    tile_px: int | None = None
    overlap: float | None = None
    mpp: float | None = None
    magnification: float | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class FeatureSource:
    """A feature file: what it holds and says, everything but the embeddings themselves.

    Attributes
    ----------
    dataset
        Path of the embeddings in the file.
    width
        Numbers per tile; 0 for a slide without tiles.
    encoder
        As the tool calls it; None if the file does not say.
    positions
        float64 (N, 2) top-left corners (x, y) as written: µm for STAMP, else level-0 px.
    """

    path: str
    layout: Layout
    dataset: str
    width: int
    encoder: str | None
    positions: Floats
    facts: TileFacts


@dataclass(frozen=True)
class TilePositions:
    """A file with tile positions and no features: what feature files of CLAM have lost."""

    path: str
    positions: Floats
    facts: TileFacts


def canonical_encoder(name: str) -> str:
    """Return one name for one encoder, however a tool spells it: ``uni_v2`` is ``uni2h``."""
    plain = "".join(c for c in name.lower().removeprefix("mahmood-") if c.isalnum())
    return SAME_ENCODER.get(plain, plain)


def read_source(path: str | Path) -> FeatureSource:
    """Recognise a feature file and read everything but the embeddings.

    Raises
    ------
    FeatureFileError
        If the file is no HDF5, has an unknown layout, or its datasets and attributes do not make
        sense.
    """
    with open_foreign(path) as file:
        stamp = next((name for name in STAMP_DATASETS if _dataset(file, name) is not None), None)
        if stamp is not None:
            return _stamp_source(path, file, stamp)
        features = file.get("features")
        if isinstance(features, h5py.Group):
            return _atlaspatch_source(path, file, features)
        coords = _dataset(file, "coords")
        if isinstance(features, h5py.Dataset) and coords is not None:
            return _clam_or_trident_source(path, file, features, coords)
        if isinstance(features, h5py.Dataset):
            raise FeatureFileError(
                f"{path} has features without coords: nothing says where its tiles lie"
            )
        if coords is not None and (others := _like_features(file, coords)):
            raise FeatureFileError(
                f"{path} has coords and {', '.join(others)}, but no dataset 'features': call that "
                "so which holds the features"
            )
        if coords is not None:
            raise FeatureFileError(
                f"{path} has coords without features: it belongs into the column `tiles`"
            )
        held = ", ".join(sorted(file)[:10]) or "nothing"
        raise FeatureFileError(
            f"{path} has no dataset 'features' (CLAM, TRIDENT) or 'feats' (STAMP); it holds {held}"
        )


def read_tile_positions(path: str | Path) -> TilePositions:
    """Read the tiles of a ``patches`` file of CLAM or TRIDENT.

    Raises
    ------
    FeatureFileError
        If it is no such file, or does not say how large its tiles are.
    """
    with open_foreign(path) as file:
        coords = _dataset(file, "coords")
        if coords is None:
            raise FeatureFileError(
                f"{path} has no dataset 'coords': the tiles file of CLAM is patches/<slide>.h5"
            )
        facts = read_facts(path, coords.attrs)
        if facts.side_px is None:
            raise FeatureFileError(
                f"{path}: coords has neither patch_size_level0 (TRIDENT) nor patch_size and "
                "downsample (CLAM), so nothing says how large the tiles are"
            )
        return TilePositions(str(path), _positions(path, coords), facts)


def _stamp_source(path: str | Path, file: h5py.File, name: str) -> FeatureSource:
    """STAMP 2: positions in µm, everything else an attribute of the file (FORMATS of STAMP 2.5)."""
    kind = text_attribute(file.attrs, "feat_type")
    if kind not in (None, "tile"):
        raise FeatureFileError(f"{path} holds features of a whole {kind}, not of tiles")
    coords = _dataset(file, "coords")
    if coords is None:
        raise FeatureFileError(f"{path} has no dataset 'coords'")
    side_um = positive_attribute(path, file.attrs, "tile_size_um")
    if side_um is None and text_attribute(file.attrs, "unit") == "um":
        side_um = positive_attribute(path, file.attrs, "tile_size")  # STAMP 2.0
    if side_um is None:
        raise FeatureFileError(
            f"{path} does not say how large its tiles are (attribute tile_size_um): files of STAMP "
            "before 2.0 cannot be used, extract the features again"
        )
    tile_px = positive_attribute(path, file.attrs, "tile_size_px")
    facts = TileFacts(side_um=side_um, tile_px=None if tile_px is None else round(tile_px))
    encoder = text_attribute(file.attrs, "extractor")
    return _source(path, "STAMP", file[name], encoder, _positions(path, coords), facts)


def _atlaspatch_source(path: str | Path, file: h5py.File, group: h5py.Group) -> FeatureSource:
    """AtlasPatch 1.0: positions are the first two of five columns, encoders a group."""
    names = sorted(name for name in group if _dataset(group, name) is not None)
    coords = _dataset(file, "coords")
    if len(names) != 1 or coords is None:
        raise FeatureFileError(
            f"{path}: the group 'features' must hold the features of one encoder, beside a dataset "
            f"'coords'; it holds {', '.join(names[:10]) or 'none'}"
        )
    facts = read_facts(path, file.attrs)
    positions = _positions(path, coords, columns=5)
    return _source(path, "AtlasPatch", group[names[0]], names[0], positions, facts)


def _clam_or_trident_source(
    path: str | Path, file: h5py.File, features: h5py.Dataset, coords: h5py.Dataset
) -> FeatureSource:
    """TRIDENT writes the size of tiles with the coordinates, CLAM writes no attribute at all."""
    layout: Layout = "TRIDENT" if "patch_size_level0" in coords.attrs else "CLAM"
    encoder = text_attribute(features.attrs, "encoder")
    facts = read_facts(path, coords.attrs)
    return _source(path, layout, features, encoder, _positions(path, coords), facts)


def _source(
    path: str | Path,
    layout: Layout,
    features: h5py.Dataset,
    encoder: str | None,
    positions: Floats,
    facts: TileFacts,
) -> FeatureSource:
    shape = features.shape
    if not len(positions) and shape is not None and 0 in shape:
        shape = (0, 0)
    elif shape is None or len(_matrix(shape)) != 2 or features.dtype.kind != "f":
        raise FeatureFileError(
            f"{path}: {features.name} is {features.dtype} {shape}, not numbers (tiles, features)"
        )
    n_tiles, width = _matrix(shape)
    _check_size(path, features, (n_tiles, width))
    if n_tiles != len(positions):
        raise FeatureFileError(
            f"{path} has features of {n_tiles} tiles and coords of {len(positions)}: "
            "the file is incomplete, extract the features again"
        )
    if n_tiles and not width:
        raise FeatureFileError(f"{path}: {features.name} has tiles of no numbers")
    return FeatureSource(str(path), layout, features.name, width, encoder, positions, facts)


def _matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape without the batch axis that some scripts leave: (1, N, D) is (N, D)."""
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


@contextmanager
def open_foreign(path: str | Path) -> Iterator[h5py.File]:
    """Open a file of unknown origin; whatever HDF5 stumbles over becomes one message."""
    suffix = Path(path).suffix.lower()
    if suffix in PICKLES:
        raise FeatureFileError(
            f"{path} is a PyTorch file without positions, and is not unpickled: give the HDF5 file "
            "that the tool wrote beside it (CLAM: h5_files/<slide>.h5)"
        )
    try:
        with open_file(path) as file:
            yield file
    except FeatureFileError:
        raise
    except UNREADABLE as error:
        text = " ".join(str(error).split())
        raise FeatureFileError(f"{path} cannot be read as an HDF5 feature file: {text}") from error


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset | None:
    found = group.get(name)
    return found if isinstance(found, h5py.Dataset) else None


def _like_features(file: h5py.File, coords: h5py.Dataset) -> list[str]:
    """Name the datasets that hold several real numbers per tile, whatever they are called."""
    sets = {name: one for name in file if (one := _dataset(file, name)) is not None}
    return [
        name
        for name, one in sets.items()
        if one.dtype.kind == "f"
        and one.shape
        and len(_matrix(one.shape)) == 2
        and _matrix(one.shape)[0] == coords.shape[0]
        and name != "coords"
    ]


def _check_size(path: str | Path, dataset: h5py.Dataset, shape: tuple[int, int]) -> None:
    """Check what a dataset (tiles, numbers) says of itself before memory is taken for it."""
    if dataset.external or dataset.is_virtual or dataset.file.filename != str(path):
        raise FeatureFileError(f"{path}: {dataset.name} is kept in another file: give the whole")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if shape[0] > MOST_ROWS or shape[1] > WIDEST or chunk > LARGEST_CHUNK:
        raise FeatureFileError(
            f"{path}: {dataset.name} claims {shape[0]} tiles of {shape[1]} numbers, in pieces of "
            f"{chunk} bytes: that is no slide"
        )


def _positions(path: str | Path, coords: h5py.Dataset, columns: int = 2) -> Floats:
    """Read corners, float64 (N, 2)."""
    shape = coords.shape
    matrix = None if shape is None else _matrix(shape)
    if matrix is None or len(matrix) != 2 or matrix[1] != columns or coords.dtype.kind not in "iuf":
        raise FeatureFileError(
            f"{path}: coords is {coords.dtype} {shape}, not numbers (tiles, {columns})"
        )
    _check_size(path, coords, (matrix[0], columns))
    found = coords[...].reshape(matrix)[:, :2].astype(np.float64)
    if not (np.abs(found) < LARGEST_PX).all():
        raise FeatureFileError(f"{path}: coords holds values that are no positions on a slide")
    return np.asarray(found)


def read_facts(path: str | Path, attributes: Mapping[str, Any]) -> TileFacts:
    """Read TRIDENT's attributes, or CLAM's, and ours where they are."""
    patch_size = positive_attribute(path, attributes, "patch_size")
    side = positive_attribute(path, attributes, "side_level0_px")
    side = side or positive_attribute(path, attributes, "patch_size_level0")
    if side is None and patch_size is not None:
        # CLAM: patch_size counts pixels of the level it was read from.
        downsample = positive_attribute(path, attributes, "downsample")
        if downsample is None and _number(path, attributes, "patch_level") == 0:
            downsample = 1.0
        more = positive_attribute(path, attributes, "custom_downsample") or 1.0
        side = None if downsample is None else patch_size * downsample * more
    overlap = _number(path, attributes, "overlap")
    if overlap is not None and patch_size is not None:
        overlap /= patch_size
        if not 0 <= overlap < 1:
            raise FeatureFileError(f"{path}: tiles cannot overlap by {overlap:.0%} of their side")
    else:
        overlap = None
    um = positive_attribute(path, attributes, "tile_um")
    overlap_um = _number(path, attributes, "overlap_um")
    if um is not None and overlap_um is not None and 0 <= overlap_um < um:
        overlap = overlap_um / um  # Ours: exact, where TRIDENT's is rounded to whole pixels.
    width = positive_attribute(path, attributes, "level0_width")
    height = positive_attribute(path, attributes, "level0_height")
    return TileFacts(
        side_px=side,
        tile_px=None if patch_size is None else round(patch_size),
        overlap=overlap,
        mpp=positive_attribute(path, attributes, "mpp"),
        magnification=_number(path, attributes, "level0_magnification"),
        size=(round(width), round(height)) if width and height else None,
    )


def _number(path: str | Path, attributes: Mapping[str, Any], name: str) -> float | None:
    """Read a numeric attribute, the first of several (CLAM's downsample has one per axis)."""
    if name not in attributes:
        return None
    value = attributes[name]
    try:
        number = float(np.ravel(value)[0])
    except (TypeError, ValueError, IndexError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise FeatureFileError(f"{path}: attribute {name} is {value!r}, not a number")
    return number


def positive_attribute(path: str | Path, attributes: Mapping[str, Any], name: str) -> float | None:
    """Read a positive number, None where there is none.

    Raises
    ------
    FeatureFileError
        If it is no number, or none that an attribute of tiles could be.
    """
    number = _number(path, attributes, name)
    if number is not None and not 0 < number < LARGEST_PX:
        raise FeatureFileError(f"{path}: attribute {name} is {number:g}, it must be positive")
    return number


def text_attribute(attributes: Mapping[str, Any], name: str) -> str | None:
    """Read a text, None where there is none."""
    value = attributes.get(name)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and value else None
