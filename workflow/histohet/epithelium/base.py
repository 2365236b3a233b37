"""What a mask is to the rest of the workflow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from histohet.common.arrays import Bools
from histohet.common.outcome import SlideLost
from histohet.slides.settings import Origin

WHAT_A_MASK_IS = (
    "a mask is a label image (TIFF or PNG, one integer class per pixel) or GeoJSON "
    "(.geojson or .json, also packed as .gz or .zip); draw or open anything else in QuPath and "
    "export it as GeoJSON"
)


class MaskError(SlideLost):
    """A mask cannot be used for its slide; the message names the file and says why."""


@dataclass(frozen=True)
class MaskRules:
    """What of a mask is epithelium, and from where it is measured; see `EpitheliumSettings`.

    Attributes
    ----------
    classes
        Of a label image.
    class_names, excluded_names
        Of annotations: what counts, and what is taken out of it.
    origin
        None if nobody said it.
    """

    classes: Collection[int] = ()
    class_names: Collection[str] = ()
    excluded_names: Collection[str] = ()
    origin: Origin | None = None


class EpitheliumMask(Protocol):
    """Epithelium of one slide."""

    notes: tuple[str, ...]
    """What was unusual about the file, and what was made of it."""

    def coverage(self, x: float, y: float, side_px: float) -> float:
        """Share of a square that is epithelium, 0 to 1 (exact area, level-0 px)."""
        ...

    def pixels(self, x: float, y: float, side_px: float, out_px: int) -> Bools:
        """Which pixels of a square, seen as (out_px, out_px), are epithelium at their centre."""
        ...
