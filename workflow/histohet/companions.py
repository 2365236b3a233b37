"""The files that the sheet names beside a slide, and whether they can be this slide's.

Most is told before the slide is tiled; whether a mask lies on tissue, when its tiles are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from histohet.agreement.truth import read_truth
from histohet.common.outcome import OK, Outcome, Status
from histohet.epithelium.masks import EpitheliumMask, LabelImage, MaskError
from histohet.measures.traits import read_traits
from histohet.slides.files import is_geojson
from histohet.tiles.lattice import outside
from histohet.tumour.attention import read_attention

NAMED_CLASSES = 12
"""So many classes of a mask are named in a message."""


def problem_of_companions(
    files: Mapping[str, str], size: tuple[int, int] | None, side_px: float
) -> str | None:
    """Read mask, attention, traits and truth of a slide as far as it goes; say what is wrong.

    Of a label image only the header is read, of GeoJSON nothing: it may be large.

    Parameters
    ----------
    files
        By column of the sheet, `histohet.slides.sheet.COMPANIONS`.
    size
        (width, height) of level 0; None without a slide, which then has no mask either.
    side_px
        Side of a tile, level-0 px.
    """
    checks: dict[str, Callable[[str], object]] = {
        "mask": lambda path: None if size is None else check_mask(path, size, side_px),
        "attention": lambda path: read_attention_of(path, size),
        "traits": read_traits,
        "truth": read_truth,
    }
    problems = []
    for column, file in files.items():
        try:
            checks[column](file)
        except MaskError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{column}: {error}")
    return "; ".join(problems) or None


def outcome_of_mask(mask: EpitheliumMask, path: str, on_tissue: float, elsewhere: float) -> Outcome:
    """Say whether a mask can be the slide's, by how much of its epithelium lies on tissue.

    Parameters
    ----------
    on_tissue, elsewhere
        Epithelium on the tiles of the slide, and on glass, in tiles.

    Raises
    ------
    MaskError
        If a part of the mask cannot be read.
    """
    total = on_tissue + elsewhere
    if total > 0 and on_tissue >= total / 2:
        return OK
    if total > 0:
        return Outcome(
            Status.REFUSED,
            f"only {on_tissue / total:.0%} of the epithelium of mask {path} lies on tissue: it is "
            "shifted or of another slide, or tissue.preset leaves out what it marks",
        )
    if not isinstance(mask, LabelImage):
        return Outcome(
            Status.REFUSED,
            f"no annotation of mask {path} lies on a tile: coordinates of another slide or scale",
        )
    classes = mask.classes()
    if classes == [0]:
        return Outcome(Status.NO_EPITHELIUM, f"mask {path} is empty")
    if mask.is_epithelium[classes].any():
        return OK
    held = ", ".join(map(str, classes[:NAMED_CLASSES]))
    return Outcome(Status.REFUSED, f"mask {path} has no class of epithelium.classes; it has {held}")


def check_mask(path: str, size: tuple[int, int], side_px: float) -> None:
    """Check the header of a label image; GeoJSON shows what it is when it is read.

    Raises
    ------
    MaskError
        If the mask cannot be read, has another shape than the slide, or is coarser than tiles.
    """
    if is_geojson(path):
        return
    scale = LabelImage(path, (), size).scale
    if scale > side_px:
        raise MaskError(
            f"mask {path} is too coarse: one of its pixels is {scale:.4g} px of the slide, a tile "
            f"{side_px:.4g}"
        )


def read_attention_of(
    path: str, size: tuple[int, int] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Read the attention of a slide of this size, see `histohet.tumour.attention.read_attention`.

    Raises
    ------
    ValueError
        If it cannot be read, or lies outside the slide.
    """
    xy, values = read_attention(path)
    if problem := outside(xy, size):
        raise ValueError(f"{path}: {problem}")
    return xy, values
