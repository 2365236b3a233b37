"""Physical scale of a slide: where its mpp comes from, and what contradicts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from histohet.common.outcome import SlideLost
from histohet.slides.reader import OBLONG, SlideInfo
from histohet.slides.settings import Preference

MPP_RANGE = (0.05, 100.0)
"""What a light-microscope scan can have; a value outside it (0, 1000) is a converter's default."""

AGREEMENT_TOLERANCE = 0.05
OBJECTIVE_TIMES_MPP = (7.0, 14.0)
"""Objective power × mpp of a sound scan: about 10 (40x at 0.25, 20x at 0.5)."""


class ScaleUnknownError(SlideLost):
    """No usable micrometres per pixel, neither in the file nor in the sheet."""


@dataclass(frozen=True)
class Scale:
    """Micrometres per level-0 pixel, its source, and everything that contradicts it."""

    mpp: float
    source: Literal["file", "sheet", "features"]
    conflicts: tuple[str, ...] = ()


def resolve_scale(
    info: SlideInfo | None, sheet_mpp: float | None, prefer: Preference = "file"
) -> Scale:
    """Decide the scale of a slide: from the file, else from the sheet, never from a default.

    Parameters
    ----------
    info
        What the file says; None without a slide file.
    sheet_mpp
        What the slide sheet says, or None.
    prefer
        Which of two usable values counts. The other one is reported as a conflict if they differ
        by more than 5 %.

    Raises
    ------
    ScaleUnknownError
        If neither source has a usable value, or the file says that pixels are oblong and counts.
    """
    conflicts: list[str] = []
    file_mpp = None if info is None else _file_mpp(info)
    given: dict[Preference, float | None] = {"file": file_mpp, "sheet": sheet_mpp}
    known = {source: mpp for source, mpp in given.items() if mpp is not None}
    usable = {source: mpp for source, mpp in known.items() if _credible(mpp)}
    conflicts += [
        f"mpp {mpp:g} in the {source} is not credible and was ignored"
        for source, mpp in known.items()
        if source not in usable
    ]
    if not usable:
        raise ScaleUnknownError(
            "; ".join([*conflicts, "micrometres per pixel unknown: give `mpp` in the slide sheet"])
        )
    source = prefer if prefer in usable else next(iter(usable))
    mpp = usable[source]
    other = "file" if source == "sheet" else "sheet"
    if len(usable) == 2 and abs(usable["file"] / usable["sheet"] - 1) > AGREEMENT_TOLERANCE:
        conflicts.append(
            f"mpp is {usable['file']:g} in the file and {usable['sheet']:g} in the sheet; "
            f"the {source} counts (scale.prefer; set it to {other} if the {source} is wrong)"
        )
    if "file" in usable and (oblong := _oblong(info)):
        conflicts.append(oblong)
        if source == "file":
            raise ScaleUnknownError(
                "; ".join(conflicts) + ": resample the slide to square pixels or, if the file is "
                "wrong, give its mpp in the sheet and set scale.prefer to sheet"
            )
    if info is not None and info.objective_power is not None:
        product = info.objective_power * mpp
        if not OBJECTIVE_TIMES_MPP[0] <= product <= OBJECTIVE_TIMES_MPP[1]:
            conflicts.append(f"objective {info.objective_power:g}x does not go with mpp {mpp:g}")
    return Scale(mpp, source, tuple(conflicts))


def resolve_scale_of_features(
    features_mpp: float | None,
    info: SlideInfo | None,
    sheet_mpp: float | None,
    prefer: Preference = "file",
) -> Scale:
    """Decide the scale of a slide that brings finished features, which may know it too.

    Slide and sheet are heard first, as in `resolve_scale`. The features cannot be made at another
    scale than the one they were made at, so here a contradiction is no matter of preference.

    Raises
    ------
    ScaleUnknownError
        If nobody knows the scale, or the features contradict slide or sheet by more than 5 %.
    """
    try:
        scale = resolve_scale(info, sheet_mpp, prefer)
    except ScaleUnknownError:
        if features_mpp is None or not _credible(features_mpp):
            raise
        return Scale(features_mpp, "features")
    if features_mpp is not None and abs(features_mpp / scale.mpp - 1) > AGREEMENT_TOLERANCE:
        disagree = (
            f"mpp is {scale.mpp:g} in the {scale.source} and {features_mpp:g} in the features"
        )
        raise ScaleUnknownError(
            "; ".join([*scale.conflicts, disagree])
            + ": they are not of this slide, or were made at a wrong scale"
        )
    return scale


def _credible(mpp: float) -> bool:
    return MPP_RANGE[0] <= mpp <= MPP_RANGE[1]


def _file_mpp(info: SlideInfo) -> float | None:
    """Mean mpp of both axes."""
    if info.mpp_x is None or info.mpp_y is None:
        return info.mpp_x if info.mpp_y is None else info.mpp_y
    return (info.mpp_x + info.mpp_y) / 2


def _oblong(info: SlideInfo | None) -> str | None:
    """Say so if the pixels of a file with a usable scale are not square; else None."""
    if info is None or info.mpp_x is None or info.mpp_y is None:
        return None
    if abs(info.mpp_x - info.mpp_y) <= OBLONG * min(info.mpp_x, info.mpp_y):
        return None
    return f"pixels are not square: mpp {info.mpp_x:g} × {info.mpp_y:g}"
