"""What the feature and tile files of other tools say about their tiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histohet.common.outcome import SlideLost
from histohet.tiles.lattice import LARGEST_PX


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
