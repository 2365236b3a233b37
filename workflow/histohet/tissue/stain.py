"""What the stain of a slide is: white point, hematoxylin and eosin vectors, concentrations.

Light passing a stained section is absorbed exponentially (Beer–Lambert), so the optical density
``-log10(I / I_white)`` of a pixel is a sum of stain vectors weighted by the amount of each stain.
Ruifrok & Johnston (2001, Anal Quant Cytol Histol 23:291) measured the vectors and solve for the
amounts; Macenko et al. (2009, ISBI) estimate the vectors of a slide from the extreme angles of its
own optical densities. Here the angles are measured in the plane of the vectors of Ruifrok &
Johnston and not in the first two principal components: on pale tissue and after JPEG the second
component is colour noise, in that plane it is hematoxylin against eosin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Bools, Float32, Floats, UInt8

FloatArray = npt.NDArray[np.floating[Any]]
Vector = tuple[float, float, float]

# Ruifrok & Johnston 2001, optical density in red, green and blue, as unit vectors.
HEMATOXYLIN = np.array([0.65, 0.70, 0.29]) / np.linalg.norm([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11]) / np.linalg.norm([0.07, 0.99, 0.11])

TISSUE_OD = 0.15  # summed over the channels: pale mucin and stroma are 0.15 to 0.4, glass below 0.1
DENSE_OD = 0.45  # summed: Macenko's 0.15 per channel, below which hue is mostly noise
EXTREME_PERCENT = 2.0  # the median beyond it is the 1st percentile, Macenko's alpha
REFERENCE_PERCENT = 99.0  # Macenko's robust maximum of a concentration
MAX_DEVIATION_DEG = 35.0  # of an estimated vector from the published one
MIN_SEPARATION_DEG = 12.0  # below it the slide shows one stain only
MIN_DENSE_PIXELS = 500  # below it no percentile at the edge is worth anything
DEFAULT_REFERENCE = (1.2, 0.9)  # hematoxylin, eosin of an ordinary section, optical density
MIN_WHITE = 180  # of the darkest channel of empty glass
MAX_WHITE_SPREAD = 25  # between the channels of empty glass
MIN_GLASS_PIXELS = 50
MIN_REFERENCE = 0.3  # keeps a missing stain from being blown up to full scale


@dataclass(frozen=True)
class StainModel:
    """Colour of one slide.

    Attributes
    ----------
    white
        Red, green, blue of empty glass, 0 to 255.
    hematoxylin, eosin
        Unit vectors of optical density (base 10) in red, green, blue.
    reference
        99th percentile over the tissue of the concentrations of hematoxylin and eosin, in optical
        density; the amounts of `unmix` are given relative to it.
    estimated
        False where the slide was implausible and the published vectors stand in.
    """

    white: Vector = (255.0, 255.0, 255.0)
    hematoxylin: Vector = (float(HEMATOXYLIN[0]), float(HEMATOXYLIN[1]), float(HEMATOXYLIN[2]))
    eosin: Vector = (float(EOSIN[0]), float(EOSIN[1]), float(EOSIN[2]))
    reference: tuple[float, float] = DEFAULT_REFERENCE
    estimated: bool = False


def fit_stain(pixels: UInt8) -> StainModel:
    """Estimate the stain of a slide from a sample of its pixels.

    Ink of a marker is left out. Where too few pixels are dense enough, or where an estimated vector
    is implausible (far from the published one, or both vectors alike), the published vectors of
    Ruifrok & Johnston stand in.

    Parameters
    ----------
    pixels
        uint8 (n, 3), red, green, blue; background included, it gives the white point.

    Raises
    ------
    ValueError
        If `pixels` has another shape or type.
    """
    if pixels.ndim != 2 or pixels.shape[1] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"a stain is fitted to uint8 pixels of shape (n, 3), got {pixels.dtype} {pixels.shape}"
        )
    white = _white_point(pixels)
    table = _density_table(white)
    density = table[pixels, np.arange(3)]
    density = density[~_is_ink(*density.T)]
    dense = density[density.sum(axis=1) > DENSE_OD]
    if len(dense) < MIN_DENSE_PIXELS:
        return StainModel(white=_vector(white))
    vectors, estimated = _stain_vectors(dense)
    tissue = density[density.sum(axis=1) > TISSUE_OD]
    amounts = tissue @ np.linalg.pinv(vectors)
    reference = np.percentile(amounts, REFERENCE_PERCENT, axis=0).clip(min=MIN_REFERENCE)
    return StainModel(
        white=_vector(white),
        hematoxylin=_vector(vectors[0]),
        eosin=_vector(vectors[1]),
        reference=(float(reference[0]), float(reference[1])),
        estimated=estimated,
    )


def optical_density(rgb: UInt8, model: StainModel) -> tuple[Float32, Float32, Float32]:
    """Optical density (base 10, at least 0) of an image.

    Parameters
    ----------
    rgb
        uint8 (height, width, 3).

    Returns
    -------
    red, green, blue
        Each float32 (height, width).

    Raises
    ------
    ValueError
        If `rgb` has another shape or type.
    """
    check_image(rgb)
    table = stain_tables(model)[0]
    red, green, blue = (
        _look_up(plane, table[:, channel]) for channel, plane in enumerate(cv2.split(rgb))
    )
    return red, green, blue


def unmix(rgb: UInt8, model: StainModel) -> tuple[Float32, Float32]:
    """Amounts of hematoxylin and eosin per pixel, relative to the slide's reference.

    Least squares in optical density, negative amounts set to 0 (Ruifrok & Johnston 2001). The value
    of a pixel depends on that pixel alone, bit for bit.

    Parameters
    ----------
    rgb
        uint8 (height, width, 3).

    Returns
    -------
    hematoxylin, eosin
        Each float32 (height, width); 1 is the 99th percentile of the tissue.

    Raises
    ------
    ValueError
        If `rgb` has another shape or type.
    """
    check_image(rgb)
    table = stain_tables(model)[1]
    planes = cv2.split(rgb)

    def amount(stain: int) -> Float32:
        # A sum of table look-ups and not a matrix product, whose rounding may depend on position.
        red, green, blue = (
            _look_up(plane, table[:, channel, stain]) for channel, plane in enumerate(planes)
        )
        total: Float32 = red + green + blue
        return total.clip(min=0)

    return amount(0), amount(1)


def stain_tables(model: StainModel) -> tuple[Float32, Float32]:
    """Tabulate what each value of each channel adds to optical density and to the two stains.

    Returns
    -------
    density
        float32 (256, 3), the results of `optical_density`.
    amounts
        float32 (256, 3, 2), the terms that `unmix` sums over the channels.
    """
    density = _density_table(np.asarray(model.white))
    vectors = np.array([model.hematoxylin, model.eosin])
    share = np.linalg.pinv(vectors) / np.asarray(model.reference)  # (3, 2)
    return density.astype(np.float32), (density[:, :, None] * share).astype(np.float32)


def ink(rgb: UInt8, model: StainModel) -> Bools:
    """Pixels too blue, too green or too grey for hematoxylin and eosin.

    Single pixels may be pigment, dust or colour noise: marker strokes are the large regions.

    Returns
    -------
    numpy.ndarray
        bool (height, width).
    """
    return _is_ink(*optical_density(rgb, model))


def stained(rgb: UInt8, model: StainModel) -> Bools:
    """Pixels that hold more than glass: summed optical density above `TISSUE_OD`.

    Returns
    -------
    numpy.ndarray
        bool (height, width).
    """
    red, green, blue = optical_density(rgb, model)
    return red + green + blue > TISSUE_OD


def check_image(rgb: UInt8) -> None:
    """Raise a ValueError unless `rgb` is a uint8 image of shape (height, width, 3)."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"an image is uint8 (height, width, 3), got {rgb.dtype} {rgb.shape}")


