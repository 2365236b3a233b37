"""Tiles of a slide as an encoder sees them: read, resampled, masked.

What is needed to read them is plain data, so that any process can open the slide for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from histohet.epithelium.base import EpitheliumMask, MaskRules
from histohet.epithelium.masks import append_mask, apply_mask, open_mask
from histohet.slides.frame import Frame
from histohet.slides.reader import Pixels, Slide
from histohet.slides.region import open_region
from histohet.slides.sampling import Resampling, read_tile

PAPER: Literal["paper"] = "paper"
"""Name of HETMAP's own pixel path, where a `Resampling` is named otherwise."""


@dataclass(frozen=True)
class MaskSource:
    """Which pixels of a slide stay, and what replaces the others.

    Attributes
    ----------
    path, rules, frame
        See `histohet.epithelium.masks.open_mask`.
    colour
        RGB outside the epithelium; HETMAP takes black. None: pixels stay as they are, and the mask
        goes with them as a fourth channel.
    """

    path: str | None
    rules: MaskRules
    frame: Frame
    colour: tuple[int, int, int] | None = (0, 0, 0)

    def open(self) -> EpitheliumMask:
        """Open the mask."""
        return open_mask(self.path, self.rules, self.frame)


@dataclass(frozen=True)
class TileSource:
    """Where tiles come from and how they are made.

    Attributes
    ----------
    slide
        Path of the file.
    side_px
        Side of a tile, level-0 px, may be fractional.
    tile_px
        Side of a tile as it is read.
    resampling
        Name of a `Resampling`: the tile is resampled from its exact corners, then masked pixel by
        pixel. Or `PAPER`: level-0 pixels of a whole number, masked, and brought to size with the
        nearest pixel.
    mask
        None leaves tiles as they are.
    region
        What of the file is the slide; None: all of it.
    """

    slide: str
    side_px: float
    tile_px: int
    resampling: Resampling | Literal["paper"] = Resampling.BILINEAR
    mask: MaskSource | None = None
    region: Frame | None = None

    @property
    def mask_apart(self) -> bool:
        """Whether the mask is a channel of its own."""
        return self.mask is not None and self.mask.colour is None

    @property
    def tile_shape(self) -> tuple[int, int, int]:
        """Shape of a tile as it is read."""
        return self.tile_px, self.tile_px, 4 if self.mask_apart else 3

    @contextmanager
    def open(self) -> Iterator[TileReader]:
        """Open slide and mask.

        Raises
        ------
        SlideError, MaskError
            If one of them cannot be opened.
        """
        with open_region(self.slide, self.region) as slide:
            yield TileReader(self, slide, self.mask.open() if self.mask else None)


class TileReader:
    """An open slide, and its mask, that give tiles."""

    def __init__(self, source: TileSource, slide: Slide, mask: EpitheliumMask | None) -> None:
        self._source = source
        self._slide = slide
        self._mask = mask

    def read(self, x: int, y: int) -> Pixels:
        """Read the tile at (x, y), level-0 px.

        Returns
        -------
        uint8, of `TileSource.tile_shape`

        Raises
        ------
        SlideError
            If the slide cannot be decoded there. Other tiles can still be read.
        """
        source = self._source
        size = source.tile_px
        if source.resampling == PAPER:
            side = round(source.side_px)
            pixels = self._masked(self._slide.read(0, x, y, side, side), x, y, side)
            return Resampling.NEAREST.resize(pixels, (size, size))
        tile = read_tile(self._slide, x, y, source.side_px, size, Resampling(source.resampling))
        return self._masked(tile, x, y, source.side_px)

    def _masked(self, pixels: Pixels, x: int, y: int, side_px: float) -> Pixels:
        if self._mask is None or self._source.mask is None:
            return pixels
        inside = self._mask.pixels(x, y, side_px, len(pixels))
        colour = self._source.mask.colour
        return append_mask(pixels, inside) if colour is None else apply_mask(pixels, inside, colour)
