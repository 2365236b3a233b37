"""Tiles turned about their own centres, and what an encoder makes of them.

A disc stays where it is when it is turned, so that nothing around a tile is needed: all that an
encoder sees of a tile, turned or not, is the disc in it, and black around. By multiples of 90°
pixels are exchanged and nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from histohet.common.arrays import Bools, Float32
from histohet.encoders.base import Encoder
from histohet.slides.reader import Pixels

RIGHT_ANGLE = 90
REACH_PX = 2.0
"""Cubic interpolation takes pixels up to so far away: the disc is that much smaller than a tile."""


class View(NamedTuple):
    """How a tile is shown.

    Attributes
    ----------
    angle
        Degrees counterclockwise.
    back
        Whether it is turned back again: what differs then from the tile as it lies is what two
        interpolations blur.
    """

    angle: float
    back: bool = False


def views_of(angles: Sequence[float]) -> tuple[View, ...]:
    """Return the views of tiles that are needed to compare angles with 0°, which is the first.

    Turned back, angles that differ by multiples of 90° are the same, and these themselves are as
    they lie.

    Parameters
    ----------
    angles
        Degrees, 0 to below 360.
    """
    others = [View(angle) for angle in angles if angle != 0]
    oblique = sorted({angle % RIGHT_ANGLE for angle in angles} - {0})
    return (View(0), *others, *(View(angle, back=True) for angle in oblique))


def row_of_ceiling(views: Sequence[View], angle: float) -> int:
    """Return which of the views shows what interpolation alone does at an angle."""
    oblique = angle % RIGHT_ANGLE
    return views.index(View(oblique, back=True)) if oblique else 0


def turn(tiles: Pixels, angle: float) -> Pixels:
    """Turn tiles about their centres.

    Parameters
    ----------
    tiles
        uint8 (B, S, S, 3).
    angle
        Degrees counterclockwise.

    Returns
    -------
    uint8 (B, S, S, 3)
        At multiples of 90° the same pixels in other places. Elsewhere interpolated (cubic), and
        right in the disc of `window`; what lies outside of the tile is taken to mirror it.
    """
    quarters, oblique = divmod(angle, RIGHT_ANGLE)
    if oblique:
        side = int(tiles.shape[1])
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), oblique, 1.0)
        turned = [
            cv2.warpAffine(
                tile,
                matrix,
                (side, side),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            for tile in tiles
        ]
        tiles = np.array(turned, np.uint8).reshape(tiles.shape)
    return np.rot90(tiles, int(quarters), axes=(1, 2))


def window(side: int) -> Bools:
    """Return which pixels (side, side) of a tile are shown: a disc, the same at every angle."""
    offsets = np.arange(side) - (side - 1) / 2
    radius = side / 2 - 0.5 - REACH_PX
    return np.asarray(np.hypot(*np.meshgrid(offsets, offsets)) <= radius)


def show(tiles: Pixels, view: View) -> Pixels:
    """Return tiles, uint8 (B, S, S, 3), as a view shows them: turned, black outside of the disc."""
    turned = turn(tiles, view.angle)
    if view.back:
        turned = turn(turned, -view.angle % 360)
    return np.where(window(tiles.shape[1])[..., None], turned, np.uint8(0))


class TurningEncoder:
    """An encoder whose embedding of a tile is that of all its views, one after the other.

    Parameters
    ----------
    encoder
        What encodes each view.
    angles
        See `views_of`.
    """

    def __init__(self, encoder: Encoder, angles: Sequence[float]) -> None:
        self._encoder = encoder
        self._views = views_of(angles)
        self.name = f"{encoder.name}_turned"
        self.width = len(self._views) * encoder.width

    def encode(self, tiles: Pixels) -> Float32:
        """Encode uint8 (B, S, S, 3) into float32 (B, views · width).

        Raises
        ------
        EncoderOutOfMemory
            If the device has no memory for so many tiles at once.
        """
        return np.concatenate(
            [self._encoder.encode(show(tiles, view)) for view in self._views], axis=1
        )