def _white_point(pixels: UInt8) -> Floats:
    """Median of the glass: bright, nearly grey pixels that are not the viewer's pure white fill."""
    darkest = pixels.min(axis=1).astype(np.int16)
    spread = pixels.max(axis=1) - darkest
    glass = pixels[(darkest >= MIN_WHITE) & (spread <= MAX_WHITE_SPREAD)]
    scanned = glass[glass.min(axis=1) < 255]
    if len(scanned) >= MIN_GLASS_PIXELS:
        glass = scanned
    if len(glass) < MIN_GLASS_PIXELS:
        return np.full(3, 255.0)
    # Pale tissue is brighter than MIN_WHITE too: the glass is the brighter half of what is left.
    brightness = glass.astype(np.int32).sum(axis=1)
    return np.asarray(np.median(glass[brightness >= np.median(brightness)], axis=0), np.float64)


def _density_table(white: Floats) -> Floats:
    """Optical density of each value 0 to 255 (rows) in each channel (columns); + 1 avoids log 0."""
    intensity = np.arange(256, dtype=np.float64)[:, None]
    transmitted: Floats = np.minimum((intensity + 1) / (white + 1), 1.0)
    return np.abs(np.log10(transmitted))


def _look_up(plane: npt.NDArray[Any], table: npt.NDArray[Any]) -> Float32:
    return np.asarray(cv2.LUT(plane, np.ascontiguousarray(table, np.float32)), np.float32)


def _is_ink(red: FloatArray, green: FloatArray, blue: FloatArray) -> Bools:
    """Judge optical densities: hematoxylin and eosin both absorb green most, or nearly so."""
    total = red + green + blue
    blue_or_green = (
        (red > 1.5 * green) | ((red > green) & (blue < 0.25 * red)) | (blue > 1.1 * green)
    )
    lightest = np.minimum(np.minimum(red, green), blue)
    heaviest = np.maximum(np.maximum(red, green), blue)
    grey = lightest > 0.7 * heaviest
    return (total > DENSE_OD) & (blue_or_green | grey)


def _stain_vectors(dense: Floats) -> tuple[Floats, bool]:
    """Rows hematoxylin and eosin, and whether they were estimated or stand in."""
    published = np.stack([HEMATOXYLIN, EOSIN])
    side = HEMATOXYLIN - (HEMATOXYLIN @ EOSIN) * EOSIN
    angle = np.arctan2(dense @ (side / np.linalg.norm(side)), dense @ EOSIN)
    low, high = np.percentile(angle, [EXTREME_PERCENT, 100 - EXTREME_PERCENT])
    directions = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    vectors = np.stack(
        [np.median(directions[angle >= high], axis=0), np.median(directions[angle <= low], axis=0)]
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    deviation = np.degrees(np.arccos(np.clip((vectors * published).sum(axis=1), -1, 1)))
    separation = np.degrees(np.arccos(np.clip(vectors[0] @ vectors[1], -1, 1)))
    if deviation.max() > MAX_DEVIATION_DEG or separation < MIN_SEPARATION_DEG:
        return published, False
    return vectors, True


def _vector(values: Any) -> Vector:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
