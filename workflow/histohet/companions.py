"""The files that the sheet names beside a slide, and what can be told of them before it is tiled.

What needs tissue or tiles is told later: whether a mask covers any tissue, whether attention lies
where the tiles are.
"""

from __future__ import annotations

from collections.abc import Callable

from histohet.masks import LabelImage, MaskError, is_geojson
from histohet.sheets import SlideRow
from histohet.tiles import outside
from histohet.traits import read_traits
from histohet.tumour import read_attention


def problem_of_companions(
    row: SlideRow, size: tuple[int, int] | None, side_px: float
) -> str | None:
    """Read mask, attention and traits of a slide as far as it goes, and say what is wrong.

    Of a label image only the header is read, of GeoJSON nothing: it may be large.

    Parameters
    ----------
    size
        (width, height) of level 0; None without a slide, which then has no mask either.
    side_px
        Side of a tile, level-0 px.
    """

    def check_mask(path: str) -> None:
        if size is not None and not is_geojson(path):
            _check_label_image(path, size, side_px)

    def check_attention(path: str) -> None:
        if problem := outside(read_attention(path)[0], size):
            raise ValueError(f"{path}: {problem}")

    checks: dict[str, Callable[[str], object]] = {
        "mask": check_mask,
        "attention": check_attention,
        "traits": read_traits,
    }
    problems = []
    for column, check in checks.items():
        if (file := row.files.get(column)) is None:
            continue
        try:
            check(file)
        except MaskError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{column}: {error}")
    return "; ".join(problems) or None


def _check_label_image(path: str, size: tuple[int, int], side_px: float) -> None:
    scale = LabelImage(path, (), size).scale
    if scale > side_px:
        raise MaskError(
            f"mask {path} is too coarse: one of its pixels is {scale:.4g} px of the slide, a tile "
            f"{side_px:.4g}"
        )
